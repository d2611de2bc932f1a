package storetest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var standstillTests = map[string]func(*testing.T, *store.DB){
	"Standstill/Never":     testNothingStandsStill,
	"Standstill/AllAtOnce": testAllAtOnce,
}

// Whatever happens, in whatever order: the head of every lane that begins with a
// pending delivery is due, and nothing behind it is; and when in the end
// everything rings and what was missed is made again, everything is delivered.
//
// It plays for some seconds only, unless somebody asks for more checks than usual.
func testNothingStandsStill(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	began, found := time.Now(), false
	usual := flag.Lookup("rapid.checks").Value.String() == flag.Lookup("rapid.checks").DefValue
	rapid.Check(t, func(t *rapid.T) {
		if usual && !found && time.Since(began) > 4*time.Second {
			return
		}
		acts := rapid.SliceOfN(rapid.Custom(drawAct), 45, 45).Draw(t, "acts")
		// One transaction for all of it, which nobody sees: it is quick, and leaves the
		// next one an empty store.
		err := store.Do(context.Background(), db, func(tx *store.Tx) error {
			p := &play{Tx: tx, shop: s, now: t0, late: map[string]bool{}}
			return errors.Join(p.run(acts), errGivenUp)
		})
		if err.Error() != errGivenUp.Error() {
			found = true // it is looked for a simpler one now
			t.Fatal(err)
		}
	})
}

// act is something that happens; i and j choose to what.
type act struct {
	do   string
	i, j int
}

func (a act) String() string { return fmt.Sprintf("%s(%d, %d)", a.do, a.i, a.j) }

var acts = []string{
	"wait",
	"tell", "tell", "tell", "tell", "send", "send", "send", "send", "send",
	"accept", "accept", "accept", "fail", "fail", "poison", "exhaust", "gone", "outage", "record twice",
	"pause", "enable", "enable", "move", "delete", "enable endpoint",
	"again", "again", "resend missed", "resend all", "give up", "skip",
}

func drawAct(t *rapid.T) act {
	return act{rapid.SampledFrom(acts).Draw(t, "do"), rapid.IntRange(0, 9).Draw(t, "i"), rapid.IntRange(0, 9).Draw(t, "j")}
}

// play is a client with webhooks and invoices, and a dispatcher without a clock:
// what it has sent stays on the wire until something is said of it.
type play struct {
	*store.Tx
	shop     *Shop
	hooks    []paybell.Webhook
	invoices []paybell.Invoice
	flights  []paybell.Delivery
	landed   []store.Result
	late     map[string]bool // delivered when they had been held or given up already
	now      time.Time
	trace    []string
}

var origins = []string{"https://a.example", "https://b.example"}

func (p *play) run(acts []act) error {
	for i := range origins {
		w := p.shop.Webhook(fmt.Sprintf("%s/%d", origins[i], i))
		w.ID = fmt.Sprint("webhook-", i) // what is due at one moment comes in the order of these
		for range paybell.MaxRetries {
			w.Schedule = append(w.Schedule, time.Second)
		}
		p.hooks = append(p.hooks, w)
		if err := p.CreateWebhook(w); err != nil {
			return err
		}
	}
	for range 2 {
		c := p.shop.NewInvoice(p.now)
		if err := p.Apply(c); err != nil {
			return err
		}
		p.invoices = append(p.invoices, c.Invoice)
	}
	for _, a := range acts {
		p.now = p.now.Add(time.Second)
		p.trace = append(p.trace, a.String())
		err := p.do(a)
		if err == nil {
			err = p.sound()
		}
		if err != nil {
			return fmt.Errorf("after %s: %w", strings.Join(p.trace, ", "), err)
		}
	}
	if err := p.end(); err != nil {
		return fmt.Errorf("in the end, after %s: %w", strings.Join(p.trace, ", "), err)
	}
	return nil
}

