package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var answerTests = map[string]func(*testing.T, *store.DB){
	"Answer/Remembered":  testAnswer,
	"Answer/Anew":        testAnswerAnew,
	"Answer/Failed":      testAnswerFailed,
	"Answer/AtOnce":      testAnswerAtOnce,
	"Answer/AtOnceAgain": testAnswerAtOnceAgain,
	"Answer/Forget":      testForgetAnswers,
}

var asked = store.Asked{ClientID: "client", Route: "POST /invoices", Key: "key", Digest: "digest"}

// answered is what was answered within a day before now; "" is nothing.
func answered(tx *store.Tx, a store.Asked, now time.Time) (string, error) {
	body, found, err := tx.Answered(a, now.Add(-store.AnswersKept))
	if err == nil && found != (len(body) > 0) {
		err = fmt.Errorf("found is %v, but the answer is %q", found, body)
	}
	return string(body), err
}

func answer(t testing.TB, db *store.DB, a store.Asked, body string, at time.Time) {
	t.Helper()
	do(t, db, func(tx *store.Tx) error { return tx.Answer(a, []byte(body), at) })
}

func wantAnswer(t testing.TB, db *store.DB, a store.Asked, now time.Time, want string) {
	t.Helper()
	if got := view(t, db, func(tx *store.Tx) (string, error) { return answered(tx, a, now) }); got != want {
		t.Errorf("%+v, %v later: answered %.200q, want %.200q", a, now.Sub(t0), got, want)
	}
}

// An answer comes back byte for byte, for the same request of the same client
// only.
func testAnswer(t *testing.T, db *store.DB) {
	wantAnswer(t, db, asked, t0, "")
	body := "{ \"ü\":\"\\u0000 \u2028 \\ \u0007 '\",\r\n\t\"z\":1.0, \"a\":1e2 }\n" + string(bytes.Repeat([]byte("x"), 100_000)) + " \n"
	answer(t, db, asked, body, t0)
	wantAnswer(t, db, asked, t0, body)
	wantAnswer(t, db, asked, after(3600), body)

	other := asked
	other.Digest = "another"
	_, err := store.View(context.Background(), db, func(tx *store.Tx) (string, error) { return answered(tx, other, t0) })
	wantCode(t, err, paybell.Conflict)
	for i, a := range []store.Asked{
		{ClientID: "client 2", Route: asked.Route, Key: asked.Key, Digest: asked.Digest},
		{ClientID: asked.ClientID, Route: asked.Route + "/", Key: asked.Key, Digest: "another"},
		{ClientID: asked.ClientID, Route: asked.Route, Key: "Key", Digest: "another"},
		{ClientID: asked.ClientID, Route: asked.Route + "k", Key: "ey", Digest: "another"},
	} {
		wantAnswer(t, db, a, t0, "")
		answer(t, db, a, fmt.Sprint("other ", i), t0)
		wantAnswer(t, db, a, t0, fmt.Sprint("other ", i))
	}
	wantAnswer(t, db, asked, t0, body)
}

// After a day a request is a new one, also with other content. Before, nobody
// can put another answer in the place of the first.
func testAnswerAnew(t *testing.T, db *store.DB) {
	const us = time.Microsecond
	answer(t, db, asked, "first", t0)
	day := t0.Add(store.AnswersKept)
	other := asked
	other.Digest = "another"
	for _, at := range []time.Time{t0, day.Add(-us)} {
		if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Answer(other, []byte("second"), at) }); err == nil {
			t.Errorf("%v later the answer was replaced", at.Sub(t0))
		}
		wantAnswer(t, db, asked, at, "first")
	}
	wantAnswer(t, db, asked, day, "")
	wantAnswer(t, db, other, day, "")
	answer(t, db, other, "second", day)
	wantAnswer(t, db, other, day, "second")
	wantAnswer(t, db, other, day.Add(store.AnswersKept-us), "second")
	_, err := store.View(context.Background(), db, func(tx *store.Tx) (string, error) { return answered(tx, asked, day) })
	wantCode(t, err, paybell.Conflict)
}

// What failed is not remembered: it can be tried again.
func testAnswerFailed(t *testing.T, db *store.DB) {
	for name, fail := range failures {
		err := store.Do(context.Background(), db, func(tx *store.Tx) error {
			if err := tx.Answer(asked, []byte("never"), t0); err != nil {
				return err
			}
			if got, err := answered(tx, asked, t0); got != "never" {
				return fmt.Errorf("a body does not see what it wrote: %q, %w", got, err)
			}
			return fail()
		})
		if err == nil || name == "error" && !errors.Is(err, errGivenUp) {
			t.Errorf("%s: %v", name, err)
		}
		wantAnswer(t, db, asked, t0, "")
	}
	answer(t, db, asked, "at last", t0)
	wantAnswer(t, db, asked, t0, "at last")
}

