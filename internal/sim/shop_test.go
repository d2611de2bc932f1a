package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// shop is a merchant with one integration client, and its buyers.
type shop struct {
	w        *world
	i        int
	merchant string
	client   string
	terms    paybell.Terms

	mu       sync.Mutex
	invoices []string
	txs      []string // on the sandbox
	urls     int      // made so far
	resends  []string
}

// patience is how long a caller waits for an answer.
const patience = 4 * time.Second

func (s *shop) actor() desk.Actor {
	return desk.Actor{ClientID: s.client, MerchantID: s.merchant, Permissions: paybell.AllPermissions, Terms: s.terms}
}

// work does what shops and buyers do, at any of the processes, until a moment.
func (s *shop) work(rnd *rand.Rand, until time.Time) {
	for time.Now().Before(until) {
		if rnd.IntN(8) > 0 { // or else at the very same moment
			time.Sleep(time.Duration(rnd.IntN(1300)) * time.Millisecond)
		}
		if p := s.w.any(rnd); p != nil {
			s.act(p, rnd)
		}
	}
}

// act asks one process for one thing.
func (s *shop) act(p *process, rnd *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := rnd.IntN(100)
	doing, do := "", error(nil)
	switch {
	case n < 20:
		doing, do = "create", s.createInvoice(ctx, p, rnd)
	case n < 30:
		doing = "open a payment"
		_, _, do = p.desk.OpenPayment(ctx, s.invoice(rnd), paybell.LTCT)
	case n < 46:
		doing, do = "pay", s.pay(ctx, p, rnd)
	case n < 58:
		doing = "mine"
		_, do = p.desk.MineSandbox(ctx, s.actor(), 1+rnd.IntN(3))
	case n < 62:
		doing, do = "reorg", s.counted(reorg, p.desk.ReorgSandbox(ctx, s.actor(), 1+rnd.IntN(3)))
	case n < 66:
		doing, do = "replace", s.replace(ctx, p, rnd)
	case n < 68:
		doing, do = "drop", s.counted(dropped, p.desk.DropSandbox(ctx, s.actor(), s.tx(rnd)))
	case n < 72:
		doing, do = "cancel", p.desk.CancelInvoice(ctx, s.actor(), s.invoice(rnd))
	case n < 74:
		doing, do = "accept", p.desk.AcceptInvoice(ctx, s.actor(), s.invoice(rnd))
	case n == 76 && rnd.IntN(3) == 0:
		doing, do = "many invoices at once", s.burst(ctx, p, rnd)
	case n == 77 && rnd.IntN(3) == 0:
		doing, do = "many changes of one invoice", s.chatter(ctx, p, rnd)
	case n < 78:
		doing, do = "expire", p.desk.ExpireSandbox(ctx, s.actor(), s.invoice(rnd), []string{"window", "lifetime"}[rnd.IntN(2)])
	case n < 79:
		doing, do = "an invoice by a wrong clock", s.wrongClock(ctx, p, rnd)
	case n < 80:
		doing, do = "create a webhook", s.createWebhook(p, rnd)
	case n < 84:
		doing, do = "change a webhook", s.changeURL(ctx, p, rnd)
	case n < 87:
		doing, do = "pause a webhook", s.pause(ctx, p, rnd)
	case n < 91:
		doing, do = "enable a webhook", s.enable(ctx, p, rnd)
	case n < 92 && s.i == 2:
		doing, do = "delete the client", s.deleteClient(ctx, p)
	case n < 92:
		doing, do = "delete a webhook", s.delete(ctx, p, rnd)
	case n < 94:
		doing, do = "rotate", s.rotate(ctx, p, rnd)
	case n < 95:
		doing, do = "tell the servers the secret", s.configure(ctx, p)
	case n < 99:
		doing, do = "resend", s.resend(ctx, p, rnd)
	default:
		doing, do = "try a webhook", s.try(ctx, p, rnd)
	}
	s.w.expect(p, doing, do)
}

// counted counts a kind if it was done.
func (s *shop) counted(k kind, err error) error {
	if err == nil {
		s.w.happened(k)
	}
	return err
}

func (s *shop) invoice(rnd *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.invoices) == 0 {
		return "none"
	}
	recent := s.invoices[max(0, len(s.invoices)-8):] // several changes for each
	if rnd.IntN(5) == 0 {
		recent = s.invoices
	}
	return recent[rnd.IntN(len(recent))]
}

func (s *shop) tx(rnd *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.txs) == 0 {
		return "none"
	}
	recent := s.txs[max(0, len(s.txs)-4):]
	return recent[rnd.IntN(len(recent))]
}

// url is a new one on one of the servers. Every URL is one webhook's, but for
// those that are given twice on purpose.
func (s *shop) url(rnd *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls++
	return fmt.Sprintf("https://%s/s%d/%d", hostNames[rnd.IntN(len(hostNames))], s.i, s.urls)
}

