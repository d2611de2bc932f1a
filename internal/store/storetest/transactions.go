package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var transactionTests = map[string]func(*testing.T, *store.DB){
	"Tx/WhatFailsLeavesNothing":   testWhatFailsLeavesNothing,
	"Tx/OthersAreCommitted":       testOthersAreCommitted,
	"Tx/ErrorThatWasSwallowed":    testSwallowedError,
	"Tx/ViewSeesOneMoment":        testViewSeesOneMoment,
	"Tx/ViewCannotWrite":          testViewCannotWrite,
	"Tx/ManyViewsAtOnce":          testManyViewsAtOnce,
	"Tx/EndedContext":             testEndedContext,
	"Tx/EndedInTheMiddle":         testEndedInTheMiddle,
	"Tx/PanickingViews":           testPanickingViews,
	"Tx/OnCommitTellsWhatIsFresh": testOnCommit,
}

var errGivenUp = errors.New("the body gave up")

// failures are the ways in which a body can fail after it has written.
var failures = map[string]func() error{
	"error": func() error { return errGivenUp },
	"ours":  func() error { return paybell.Errorf(paybell.Forbidden, "not you") },
	"panic": func() error { panic("a bug") },
}

func merchantNumber(i int) paybell.Merchant {
	return paybell.Merchant{ID: paybell.NewUUID(t0), Name: fmt.Sprint("merchant ", i), CreatedAt: after(i)}
}

func testWhatFailsLeavesNothing(t *testing.T, db *store.DB) {
	for name, fail := range failures {
		m := merchantNumber(1)
		result, err := store.Update(context.Background(), db, func(tx *store.Tx) (string, error) {
			if err := tx.CreateMerchant(m); err != nil {
				return "", err
			}
			if _, err := tx.Merchant(m.ID); err != nil {
				return "", fmt.Errorf("a body does not see what it wrote: %w", err)
			}
			return "never seen", fail()
		})
		switch {
		case err == nil:
			t.Errorf("%s: was committed", name)
		case name == "error" && !errors.Is(err, errGivenUp), name == "panic" && !strings.Contains(err.Error(), "a bug"):
			t.Errorf("%s: came back as %v", name, err)
		case name == "ours":
			wantCode(t, err, paybell.Forbidden)
		}
		if result != "" {
			t.Errorf("%s: gave the result %q with the error", name, result)
		}
		_, err = store.View(context.Background(), db, func(tx *store.Tx) (paybell.Merchant, error) { return tx.Merchant(m.ID) })
		wantCode(t, err, paybell.NotFound)
	}
}

// An error of the database ends the transaction, whatever the body makes of it.
func testSwallowedError(t *testing.T, db *store.DB) {
	there, before, behind := merchantNumber(0), merchantNumber(1), merchantNumber(2)
	do(t, db, func(tx *store.Tx) error { return tx.CreateMerchant(there) })
	err := store.Do(context.Background(), db, func(tx *store.Tx) error {
		if err := tx.CreateMerchant(before); err != nil {
			return err
		}
		if err := tx.CreateMerchant(there); err == nil {
			return errors.New("one id was given to two merchants")
		}
		if _, err := tx.Merchant(there.ID); err == nil {
			return errors.New("the transaction goes on")
		}
		_ = tx.CreateMerchant(behind)
		return nil
	})
	if err == nil {
		t.Error("was committed")
	}
	wantSame(t, "the merchants", view(t, db, func(tx *store.Tx) ([]paybell.Merchant, error) { return tx.Merchants(10) }), []paybell.Merchant{there})
}

