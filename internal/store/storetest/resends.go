package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var resendTests = map[string]func(*testing.T, *store.DB){
	"Resend/RoundTrip":        testResendRoundTrip,
	"Resend/TwiceIsOnce":      testResendTwiceIsOnce,
	"Resend/Lists":            testResendLists,
	"Resend/Save":             testSaveResend,
	"Resend/Forget":           testForgetResends,
	"Resend/Wanted":           testResendWanted,
	"Resend/AllThatWasHeld":   testResendAllThatWasHeld,
	"Resend/FewOfMany":        testResendFewOfMany,
	"Resend/ManyWebhooks":     testResendManyWebhooks,
	"Resend/Crashes":          testResendCrashes,
	"Resend/SeveralAtOnce":    testResendSeveralAtOnce,
	"Resend/NewOnesMeanwhile": testResendMeanwhile,
	"Resend/Waiting":          testWaiting,
}

// job is one for all deliveries of a webhook that were given up.
func (s *Shop) job(w paybell.Webhook, what paybell.ResendWhat, at time.Time) paybell.Resend {
	return paybell.Resend{
		ID: paybell.NewUUID(at), ClientID: w.ClientID, WebhookID: w.ID, Origin: w.Origin, What: what, State: paybell.ResendRunning, CreatedAt: at,
	}
}

func (s *Shop) start(t testing.TB, r paybell.Resend) paybell.Resend {
	t.Helper()
	return update(t, s.DB, func(tx *store.Tx) (paybell.Resend, error) { return tx.StartResend(r) })
}

func (s *Shop) resend(t testing.TB, id string) paybell.Resend {
	t.Helper()
	return view(t, s.DB, func(tx *store.Tx) (paybell.Resend, error) { return tx.Resend(s.Client.ID, id) })
}

// pageOf is what a job finds next.
type pageOf struct {
	deliveries []paybell.Delivery
	is         paybell.Resend
	over       bool
}

func readPage(db *store.DB, r paybell.Resend, limit int) (pageOf, error) {
	return store.View(context.Background(), db, func(tx *store.Tx) (p pageOf, err error) {
		p.deliveries, p.is, p.over, err = tx.ResendPage(r, limit)
		return p, err
	})
}

// walk goes through a job and lists what it is about, as webhook and number,
// and in how many pages.
func (s *Shop) walk(t testing.TB, r paybell.Resend, limit int) (names []string, pages int) {
	t.Helper()
	for ; pages < 10_000; pages++ {
		p, err := readPage(s.DB, r, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.deliveries) > limit {
			t.Fatalf("a page of %d, at most %d were asked for", len(p.deliveries), limit)
		}
		for _, d := range p.deliveries {
			names = append(names, fmt.Sprintf("%s/%d", d.WebhookID, d.Number))
		}
		if p.over {
			return names, pages + 1
		}
		if p.is.AtWebhook < r.AtWebhook || p.is.AtWebhook == r.AtWebhook && p.is.AtNumber <= r.AtNumber {
			t.Fatalf("a page went from %q, %d to %q, %d", r.AtWebhook, r.AtNumber, p.is.AtWebhook, p.is.AtNumber)
		}
		r = p.is
	}
	t.Fatal("it never ends")
	return nil, 0
}

func testResendRoundTrip(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	r := paybell.Resend{
		ID: paybell.NewUUID(t0), ClientID: s.Client.ID, WebhookID: "webhook", Origin: "https://a.example:443", What: paybell.ResendMissed,
		Since: after(1), After: 1 << 40, Upto: 1 << 41, AtWebhook: "at", AtNumber: 1 << 42, Total: 1 << 43, Done: 1 << 44,
		State: paybell.ResendRunning, CreatedAt: after(2), FinishedAt: after(3),
	}
	requireSet(t, r)
	wantSame(t, "what was started", s.start(t, r), r)
	wantSame(t, "what is kept", s.resend(t, r.ID), r)
	for _, names := range [][2]string{{s.newClient(t).ID, r.ID}, {s.Client.ID, paybell.NewUUID(t0)}} {
		_, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Resend, error) { return tx.Resend(names[0], names[1]) })
		wantCode(t, err, paybell.NotFound)
	}
}