func (p *play) do(a act) error {
	w := &p.hooks[a.i%len(p.hooks)]
	switch a.do {
	case "wait":
		return nil
	case "tell":
		inv := &p.invoices[a.i%len(p.invoices)]
		c := flagged(*inv, p.now)
		*inv = c.Invoice
		return p.Apply(c)
	case "send":
		return p.send(a.i)
	case "accept":
		return p.land(a.i, a.j, paybell.Attempt{Status: 200})
	case "fail", "poison":
		return p.land(a.i, a.j, paybell.Attempt{Status: 500, Failure: a.do})
	case "gone":
		return p.land(a.i, a.j, paybell.Attempt{Status: 410, Failure: a.do})
	case "exhaust", "outage":
		return p.outage(a)
	case "record twice":
		if len(p.landed) == 0 {
			return nil
		}
		return p.record(p.landed[a.i%len(p.landed)])
	case "pause":
		return p.change(w, paybell.WebhookPaused, w.URL)
	case "enable":
		return p.change(w, paybell.WebhookActive, w.URL)
	case "move":
		to, err := p.Target(w.ID)
		if err != nil {
			return err
		}
		return p.change(w, to.Webhook.State, fmt.Sprintf("%s/moved/%d", origins[a.j%len(origins)], a.j))
	case "delete":
		if a.i != 0 || a.j > 3 { // seldom, or nothing else is seen
			return nil
		}
		err := p.DeleteWebhook(p.shop.Client.ID, w.ID, p.now)
		if paybell.CodeOf(err) == paybell.NotFound {
			return nil
		}
		return err
	case "enable endpoint":
		return p.EnableEndpoint(store.Endpoint{ClientID: p.shop.Client.ID, Origin: origins[a.i%len(origins)] + ":443"})
	case "again":
		return p.each(w, func(d paybell.Delivery) bool { return d.State != paybell.DeliveryPending && int(d.Number)%10 == a.j }, p.Again)
	case "resend missed":
		return p.each(w, func(d paybell.Delivery) bool { return d.State == paybell.Held || d.State == paybell.Exhausted }, p.Again)
	case "resend all":
		return p.each(w, func(d paybell.Delivery) bool { return d.State != paybell.DeliveryPending && int(d.Number) > a.j }, p.Again)
	case "give up":
		return p.each(w, func(d paybell.Delivery) bool { return waits(d) && int(d.Number)%10 == a.j }, p.GiveUp)
	case "skip":
		return p.each(w, func(d paybell.Delivery) bool { return waits(d) && int(d.Number) < a.j }, p.GiveUp)
	}
	return fmt.Errorf("what is %s?", a)
}

func waits(d paybell.Delivery) bool {
	return d.State == paybell.DeliveryPending || d.State == paybell.Held
}

// change writes what a person wants of a webhook that is not deleted.
func (p *play) change(w *paybell.Webhook, state paybell.WebhookState, url string) error {
	origin, err := paybell.CheckNotificationsURL(url, nil)
	if err != nil {
		return err
	}
	w.State, w.URL, w.Origin, w.StateSince = state, url, origin, p.now
	if err := p.UpdateWebhook(*w); paybell.CodeOf(err) != paybell.NotFound {
		return err
	}
	return nil
}

// each does something with those deliveries of a webhook that are wanted, as
// they stood before the first of them, in the order of their numbers.
func (p *play) each(w *paybell.Webhook, wanted func(paybell.Delivery) bool, do func(paybell.Delivery, time.Time) (bool, error)) error {
	if to, err := p.Target(w.ID); err != nil || to.Webhook.State == paybell.WebhookDeleted {
		return err
	}
	all, err := p.Deliveries(w.ID, 0, 1000)
	for _, d := range all {
		if err == nil && wanted(d) {
			_, err = do(d, p.now)
		}
	}
	return err
}

// due is every head that is due some time.
func (p *play) due() (heads []paybell.Delivery, err error) {
	for _, origin := range origins {
		some, _, err := p.DueDeliveries(store.Endpoint{ClientID: p.shop.Client.ID, Origin: origin + ":443"}, store.Place{}, p.now.Add(1e6*time.Hour), time.Time{}, 1000)
		if err != nil {
			return nil, err
		}
		heads = append(heads, some...)
	}
	return heads, nil
}

// send puts one head on the wire, or settles it if it may not go where it is due.
func (p *play) send(i int) error {
	heads, err := p.due()
	if err != nil || len(heads) == 0 {
		return err
	}
	d := heads[i%len(heads)]
	for _, f := range p.flights {
		if laneOf(f) == laneOf(d) {
			return nil
		}
	}
	to, err := p.Target(d.WebhookID)
	if err != nil {
		return err
	}
	if !to.Rings() || to.Webhook.Origin != d.Origin {
		_, err := p.Settle(d.WebhookID, d.InvoiceID, p.now)
		return err
	}
	p.flights = append(p.flights, d)
	return p.inOrder(d)
}

// inOrder fails when something goes for the first time, as if in order, although
// newer news of the invoice was delivered. What was on the wire when it was held
// or given up may come first: nobody knew.
func (p *play) inOrder(d paybell.Delivery) error {
	if d.OutOfOrder || d.Replay {
		return nil
	}
	later, err := p.Deliveries(d.WebhookID, d.Number, 1000)
	for _, l := range later {
		if l.InvoiceID == d.InvoiceID && l.State == paybell.Delivered && !p.late[name(l)] {
			return fmt.Errorf("number %d goes after number %d was delivered, and does not say so", d.Number, l.Number)
		}
	}
	return err
}