// Bodies that fail take nothing with them of those that they share a
// transaction with.
func testOthersAreCommitted(t *testing.T, db *store.DB) {
	const bodies = 48
	var merchants [bodies]paybell.Merchant
	fails := func(i int) func() error {
		return []func() error{0: failures["error"], 1: failures["panic"], 3: nil}[i%4]
	}
	err := atOnce(bodies, func(i int) error {
		merchants[i] = merchantNumber(i)
		err := store.Do(context.Background(), db, func(tx *store.Tx) error {
			if err := tx.CreateMerchant(merchants[i]); err != nil {
				return err
			}
			if fail := fails(i); fail != nil {
				return fail()
			}
			return nil
		})
		if failed := fails(i) != nil; failed != (err != nil) {
			return fmt.Errorf("got the error %w, want one: %v", err, failed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	there := view(t, db, func(tx *store.Tx) ([]paybell.Merchant, error) { return tx.Merchants(2 * bodies) })
	var want []paybell.Merchant
	for i, m := range merchants {
		if fails(i) == nil {
			want = append(want, m)
		}
	}
	wantSame(t, "the merchants", there, want)
}

func testViewSeesOneMoment(t *testing.T, db *store.DB) {
	count := func(tx *store.Tx) (int, error) {
		all, err := tx.Merchants(10)
		return len(all), err
	}
	do(t, db, func(tx *store.Tx) error { return tx.CreateMerchant(merchantNumber(1)) })
	both := view(t, db, func(tx *store.Tx) (both [2]int, err error) {
		if both[0], err = count(tx); err != nil {
			return both, err
		}
		// Writers do not wait for readers.
		if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateMerchant(merchantNumber(2)) }); err != nil {
			return both, err
		}
		both[1], err = count(tx)
		return both, err
	})
	if both != [2]int{1, 1} {
		t.Errorf("a view saw %d merchants, then %d", both[0], both[1])
	}
	if n := view(t, db, count); n != 2 {
		t.Errorf("a view sees %d merchants after the second was committed", n)
	}
}

func testViewCannotWrite(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv := s.create(t, t0)
	for name, write := range map[string]func(*store.Tx) error{
		"INSERT": func(tx *store.Tx) error { return tx.CreateMerchant(merchantNumber(1)) },
		"UPDATE": func(tx *store.Tx) error { return tx.SetTimer(inv.ID, after(1), "elsewhere") },
		"INSERT, RETURNING": func(tx *store.Tx) error {
			_, err := tx.TakeIndex("key")
			return err
		},
		"Apply": func(tx *store.Tx) error { return tx.Apply(flagged(inv, after(1))) },
	} {
		_, err := store.View(context.Background(), db, func(tx *store.Tx) (int, error) { return 0, write(tx) })
		if err == nil {
			t.Errorf("%s: a view wrote", name)
		}
	}
	wantSame(t, "the invoice", s.invoice(t, inv.ID), inv)
	if all := view(t, db, func(tx *store.Tx) ([]paybell.Merchant, error) { return tx.Merchants(10) }); len(all) != 1 {
		t.Errorf("there are %d merchants after views that tried to write", len(all))
	}
	if i := update(t, db, func(tx *store.Tx) (int64, error) { return tx.TakeIndex("key") }); i != 0 {
		t.Errorf("a view took address index 0; the next is %d", i)
	}
}

// More views than connections, all asking for the first time what none has
// asked before.
func testManyViewsAtOnce(t *testing.T, db *store.DB) {
	m := merchantNumber(1)
	do(t, db, func(tx *store.Tx) error { return tx.CreateMerchant(m) })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := atOnce(64, func(int) error {
		_, err := store.View(ctx, db, func(tx *store.Tx) (int, error) {
			if _, err := tx.Merchant(m.ID); err != nil {
				return 0, err
			}
			if _, err := tx.DueEndpoints(); err != nil {
				return 0, err
			}
			return 0, nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testEndedContext(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := merchantNumber(1)
	if err := store.Do(ctx, db, func(tx *store.Tx) error { return tx.CreateMerchant(m) }); !errors.Is(err, context.Canceled) {
		t.Errorf("an update for nobody: %v", err)
	}
	if _, err := store.View(ctx, db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); !errors.Is(err, context.Canceled) {
		t.Errorf("a view for nobody: %v", err)
	}
	do(t, db, func(tx *store.Tx) error { return tx.CreateMerchant(m) }) // it was not written: its id is free
}

// Whoever leaves in the middle of a transaction leaves nothing half-written, and
// no connection that is of no use to others.
func testEndedInTheMiddle(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	c := s.NewInvoice(t0)
	for range 64 { // more than there are connections
		ctx, cancel := context.WithCancel(context.Background())
		_, err := store.View(ctx, db, func(tx *store.Tx) (int64, error) {
			if _, err := tx.Merchant(s.Merchant.ID); err != nil {
				return 0, err
			}
			cancel()
			return tx.Undelivered()
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a view whose context has ended: %v", err)
		}

		ctx, cancel = context.WithCancel(context.Background())
		told := make(chan struct{})
		err = store.Do(ctx, db, func(tx *store.Tx) error {
			defer close(told)
			cancel()
			return errors.Join(tx.Apply(c), errGivenUp)
		})
		if err == nil {
			t.Fatal("a body that gave up was committed")
		}
		<-told // the body is done also when nobody waits for it
	}
	s.apply(t, c)
	got := s.deliveries(t, w.ID)
	wantSound(t, got)
	if len(got) != 1 {
		t.Errorf("%d deliveries of one change", len(got))
	}
	testManyViewsAtOnce(t, db)
}

func testPanickingViews(t *testing.T, db *store.DB) {
	for range 64 {
		_, err := store.View(context.Background(), db, func(*store.Tx) (int, error) { panic("a bug") })
		if err == nil || !strings.Contains(err.Error(), "a bug") {
			t.Fatalf("a view that panicked: %v", err)
		}
	}
	testManyViewsAtOnce(t, db)
}

func testOnCommit(t *testing.T, db *store.DB) {
	told := make(chan []paybell.Delivery, 100)
	db.OnCommit(func(fresh []paybell.Delivery) { told <- fresh })
	s := NewShop(t, db)
	active := s.hook(t, "https://a.example/hook")
	paused := s.Webhook("https://b.example/hook")
	paused.State = paybell.WebhookPaused
	s.createHooks(t, paused)

	refused := s.NewInvoice(t0)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return errors.Join(tx.Apply(refused), errGivenUp) }); err == nil {
		t.Fatal("was committed")
	}
	created := s.NewInvoice(t0)
	second := flagged(created.Invoice, after(1))
	s.apply(t, created, second)
	s.apply(t, flagged(second.Invoice, after(2)))

	var fresh []paybell.Delivery
	for len(told) > 0 {
		fresh = append(fresh, <-told...)
	}
	kept := s.deliveries(t, active.ID)
	if len(fresh) != 3 || len(kept) != 3 {
		t.Fatalf("told of %d deliveries, kept %d, want 3 of each", len(fresh), len(kept))
	}
	for i, f := range fresh {
		if f.Previous != int64(i) {
			t.Errorf("number %d: the one ahead is %d, want %d", f.Number, f.Previous, i)
		}
		if f.Epoch == 0 {
			t.Error("it has no epoch")
		}
		f.Previous = 0     // known only to who made it
		f.URL = active.URL // read when it goes
		wantSame(t, fmt.Sprint("what was told of number ", i+1), f, kept[i])
	}
}