// Whoever asks again for what is running gets that, wherever it is by then. Any
// other wish is another job.
func testResendTwiceIsOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	first := s.job(w, paybell.ResendFailed, after(1))
	first.Since, first.After, first.Upto = after(0), 3, 9
	s.start(t, first)
	moved := first
	moved.AtWebhook, moved.AtNumber, moved.Done = w.ID, 5, 2
	update(t, db, func(tx *store.Tx) (bool, error) { return tx.SaveResend(first, moved) })

	same := first
	same.ID, same.CreatedAt, same.Total = paybell.NewUUID(after(2)), after(2), 77
	wantSame(t, "the same again", s.start(t, same), moved)
	changes := map[string]func(*paybell.Resend){
		"client":  func(r *paybell.Resend) { r.ClientID = s.newClient(t).ID },
		"webhook": func(r *paybell.Resend) { r.WebhookID = "" },
		"origin":  func(r *paybell.Resend) { r.Origin = "https://b.example:443" },
		"what":    func(r *paybell.Resend) { r.What = paybell.SkipMissed },
		"since":   func(r *paybell.Resend) { r.Since = r.Since.Add(time.Microsecond) },
		"after":   func(r *paybell.Resend) { r.After++ },
		"upto":    func(r *paybell.Resend) { r.Upto = 0 },
	}
	for what, change := range changes {
		other := same
		other.ID = paybell.NewUUID(after(3))
		change(&other)
		wantSame(t, "another "+what, s.start(t, other), other)
	}
	over := moved
	over.State, over.FinishedAt = paybell.ResendFinished, after(4)
	update(t, db, func(tx *store.Tx) (bool, error) { return tx.SaveResend(moved, over) })
	wantSame(t, "the same when the first is over", s.start(t, same), same)
	if n := len(view(t, db, func(tx *store.Tx) ([]paybell.Resend, error) { return tx.RunningResends(paybell.Resend{}, 100) })); n != len(changes)+1 {
		t.Errorf("%d jobs are running, want %d", n, len(changes)+1)
	}
}

func testResendLists(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	sister := *s
	sister.Client = s.newClient(t)
	var all []paybell.Resend
	for i := range 6 {
		shop := s
		if i == 3 {
			shop = &sister
		}
		r := shop.job(shop.hook(t, "https://a.example/hook"), paybell.ResendFailed, after(i))
		if i == 1 {
			r.State = paybell.ResendCancelled
		}
		all = append(all, shop.start(t, r))
	}
	list := func(read func(*store.Tx) ([]paybell.Resend, error)) []paybell.Resend {
		t.Helper()
		return view(t, db, read)
	}
	wantSame(t, "a client's, the newest first", list(func(tx *store.Tx) ([]paybell.Resend, error) { return tx.Resends(s.Client.ID, 4) }),
		[]paybell.Resend{all[5], all[4], all[2], all[1]})
	wantSame(t, "all that run, the oldest first", list(func(tx *store.Tx) ([]paybell.Resend, error) { return tx.RunningResends(paybell.Resend{}, 4) }),
		[]paybell.Resend{all[0], all[2], all[3], all[4]})
	if none := list(func(tx *store.Tx) ([]paybell.Resend, error) { return tx.Resends(paybell.NewClientID(), 10) }); len(none) != 0 {
		t.Errorf("another client has the jobs %v", none)
	}
}