// land says what came back for one that is on the wire.
func (p *play) land(i, j int, a paybell.Attempt) error {
	if len(p.flights) == 0 {
		return nil
	}
	i %= len(p.flights)
	d := p.flights[i]
	p.flights = append(p.flights[:i:i], p.flights[i+1:]...)
	some, err := p.Deliveries(d.WebhookID, d.Number-1, 1)
	if err != nil {
		return err
	}
	p.late[name(d)] = some[0].DueAt.IsZero() || some[0].Lane() != d.Lane()
	r := p.result(d, a)
	if a.Failure == "poison" && r.Delivery.State == paybell.DeliveryPending {
		r.Delivery.OutOfOrder = true
	}
	if a.Failure == "" {
		r.Recovered, r.Accepted = j%2 == 0, int64(j)
	} else if j == 0 {
		r.Hold = p.now.Add(time.Minute)
	}
	return p.record(r)
}

func name(d paybell.Delivery) string { return fmt.Sprint(d.WebhookID, "/", d.Number) }

func (p *play) result(d paybell.Delivery, a paybell.Attempt) store.Result {
	a.WebhookID, a.Number, a.N, a.StartedAt = d.WebhookID, d.Number, d.Attempts+1, p.now
	return store.Result{Delivery: d.Next(a, p.hooks[0].Schedule, 0), Attempt: a, URL: d.URL}
}

func (p *play) record(r store.Result) error {
	p.landed = append(p.landed, r)
	_, err := p.Record([]store.Result{r}, p.now)
	return err
}

// outage lets one that is on the wire fail again and again, until it is given up
// or, in an outage of days, its endpoint is disabled.
func (p *play) outage(a act) error {
	if len(p.flights) == 0 {
		return nil
	}
	i := a.i % len(p.flights)
	d := p.flights[i]
	p.flights = append(p.flights[:i:i], p.flights[i+1:]...)
	times := 11
	if a.do == "exhaust" {
		times = paybell.MaxRetries + 1
	}
	for range times {
		if d.State != paybell.DeliveryPending {
			break
		}
		if a.do == "outage" {
			p.now = p.now.Add(paybell.DisableAfter / 10)
		}
		r := p.result(d, paybell.Attempt{Failure: "no answer"})
		if err := p.record(r); err != nil {
			return err
		}
		d = r.Delivery
	}
	return nil
}