var short = []int64{1, 2, 3} // seconds

func (s *shop) newWebhook(rnd *rand.Rand) desk.NewWebhook {
	events := paybell.AllEvents.Names()
	if rnd.IntN(3) == 0 {
		rnd.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		events = events[:1+rnd.IntN(len(events))]
	}
	n := desk.NewWebhook{URL: s.url(rnd), Events: events}
	switch rnd.IntN(4) {
	case 0:
		n.Schedule = short
	case 1:
		n.Schedule = short[:1]
	}
	return n
}

func (s *shop) createWebhook(p *process, rnd *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := p.desk.CreateWebhook(ctx, s.actor(), s.client, s.newWebhook(rnd))
	return err
}

func (s *shop) bill() paybell.Bill {
	ten := decimal.New(10, 0)
	return paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}, Number: "7"}
}

func (s *shop) createInvoice(ctx context.Context, p *process, rnd *rand.Rand) error {
	in := desk.NewInvoice{Bill: s.bill()}
	if rnd.IntN(3) == 0 {
		in.PaymentCurrency = "LTCT"
	}
	for range max(0, rnd.IntN(8)-5) {
		in.Webhooks = append(in.Webhooks, s.newWebhook(rnd))
	}
	if rnd.IntN(12) == 0 { // what the client has anyway
		if hooks, err := p.desk.Webhooks(ctx, s.actor(), s.client, "", 0); err == nil && len(hooks) > 0 {
			in.Webhooks = append(in.Webhooks, desk.NewWebhook{URL: hooks[rnd.IntN(len(hooks))].URL, Events: paybell.AllEvents.Names()})
		}
	}
	if rnd.IntN(5) == 0 { // what is not committed must not be told
		p.expects(&plan{at: store.BeforeCommit, fault: storeFailsBeforeCommit}, 0)
	}
	inv, err := p.desk.CreateInvoice(ctx, s.actor(), in)
	if err == nil {
		s.keep(inv.ID)
	}
	return err
}

// keep remembers an invoice that somebody was told of.
func (s *shop) keep(id string) {
	s.mu.Lock()
	s.invoices = append(s.invoices, id)
	s.mu.Unlock()
	s.w.mu.Lock()
	s.w.answers = append(s.w.answers, promise{id})
	s.w.mu.Unlock()
}

// wrongClock writes an invoice, and a change of it, the way a process does whose
// clock is wrong by hours.
func (s *shop) wrongClock(ctx context.Context, p *process, rnd *rand.Rand) error {
	at := now().Add(time.Duration(rnd.IntN(24*60)-12*60) * time.Minute)
	created := s.draft(at)
	cancelled, err := created.Invoice.Next(paybell.Input{Do: paybell.Cancel{}}, at.Add(time.Second))
	if err != nil {
		return err
	}
	if err := store.Do(ctx, p.db, func(tx *store.Tx) error { return tx.Apply(created) }); err != nil {
		return err
	}
	s.keep(created.Invoice.ID)
	return s.counted(wrongClock, store.Do(ctx, p.db, func(tx *store.Tx) error { return tx.Apply(cancelled...) }))
}

// draft is an invoice of the shop's, to be written past the desk.
func (s *shop) draft(at time.Time) paybell.Change {
	return paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: s.merchant, ClientID: s.client, Bill: paybell.Bill{Currency: "5057", Total: decimal.New(10, 0)},
		ExpiresAt: now().Add(s.terms.Lifetime), Window: s.terms.Window, Test: true}, at)
}

// burst makes more invoices at once than fit into a dispatcher's memory when their
// server is not well.
func (s *shop) burst(ctx context.Context, p *process, rnd *rand.Rand) error {
	var all []paybell.Change
	for range 20 + rnd.IntN(30) {
		all = append(all, s.draft(now()))
	}
	err := store.Do(ctx, p.db, func(tx *store.Tx) error {
		for _, c := range all {
			if err := tx.Apply(c); err != nil {
				return err
			}
		}
		return nil
	})
	return s.counted(manyAtOnce, err)
}

// chatter makes more changes of an invoice than a dispatcher keeps of one lane.
func (s *shop) chatter(ctx context.Context, p *process, rnd *rand.Rand) error {
	c := s.draft(now())
	for range 1 + rnd.IntN(4) {
		n := 1 + rnd.IntN(30)
		from := c
		if err := store.Do(ctx, p.db, func(tx *store.Tx) error {
			next := from
			for range n {
				if err := tx.Apply(next); err != nil {
					return err
				}
				next.Event, next.At = paybell.InvoiceFlagged, now()
				next.Invoice.Version++
			}
			return nil
		}); err != nil {
			return err
		}
		c.Event, c.At = paybell.InvoiceFlagged, now()
		c.Invoice.Version += n
	}
	s.keep(c.Invoice.ID)
	return s.counted(manyChanges, nil)
}