// A job is written by who saw it last, and by nobody when it is over.
func testSaveResend(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	first := s.start(t, s.job(s.hook(t, "https://a.example/hook"), paybell.ResendFailed, t0))
	save := func(was, is paybell.Resend) bool {
		return update(t, db, func(tx *store.Tx) (bool, error) { return tx.SaveResend(was, is) })
	}
	second := first
	second.AtWebhook, second.AtNumber, second.Done = "a", 1, 1
	third := second
	third.AtNumber, third.Done = 2, 2
	otherHook := third
	otherHook.AtWebhook = "b"
	if !save(first, second) || save(first, third) || save(otherHook, third) || !save(second, third) {
		t.Error("it was written by who saw an older place, or not by who saw the last")
	}
	wantSame(t, "the job", s.resend(t, first.ID), third)
	over := third
	over.State, over.FinishedAt = paybell.ResendCancelled, after(9)
	if !save(third, over) || save(third, third) || save(over, third) {
		t.Error("a job that is over was written")
	}
	wantSame(t, "the job when it is over", s.resend(t, first.ID), over)
}

func testForgetResends(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	for i := range 5 {
		r := s.job(w, paybell.ResendAfter, after(i))
		r.After = int64(i)
		s.start(t, r)
		if i > 0 { // the first goes on
			over := r
			over.State, over.FinishedAt = paybell.ResendFinished, after(10*i)
			update(t, db, func(tx *store.Tx) (bool, error) { return tx.SaveResend(r, over) })
		}
	}
	forget := func(before time.Time, limit int) int64 {
		return update(t, db, func(tx *store.Tx) (int64, error) { return tx.ForgetResends(before, limit) })
	}
	for _, tt := range []struct {
		before time.Time
		limit  int
		want   int64
	}{{after(10), 10, 0}, {after(31), 2, 2}, {after(31), 2, 1}, {after(31), 2, 0}, {after(1000), 10, 1}} {
		if n := forget(tt.before, tt.limit); n != tt.want {
			t.Errorf("before %v, at most %d: %d were forgotten, want %d", tt.before, tt.limit, n, tt.want)
		}
	}
	if left := view(t, db, func(tx *store.Tx) ([]paybell.Resend, error) { return tx.Resends(s.Client.ID, 10) }); len(left) != 1 || left[0].State != paybell.ResendRunning {
		t.Errorf("left are %v", left)
	}
}

// Each kind of job is about what its name says, and its count is that.
func testResendWanted(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, other := s.hook(t, "https://a.example/hook"), s.hook(t, "https://a.example/other")
	for range 5 {
		s.create(t, t0)
	}
	s.deliver(t, w.ID, after(10), 1)
	s.exhaust(t, w.ID, after(10), 2)
	s.exhaust(t, w.ID, after(20), 3)
	s.hold(t, w.ID, s.delivery(t, w.ID, 4).InvoiceID, after(20))
	s.ring(t, w.ID, paybell.WebhookActive, after(21))
	s.create(t, after(1000)) // number 6, after the jobs were made
	s.exhaust(t, w.ID, after(1000), 6)
	// 1 delivered, 2 exhausted early, 3 exhausted, 4 held, 5 pending, 6 too late
	for _, tt := range []struct {
		what        paybell.ResendWhat
		since       time.Time
		after, upto int64
		want        []int
	}{
		{paybell.ResendAfter, time.Time{}, 0, 0, []int{1, 2, 3, 4}},
		{paybell.ResendAfter, time.Time{}, 1, 0, []int{2, 3, 4}},
		{paybell.ResendAfter, time.Time{}, 1, 3, []int{2, 3}},
		{paybell.ResendAfter, time.Time{}, 4, 5, nil},
		{paybell.ResendAfter, time.Time{}, 5, 99, nil},
		{paybell.ResendAfter, time.Time{}, 99, 0, nil},
		{paybell.ResendFailed, time.Time{}, 0, 0, []int{2, 3}},
		{paybell.ResendFailed, after(20), 0, 0, []int{3}},
		{paybell.ResendFailed, after(21), 0, 0, nil},
		{paybell.ResendMissed, time.Time{}, 0, 0, []int{2, 3, 4}},
		{paybell.ResendMissed, after(20), 0, 0, []int{3, 4}},
		{paybell.SkipMissed, time.Time{}, 0, 0, []int{4, 5}},
		{paybell.SkipMissed, time.Time{}, 4, 0, []int{5}},
	} {
		r := s.job(w, tt.what, after(100))
		r.Since, r.After, r.Upto = tt.since, tt.after, tt.upto
		var want []string
		for _, n := range tt.want {
			want = append(want, fmt.Sprintf("%s/%d", w.ID, n))
		}
		for _, limit := range []int{1, 2, 100} {
			if got, _ := s.walk(t, r, limit); !slices.Equal(got, want) {
				t.Errorf("%s since %v, numbers over %d up to %d, in pages of %d: %v, want %v", tt.what, tt.since, tt.after, tt.upto, limit, got, want)
			}
		}
		n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.CountResend(r) })
		if n != int64(len(want)) {
			t.Errorf("%s since %v, numbers over %d up to %d: counted %d, want %d", tt.what, tt.since, tt.after, tt.upto, n, len(want))
		}
	}
	if n := view(t, db, func(tx *store.Tx) (int64, error) {
		return tx.CountResend(s.job(other, paybell.SkipMissed, after(100)))
	}); n != 5 {
		t.Errorf("of the other webhook are counted %d", n)
	}
}

