package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

var errFault = errors.New("the machine failed")

// faults makes the n-th passing of a point fail: of a statement, and all that
// follow (a body may run again), until f.at is cleared; of a commit, that one.
// Without a point nothing fails.
type faults struct {
	at   atomic.Pointer[store.FaultPoint]
	left atomic.Int32
}

func (f *faults) next(p store.FaultPoint, n int) {
	f.left.Store(int32(n))
	f.at.Store(&p)
}

func (f *faults) ask(p store.FaultPoint) error {
	if at := f.at.Load(); at == nil || *at != p || f.left.Add(-1) >= 0 {
		return nil
	}
	if p != store.BeforeStatement {
		f.at.Store(nil)
	}
	return errFault
}

// faulty is a shop with a webhook on a machine that can fail, and what it was told
// of commits.
func faulty(t *testing.T, p place) (s *storetest.Shop, w paybell.Webhook, f *faults, told *atomic.Int32) {
	f, told = &faults{}, &atomic.Int32{}
	opt := server(t)
	opt.Fault = f.ask
	db := mustOpen(t, p, opt)
	t.Cleanup(func() { mustClose(t, db) })
	db.OnCommit(func(fresh []paybell.Delivery) { told.Add(int32(len(fresh))) })
	s = storetest.NewShop(t, db)
	w = s.Webhook("https://a.example/hook")
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateWebhook(w) }); err != nil {
		t.Fatal(err)
	}
	return s, w, f, told
}

// written reports whether an invoice is there, with its delivery; half of it is
// an error.
func written(t *testing.T, s *storetest.Shop, w paybell.Webhook, c paybell.Change) bool {
	t.Helper()
	all, err := store.View(context.Background(), s.DB, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(w.ID, 0, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	delivered := false
	for i, d := range all {
		delivered = delivered || d.InvoiceID == c.Invoice.ID
		if d.Number != int64(i+1) {
			t.Errorf("number %d comes after %d", d.Number, i)
		}
	}
	_, err = store.View(context.Background(), s.DB, func(tx *store.Tx) (paybell.Invoice, error) { return tx.Invoice(c.Invoice.ID) })
	if there := err == nil; there != delivered {
		t.Errorf("half of an invoice was written: it is there: %v, it will be told: %v", there, delivered)
	}
	return delivered
}

// Whatever fails before the commit leaves nothing; what fails after it leaves
// everything, although nobody hears of it.
func TestFaults(t *testing.T) {
	for _, p := range places(t) {
		t.Run(p.name, func(t *testing.T) {
			s, w, f, told := faulty(t, p)
			create := func() (paybell.Change, error) {
				c := s.NewInvoice(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
				return c, store.Do(context.Background(), s.DB, func(tx *store.Tx) error { return tx.Apply(c) })
			}
			statements := 0
			for ; ; statements++ { // the first, the second, ... statement fails
				f.next(store.BeforeStatement, statements)
				c, err := create()
				f.at.Store(nil)
				if err == nil {
					break
				}
				if !errors.Is(err, errFault) || written(t, s, w, c) {
					t.Fatalf("statement %d failed, and the change is written or said %v", statements+1, err)
				}
			}
			if statements < 4 {
				t.Errorf("only %d statements could fail", statements)
			}
			f.next(store.BeforeCommit, 0)
			if c, err := create(); !errors.Is(err, errFault) || written(t, s, w, c) {
				t.Errorf("before the commit: %v, and it is written", err)
			}
			if n := told.Load(); n != 1 {
				t.Errorf("told of %d deliveries, of which one was committed", n)
			}
			f.next(store.AfterCommit, 0)
			if c, err := create(); !errors.Is(err, errFault) || !written(t, s, w, c) {
				t.Errorf("after the commit: %v, and it is not written", err)
			}
			if n := told.Load(); n != 1 {
				t.Errorf("told of %d deliveries after a commit of which nobody knows", n)
			}
			// What nobody was told of is found.
			due, err := store.View(context.Background(), s.DB, func(tx *store.Tx) ([]paybell.Delivery, error) {
				due, _, err := tx.DueDeliveries(store.Endpoint{ClientID: s.Client.ID, Origin: w.Origin}, store.Place{}, time.Now(), time.Time{}, 10)
				return due, err
			})
			if err != nil || len(due) != 2 {
				t.Errorf("%d deliveries are due, %v", len(due), err)
			}
			if c, err := create(); err != nil || !written(t, s, w, c) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A body that makes nothing of an error of the database is not committed, and a
// view that fails is no view.
func TestFaultsAreNotSwallowed(t *testing.T) {
	for _, p := range places(t) {
		t.Run(p.name, func(t *testing.T) {
			s, w, f, _ := faulty(t, p)
			c := s.NewInvoice(time.Now())
			f.next(store.BeforeStatement, 0)
			if err := store.Do(context.Background(), s.DB, func(tx *store.Tx) error {
				_, _ = tx.Undelivered()
				_ = tx.Apply(c)
				return nil
			}); !errors.Is(err, errFault) {
				t.Errorf("an error that was swallowed: %v", err)
			}
			f.at.Store(nil)
			if written(t, s, w, c) {
				t.Error("it was written all the same")
			}
			f.next(store.BeforeStatement, 0)
			if n, err := store.View(context.Background(), s.DB, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); !errors.Is(err, errFault) {
				t.Errorf("a view that failed: %d, %v", n, err)
			}
			f.at.Store(nil)
			if _, err := store.View(context.Background(), s.DB, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); err != nil {
				t.Errorf("the next view: %v", err)
			}
		})
	}
}

// Many write at once on a machine that fails now and then: who hears of success
// has written, who hears of a failure before the commit has not, and on SQLite,
// where they share a commit, they share its lot.
func TestFaultsAtOnce(t *testing.T) {
	for _, p := range places(t) {
		for _, point := range []store.FaultPoint{store.BeforeCommit, store.AfterCommit} {
			t.Run(fmt.Sprint(p.name, "/", point), func(t *testing.T) {
				if p.name == "SQLite" {
					p = sqlitePlace(t)
				} else {
					p = postgresPlace(t)
				}
				s, w, f, _ := faulty(t, p)
				const writers, each = 8, 6
				changes, errs := [writers * each]paybell.Change{}, [writers * each]error{}
				var all sync.WaitGroup
				for i := range writers {
					all.Go(func() {
						for j := range each {
							n := i*each + j
							changes[n] = s.NewInvoice(time.Now())
							if i == 0 && j%2 == 1 {
								f.next(point, 0)
							}
							errs[n] = store.Do(context.Background(), s.DB, func(tx *store.Tx) error { return tx.Apply(changes[n]) })
						}
					})
				}
				all.Wait()
				f.at.Store(nil)
				failed := 0
				for n, c := range changes {
					if errs[n] != nil {
						failed++
					}
					if errs[n] != nil && !errors.Is(errs[n], errFault) {
						t.Errorf("change %d: %v", n, errs[n])
					}
					if want := errs[n] == nil || point == store.AfterCommit; written(t, s, w, c) != want {
						t.Errorf("change %d: said was %v, and it is written: %v", n, errs[n], !want)
					}
				}
				if failed == 0 || failed == len(changes) {
					t.Errorf("%d of %d failed: this test sees nothing", failed, len(changes))
				}
			})
		}
	}
}