func (p *play) sound() error {
	for _, w := range p.hooks {
		all, err := p.Deliveries(w.ID, 0, 1000)
		if err == nil {
			err = sound(all)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end lets everything ring that is not deleted, makes again what was missed, and
// delivers until nothing is due. Then nothing is left.
func (p *play) end() error {
	for len(p.flights) > 0 {
		if err := p.do(act{"accept", 0, 0}); err != nil {
			return err
		}
	}
	for _, origin := range origins {
		if err := p.EnableEndpoint(store.Endpoint{ClientID: p.shop.Client.ID, Origin: origin + ":443"}); err != nil {
			return err
		}
	}
	for i := range p.hooks {
		for _, do := range []string{"enable", "resend missed"} {
			if err := p.do(act{do, i, 0}); err != nil {
				return err
			}
			if err := p.sound(); err != nil {
				return fmt.Errorf("%s of %d: %w", do, i, err)
			}
		}
	}
	for heads, err := p.due(); len(heads) > 0 || err != nil; heads, err = p.due() {
		if err != nil {
			return err
		}
		for range heads {
			if err := p.send(0); err != nil {
				return err
			}
			if len(p.flights) > 0 {
				if err := p.do(act{"accept", 0, 0}); err != nil {
					return err
				}
			}
		}
		if err := p.sound(); err != nil {
			return err
		}
	}
	for _, w := range p.hooks {
		to, err := p.Target(w.ID)
		if err != nil {
			return err
		}
		all, err := p.Deliveries(w.ID, 0, 1000)
		if err != nil {
			return err
		}
		for _, d := range all {
			if d.State != paybell.Delivered && to.Webhook.State != paybell.WebhookDeleted { // known, B12: or if it is pending
				return fmt.Errorf("number %d of a webhook that is %s is %s, due at %v, and nothing will bring it", d.Number, to.Webhook.State, d.State, d.DueAt)
			}
		}
	}
	return nil
}

// The same with everybody at once: those who tell, those who deliver, and those
// who pause, enable, resend and give up.
func testAllAtOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	hooks := []paybell.Webhook{s.hook(t, "https://a.example/1"), s.hook(t, "https://a.example/2")}
	e := store.Endpoint{ClientID: s.Client.ID, Origin: hooks[0].Origin}
	const tellers, deliverers, meddlers, invoices, changes = 3, 2, 2, 3, 8
	var busy atomic.Int32
	busy.Store(tellers + meddlers)
	tell := func() error {
		defer busy.Add(-1)
		for range invoices {
			for c := s.NewInvoice(t0); c.Invoice.Version <= changes; c = flagged(c.Invoice, t0) {
				if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(c) }); err != nil {
					return err
				}
			}
		}
		return nil
	}
	// One deliverer has every second notification's invoice: what is on the wire is
	// nobody else's.
	deliver := func(who int) error {
		for round := 0; ; round++ {
			done := busy.Load() == 0
			type page struct {
				heads   []paybell.Delivery
				targets map[string]store.Target
			}
			p, err := store.View(context.Background(), db, func(tx *store.Tx) (p page, err error) {
				p.targets = map[string]store.Target{}
				if p.heads, _, err = tx.DueDeliveries(e, store.Place{}, after(1_000_000), time.Time{}, 1000); err != nil {
					return p, err
				}
				for _, w := range hooks {
					if p.targets[w.ID], err = tx.Target(w.ID); err != nil {
						return p, err
					}
				}
				return p, nil
			})
			if err != nil || done && len(p.heads) == 0 {
				return err
			}
			lanes := map[laneName]bool{}
			for _, d := range p.heads {
				if int(d.InvoiceID[len(d.InvoiceID)-1])%deliverers != who || lanes[laneOf(d)] {
					continue
				}
				lanes[laneOf(d)] = true
				if err := store.Do(context.Background(), db, func(tx *store.Tx) error {
					if !p.targets[d.WebhookID].Rings() {
						_, err := tx.Settle(d.WebhookID, d.InvoiceID, after(1))
						return err
					}
					r := tried(d, []string{"", "", "no answer"}[(round+int(d.Number))%3], t0)
					if r.Attempt.Failure != "" && round%5 == 0 {
						r.Delivery.OutOfOrder = true
					}
					_, err := tx.Record([]store.Result{r}, after(1))
					return err
				}); err != nil {
					return err
				}
			}
		}
	}
	// missed makes again what is held or was given up, or gives up what is held.
	missed := func(w paybell.Webhook, skip bool) error {
		all, err := store.View(context.Background(), db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(w.ID, 0, 1000) })
		if err != nil {
			return err
		}
		for _, d := range all {
			do, wanted := (*store.Tx).Again, d.State == paybell.Held || d.State == paybell.Exhausted
			if skip {
				do, wanted = (*store.Tx).GiveUp, d.State == paybell.Held
			}
			if wanted {
				if err := store.Do(context.Background(), db, func(tx *store.Tx) error { _, err := do(tx, d, after(2)); return err }); err != nil {
					return err
				}
			}
		}
		return nil
	}
	ring := func(w paybell.Webhook, state paybell.WebhookState) error {
		w.State = state
		return store.Do(context.Background(), db, func(tx *store.Tx) error {
			if _, err := tx.ClientForUpdate(w.ClientID); err != nil {
				return err
			}
			return tx.UpdateWebhook(w)
		})
	}
	meddle := func(w paybell.Webhook) error {
		defer busy.Add(-1)
		for i := range 6 {
			if err := errors.Join(ring(w, paybell.WebhookPaused), ring(w, paybell.WebhookActive), missed(w, i%3 == 0)); err != nil {
				return err
			}
		}
		return missed(w, false)
	}
	if err := atOnce(tellers+deliverers+meddlers, func(i int) error {
		switch {
		case i < tellers:
			return tell()
		case i < tellers+deliverers:
			return deliver(i - tellers)
		}
		return meddle(hooks[i-tellers-deliverers])
	}); err != nil {
		t.Fatal(err)
	}
	for _, w := range hooks { // what was held when the last meddler looked already
		wantSound(t, s.deliveries(t, w.ID))
		if err := missed(w, false); err != nil {
			t.Fatal(err)
		}
	}
	for i := range deliverers {
		if err := deliver(i); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range hooks {
		got := s.deliveries(t, w.ID)
		wantSound(t, got)
		if len(got) != tellers*invoices*changes {
			t.Errorf("%d deliveries of %d changes", len(got), tellers*invoices*changes)
		}
		for _, d := range got {
			if d.State != paybell.Delivered {
				t.Errorf("nothing will bring %s", brief(d))
			}
		}
	}
}