// A webhook that rings again gets everything that is held for it: whatever is
// left of an earlier pause, and what was on its way when the pause began, whose
// moment is before it.
func testResendAllThatWasHeld(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	first := s.create(t, t0)
	s.hold(t, w.ID, first.ID, after(10))
	s.ring(t, w.ID, paybell.WebhookActive, after(20)) // and the job is cancelled by the next pause
	s.ring(t, w.ID, paybell.WebhookPaused, after(30))
	s.create(t, after(29)) // its change was decided a moment before the pause
	s.create(t, after(31))
	s.create(t, after(41)) // by a process whose clock is ahead
	s.ring(t, w.ID, paybell.WebhookActive, after(40))

	r := s.job(w, paybell.ResendMissed, after(40))
	r.Since = after(30) // since when it did not ring
	got, _ := s.walk(t, r, 100)
	if len(got) != 4 {
		t.Errorf("of 4 that are held, it is about %v", got)
	}
}

// A job that wants few of very many looks at so many in each step, and finds
// them all.
func testResendFewOfMany(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	var want []string
	for i := range int64(4) {
		last := 2 + 5001*i
		s.create(t, t0)
		s.exhaust(t, w.ID, after(1), last)
		want = append(want, fmt.Sprintf("%s/%d", w.ID, last))
		do(t, db, func(tx *store.Tx) error { return tx.Fill(w.ID, 1, 5000, paybell.Delivered) })
	}
	r := s.job(w, paybell.ResendFailed, after(10))
	for limit, most := range map[int]int{100: 5, 1: 9} {
		got, pages := s.walk(t, r, limit)
		if !slices.Equal(got, want) || pages > most {
			t.Errorf("in %d pages of %d: %v, want %v in %d", pages, limit, got, want, most)
		}
	}
	if n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.CountResend(r) }); n != 4 {
		t.Errorf("counted %d", n)
	}
	r.What = paybell.ResendAfter
	got, _ := s.walk(t, r, 1000)
	if len(got) != 20_004 { // the first is pending
		t.Errorf("of 20004 numbers it found %d", len(got))
	}
}