// onceAtOnce asks the same by 8 goroutines; each does it and answers with what
// it did, unless it was answered already. It returns the one answer of all.
func onceAtOnce(t *testing.T, db *store.DB, a store.Asked, now time.Time, act func(*store.Tx) (string, error)) string {
	t.Helper()
	const goroutines = 8
	var answers [goroutines]string
	if err := atOnce(goroutines, func(i int) (err error) {
		answers[i], err = store.Update(context.Background(), db, func(tx *store.Tx) (string, error) {
			if body, err := answered(tx, a, now); body != "" || err != nil {
				return body, err
			}
			body, err := act(tx)
			if err != nil {
				return "", err
			}
			return body, tx.Answer(a, []byte(body), now)
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for i, body := range answers {
		if body == "" || body != answers[0] {
			t.Fatalf("goroutine %d got the answer %q, another %q", i, body, answers[0])
		}
	}
	wantAnswer(t, db, a, now, answers[0])
	return answers[0]
}

// Whatever asks the same at once: it is done once, and all get its answer.
func testAnswerAtOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	want := map[string]bool{s.Merchant.ID: true}
	for i := range 5 { // with nothing else to wait for
		a := asked
		a.Key = fmt.Sprint("merchant ", i)
		want[onceAtOnce(t, db, a, t0, func(tx *store.Tx) (string, error) {
			m := merchantNumber(i)
			return m.ID, tx.CreateMerchant(m)
		})] = true
	}
	got := map[string]bool{}
	for _, m := range view(t, db, func(tx *store.Tx) ([]paybell.Merchant, error) { return tx.Merchants(1000) }) {
		got[m.ID] = true
	}
	wantSame(t, "the merchants", got, want)

	want, got = map[string]bool{}, map[string]bool{}
	for i := range 5 {
		a := asked
		a.Key = fmt.Sprint("invoice ", i)
		want[onceAtOnce(t, db, a, t0, func(tx *store.Tx) (string, error) {
			c := s.NewInvoice(after(i))
			return c.Invoice.ID, tx.Apply(c)
		})] = true
	}
	for _, inv := range view(t, db, func(tx *store.Tx) ([]paybell.Invoice, error) {
		return tx.Invoices(store.InvoiceFilter{MerchantID: s.Merchant.ID, Limit: 100})
	}) {
		got[inv.ID] = true
	}
	wantSame(t, "the invoices", got, want)
	told := s.deliveries(t, w.ID)
	wantSound(t, told)
	if len(told) != len(want) {
		t.Errorf("%d deliveries of %d invoices", len(told), len(want))
	}
}

// The same, when there is an answer of long ago in the way.
func testAnswerAtOnceAgain(t *testing.T, db *store.DB) {
	for day := range 5 {
		now := t0.Add(time.Duration(day) * store.AnswersKept)
		a := asked
		a.Digest = fmt.Sprint("digest of day ", day)
		onceAtOnce(t, db, a, now, func(tx *store.Tx) (string, error) {
			m := merchantNumber(day)
			return m.ID, tx.CreateMerchant(m)
		})
	}
	if all := view(t, db, func(tx *store.Tx) ([]paybell.Merchant, error) { return tx.Merchants(1000) }); len(all) != 5 {
		t.Errorf("%d were made in 5 days", len(all))
	}
}

// Only old answers are forgotten, the oldest first, and not more than one asks
// for.
func testForgetAnswers(t *testing.T, db *store.DB) {
	at := func(i int) store.Asked {
		a := asked
		a.Key = fmt.Sprint(i)
		return a
	}
	for _, i := range []int{3, 0, 4, 1, 2} {
		answer(t, db, at(i), "body", after(i))
	}
	for _, tt := range []struct {
		before time.Time
		limit  int
		n      int64
		first  int // of those that are left
	}{
		{t0.Add(-time.Microsecond), 10, 0, 0}, {after(2), 2, 2, 2}, {after(2), 2, 1, 3}, {after(2), 2, 0, 3}, {after(100), 1, 1, 4}, {after(100), 10, 1, 5},
	} {
		n := update(t, db, func(tx *store.Tx) (int64, error) { return tx.ForgetAnswers(tt.before, tt.limit) })
		if n != tt.n {
			t.Errorf("%d answers from before %v were forgotten, at most %d, want %d", n, tt.before.Sub(t0), tt.limit, tt.n)
		}
		for i := range 5 {
			want := ""
			if i >= tt.first {
				want = "body"
			}
			wantAnswer(t, db, at(i), after(4), want)
		}
	}
}