func (s *shop) pay(ctx context.Context, p *process, rnd *rand.Rand) error {
	var amount *decimal.Decimal
	if rnd.IntN(4) == 0 {
		part := decimal.New(int64(1+rnd.IntN(20)), -2)
		amount = &part
	}
	if rnd.IntN(6) == 0 { // while the payment is taken from the chain to its invoice
		p.expects(&[]plan{
			{at: store.BeforeCommit, fault: crashBeforeCommit}, {at: store.AfterCommit, fault: crashAfterCommit},
			{at: store.BeforeCommit, fault: storeFailsBeforeCommit}, {at: store.AfterCommit, fault: commitAnswerLost},
		}[rnd.IntN(4)], 1+rnd.IntN(3))
	}
	id, err := p.desk.PaySandbox(ctx, s.actor(), s.invoice(rnd), amount)
	if err == nil {
		s.keepTx(id)
	}
	return err
}

func (s *shop) keepTx(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txs = append(s.txs, id)
}

func (s *shop) replace(ctx context.Context, p *process, rnd *rand.Rand) error {
	id, err := p.desk.ReplaceSandbox(ctx, s.actor(), s.tx(rnd), rnd.IntN(2) == 0)
	if err == nil {
		s.keepTx(id)
	}
	return s.counted(replacement, err)
}

// hook chooses one of the webhooks that the client has.
func (s *shop) hook(ctx context.Context, p *process, rnd *rand.Rand, fit func(paybell.Webhook) bool) (paybell.Webhook, error) {
	of := ""
	if rnd.IntN(6) == 0 {
		of = s.invoice(rnd)
	}
	hooks, err := p.desk.Webhooks(ctx, s.actor(), s.client, of, 0)
	if err != nil {
		return paybell.Webhook{}, err
	}
	var fits []paybell.Webhook
	for _, h := range hooks {
		if fit == nil || fit(h) {
			fits = append(fits, h)
		}
	}
	if len(fits) == 0 {
		return paybell.Webhook{}, paybell.Errorf(paybell.NotFound, "there is none")
	}
	return fits[rnd.IntN(len(fits))], nil
}

func (s *shop) changeURL(ctx context.Context, p *process, rnd *rand.Rand) error {
	h, err := s.hook(ctx, p, rnd, nil)
	if err != nil {
		return err
	}
	n := s.newWebhook(rnd)
	_, err = p.desk.UpdateWebhook(ctx, s.actor(), s.client, h.ID, n)
	if err == nil {
		s.w.say("%s: webhook %s goes to %s", p.name, h.ID, n.URL)
	}
	return s.counted(urlChanged, err)
}

func (s *shop) pause(ctx context.Context, p *process, rnd *rand.Rand) error {
	h, err := s.hook(ctx, p, rnd, nil)
	if err == nil {
		_, err = p.desk.PauseWebhook(ctx, s.actor(), s.client, h.ID)
		s.w.say("%s: webhook %s is paused: %v", p.name, h.ID, err)
	}
	return s.counted(webhookPaused, err)
}

func (s *shop) enable(ctx context.Context, p *process, rnd *rand.Rand) error {
	h, err := s.hook(ctx, p, rnd, func(h paybell.Webhook) bool { return h.State != paybell.WebhookActive || rnd.IntN(8) == 0 })
	if err != nil {
		return err
	}
	skip := rnd.IntN(4) == 0
	if skip {
		s.w.happened(skipAsked)
	}
	_, err = p.desk.EnableWebhook(ctx, s.actor(), s.client, h.ID, skip)
	s.w.say("%s: webhook %s is enabled, skip %v: %v", p.name, h.ID, skip, err)
	return s.counted(webhookEnabled, err)
}

func (s *shop) delete(ctx context.Context, p *process, rnd *rand.Rand) error {
	h, err := s.hook(ctx, p, rnd, nil)
	if err == nil {
		_, err = p.desk.DeleteWebhook(ctx, s.actor(), s.client, h.ID)
		s.w.say("%s: webhook %s is deleted: %v", p.name, h.ID, err)
	}
	return s.counted(webhookDeleted, err)
}

func (s *shop) deleteClient(ctx context.Context, p *process) error {
	err := store.Do(ctx, p.db, func(tx *store.Tx) error { return tx.DeleteClient(s.client, now()) })
	s.w.say("%s: client %s is deleted: %v", p.name, s.client, err)
	return s.counted(clientDeleted, err)
}