// A job for an endpoint goes through its webhooks, more than it looks at in one
// step, and none twice; neither those that do not ring nor those of others.
func testResendManyWebhooks(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	sister := *s
	sister.Client = s.newClient(t)
	created := s.NewInvoice(t0)
	var hooks []paybell.Webhook
	var want []string
	for i := range 450 {
		w := s.Webhook(fmt.Sprint("https://a.example/", i))
		w.InvoiceID = created.Invoice.ID
		hooks = append(hooks, w)
		if i != 100 && i != 200 {
			want = append(want, w.ID+"/1", w.ID+"/2")
		}
	}
	elsewhere := s.Webhook("https://b.example/hook")
	s.createHooks(t, append(hooks, elsewhere)...)
	theirs := sister.hook(t, "https://a.example/theirs")
	s.apply(t, created, flagged(created.Invoice, t0))
	sister.create(t, t0)
	for _, id := range []string{elsewhere.ID, theirs.ID} {
		s.exhaust(t, id, after(1), 1)
	}
	do(t, db, func(tx *store.Tx) error {
		for _, w := range hooks {
			d, err := tx.Deliveries(w.ID, 0, 10)
			for _, d := range d {
				if err == nil {
					_, err = tx.GiveUp(d, after(1))
				}
			}
			if err != nil {
				return err
			}
		}
		paused := hooks[200]
		paused.State = paybell.WebhookPaused
		return errors.Join(tx.DeleteWebhook(s.Client.ID, hooks[100].ID, after(2)), tx.UpdateWebhook(paused))
	})
	slices.Sort(want)
	r := s.job(hooks[0], paybell.ResendFailed, after(10))
	r.WebhookID = ""
	for limit, most := range map[int]int{1: 1000, 7: 200, 1000: 4} {
		got, pages := s.walk(t, r, limit)
		if !slices.Equal(got, want) || pages > most {
			t.Errorf("in %d pages of %d it found %d, want %d in at most %d pages", pages, limit, len(got), len(want), most)
		}
	}
	if n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.CountResend(r) }); n != int64(len(want)) {
		t.Errorf("counted %d, want %d", n, len(want))
	}
	r.Origin = "https://nobody.example:443"
	if got, pages := s.walk(t, r, 10); len(got) != 0 || pages != 1 {
		t.Errorf("an endpoint without webhooks: %v", got)
	}
}

var errCrash = errors.New("the power failed")

// advance does what the resender does with a job: a page, and its new place, in
// one transaction. crash is asked at the end of it.
func advance(db *store.DB, clientID, id string, limit int, crash func() error) (over bool, err error) {
	job, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Resend, error) { return tx.Resend(clientID, id) })
	if err != nil || job.State != paybell.ResendRunning {
		return err == nil, err
	}
	p, err := readPage(db, job, limit)
	if err != nil {
		return false, err
	}
	return p.over, store.Do(context.Background(), db, func(tx *store.Tx) error {
		is := p.is
		if p.over {
			is.State, is.FinishedAt = paybell.ResendFinished, after(100)
		}
		for _, d := range p.deliveries {
			done, err := tx.Again(d, after(100))
			if err != nil {
				return err
			}
			if done {
				is.Done++
			}
		}
		if saved, err := tx.SaveResend(job, is); err != nil || !saved {
			return errors.Join(err, errCrash)
		}
		return crash()
	})
}

// missed makes a webhook with n deliveries that were given up, and a job for
// them. made counts those that are made again, by their names.
func (s *Shop) missed(t testing.TB, n int) (w paybell.Webhook, job paybell.Resend) {
	t.Helper()
	w = s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	do(t, s.DB, func(tx *store.Tx) error { return tx.Fill(w.ID, 1, n-1, paybell.Exhausted) })
	s.exhaust(t, w.ID, after(1), 1)
	return w, s.start(t, s.job(w, paybell.ResendFailed, after(10)))
}

// agains counts how often each delivery is made again.
func agains(db *store.DB) (times func() map[int64]int) {
	var mu sync.Mutex
	seen := map[int64]int{}
	db.OnCommit(func(fresh []paybell.Delivery) {
		mu.Lock()
		defer mu.Unlock()
		for _, d := range fresh {
			if d.Resent {
				seen[d.Number]++
			}
		}
	})
	return func() map[int64]int {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

func (s *Shop) wantOnce(t testing.TB, w paybell.Webhook, job paybell.Resend, times map[int64]int, n int) {
	t.Helper()
	if len(times) != n {
		t.Errorf("%d of %d were made again", len(times), n)
	}
	for number, count := range times {
		if count != 1 {
			t.Errorf("number %d was made again %d times", number, count)
		}
	}
	is := s.resend(t, job.ID)
	if is.State != paybell.ResendFinished || is.Done != int64(n) {
		t.Errorf("the job is %+v", is)
	}
	for _, d := range s.deliveries(t, w.ID) {
		if d.State != paybell.DeliveryPending || !d.Resent || d.DueAt.IsZero() {
			t.Fatalf("number %d is %s, resent: %v, due at %v", d.Number, d.State, d.Resent, d.DueAt)
		}
	}
}

// A crash between a page and its place takes back the page: nothing is made again
// twice, and nothing is left out.
func testResendCrashes(t *testing.T, db *store.DB) {
	times := agains(db)
	s := NewShop(t, db)
	w, job := s.missed(t, 100)
	for i := 0; ; i++ {
		crash := func() error {
			if i%2 == 0 {
				return errCrash
			}
			return nil
		}
		was := s.resend(t, job.ID)
		over, err := advance(db, s.Client.ID, job.ID, 7, crash)
		if i%2 == 0 {
			if !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			wantSame(t, "the job after a crash", s.resend(t, job.ID), was)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if over {
			break
		}
	}
	s.wantOnce(t, w, job, times(), 100)
}

// Several processes at one job make nothing again twice.
func testResendSeveralAtOnce(t *testing.T, db *store.DB) {
	times := agains(db)
	s := NewShop(t, db)
	w, job := s.missed(t, 200)
	var lost atomic.Int32
	if err := atOnce(4, func(int) error {
		for {
			over, err := advance(db, s.Client.ID, job.ID, 5, func() error { return nil })
			if errors.Is(err, errCrash) {
				lost.Add(1) // another was faster
				continue
			}
			if err != nil || over {
				return err
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	s.wantOnce(t, w, job, times(), 200)
	t.Logf("%d pages were made in vain", lost.Load())
}

// What is told while a job runs is none of its business, and the job ends.
func testResendMeanwhile(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, job := s.missed(t, 20)
	for i := 0; ; i++ {
		if over, err := advance(db, s.Client.ID, job.ID, 5, func() error { return nil }); err != nil || over {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if i > 10 {
			t.Fatal("it never ends")
		}
		s.create(t, after(20+i))
		s.exhaust(t, w.ID, after(20+i), int64(21+i))
	}
	for _, d := range s.deliveries(t, w.ID) {
		if d.Resent != (d.Number <= 20) {
			t.Errorf("number %d was resent: %v", d.Number, d.Resent)
		}
	}
}

func testWaiting(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.hook(t, "https://b.example/hook")
	s.create(t, after(10))
	s.tell(t, s.create(t, after(5)), 3) // one head
	do(t, db, func(tx *store.Tx) error { return tx.Fill(w.ID, 2, 20, paybell.DeliveryPending) })
	do(t, db, func(tx *store.Tx) error { return tx.Fill(w.ID, 2, 20, paybell.Held) })
	for _, tt := range []struct {
		now, most int
		want      int64
	}{{4, 100, 0}, {5, 100, 21}, {5, 21, 21}, {5, 7, 7}, {10, 100, 22}} {
		n := view(t, db, func(tx *store.Tx) (int64, error) {
			return tx.Waiting(store.Endpoint{ClientID: s.Client.ID, Origin: w.Origin}, after(tt.now), tt.most)
		})
		if n != tt.want {
			t.Errorf("after %d s, up to %d: %d are waiting, want %d", tt.now, tt.most, n, tt.want)
		}
	}
}