func (s *shop) rotate(ctx context.Context, p *process, rnd *rand.Rand) error {
	owner := desk.Owner(s.merchant)
	overlap := []time.Duration{0, 3 * time.Second, time.Minute, desk.DefaultOverlap}[rnd.IntN(4)]
	_, err := p.desk.RotateSecret(ctx, owner, s.client, overlap)
	s.w.say("%s: a new secret for shop %d, overlap %v: %v", p.name, s.i, overlap, err)
	return s.counted(secretRotated, err)
}

// configure gives the current secret to the shop's servers.
func (s *shop) configure(ctx context.Context, p *process) error {
	secrets, err := store.View(ctx, p.db, func(tx *store.Tx) ([]paybell.Secret, error) { return tx.Secrets(s.client, time.Now()) })
	if err == nil && len(secrets) > 0 {
		s.w.net.knows(s.client, secrets[0].Text)
	}
	return err
}

func (s *shop) resend(ctx context.Context, p *process, rnd *rand.Rand) error {
	h, err := s.hook(ctx, p, rnd, nil)
	if err != nil {
		return err
	}
	var q desk.ResendRequest
	switch rnd.IntN(4) {
	case 0:
		q.FailedSince = s.w.began
	case 1:
		told, err := p.desk.PullNotifications(ctx, s.actor(), s.client, h.ID, paybell.SequenceNumber{}, desk.MaxPull)
		if err != nil || len(told) == 0 {
			return err
		}
		q.NotificationID = told[rnd.IntN(len(told))].NotificationID
	case 2:
		q.After = &paybell.SequenceNumber{Epoch: 1, N: int64(rnd.IntN(40))}
	case 3:
		if id := s.lastResend(); id != "" {
			_, err := p.desk.CancelResend(ctx, s.actor(), s.client, id)
			return err
		}
		return nil
	}
	r, err := p.desk.Resend(ctx, s.actor(), s.client, h.ID, q)
	if err == nil {
		s.w.say("%s: resend %s for webhook %s, %s: %d", p.name, r.ID, h.ID, r.What, r.Total)
		s.mu.Lock()
		s.resends = append(s.resends, r.ID)
		s.mu.Unlock()
	}
	return s.counted(resendAsked, err)
}

func (s *shop) lastResend() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.resends) == 0 {
		return ""
	}
	return s.resends[len(s.resends)-1]
}

func (s *shop) try(ctx context.Context, p *process, rnd *rand.Rand) error {
	h, err := s.hook(ctx, p, rnd, nil)
	if err == nil {
		_, err = p.desk.TryWebhook(ctx, s.actor(), s.client, h.ID, "invoicePaid")
	}
	return err
}

// settle is what a merchant does at the end: everything is enabled, what was
// missed or given up is sent again.
func (s *shop) settle(p *process) {
	ctx := context.Background()
	s.w.expect(p, "tell the servers the secret", s.configure(ctx, p))
	rows, err := s.w.raw.Query("SELECT id FROM webhooks WHERE client_id = $1 AND state <> 'deleted' ORDER BY id", s.client)
	if err != nil {
		s.w.wrong("webhooks cannot be read: %v", err)
		return
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			s.w.wrong("webhooks cannot be read: %v", err)
			return
		}
		ids = append(ids, id)
	}
	_ = rows.Close()
	for _, id := range ids {
		if _, err := p.desk.EnableWebhook(ctx, s.actor(), s.client, id, false); err != nil {
			s.w.wrong("webhook %s cannot be enabled: %v", id, err)
			continue
		}
		at := now()
		err := store.Do(ctx, p.db, func(tx *store.Tx) error {
			w, err := tx.Webhook(s.client, id)
			if err != nil {
				return err
			}
			_, err = tx.StartResend(paybell.Resend{ID: paybell.NewUUID(at), ClientID: s.client, WebhookID: id, Origin: w.Origin,
				What: paybell.ResendMissed, State: paybell.ResendRunning, CreatedAt: at})
			return err
		})
		if err != nil {
			s.w.wrong("resend for %s: %v", id, err)
		}
	}
}

// pull reads all that the shop's webhooks were told, as a shop does that was not
// reached: in order, without a gap.
func (s *shop) pull(p *process) {
	hooks, err := p.desk.Webhooks(context.Background(), s.actor(), s.client, "", 0)
	if err != nil {
		s.w.wrong("webhooks cannot be listed: %v", err)
	}
	for _, h := range hooks {
		var after paybell.SequenceNumber
		for {
			page, err := p.desk.PullNotifications(context.Background(), s.actor(), s.client, h.ID, after, desk.MaxPull)
			if err != nil {
				s.w.wrong("webhook %s cannot be pulled: %v", h.ID, err)
			}
			for _, d := range page {
				if d.Number != after.N+1 || !strings.Contains(string(d.Body), d.NotificationID) {
					s.w.wrong("webhook %s: number %d is pulled after %d", h.ID, d.Number, after.N)
				}
				after = d.Sequence()
			}
			if len(page) < desk.MaxPull {
				break
			}
		}
	}
}
