package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/bench"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// receiverPorts is a hundred that answer, and some more for those that hang.
const receiverPorts = 110

// bencher is what all scenarios share.
type bencher struct {
	*benchCmd
	temp     string
	postgres *postgres // nil: SQLite
	receiver *bench.Receiver
	stands   int
	runs     int
	steady   float64 // deliveries per second to one endpoint; 0: not measured yet
	ceiling  float64 // bare POSTs per second then
}

func newBencher(ctx context.Context, c *benchCmd) (_ *bencher, err error) {
	b := &bencher{benchCmd: c}
	if c.Database != "" {
		if b.postgres, err = openPostgres(ctx, c.Database); err != nil {
			return nil, err
		}
	}
	if b.temp, err = os.MkdirTemp("", "paybell-bench-"); err == nil {
		b.receiver, err = startReceiver()
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bencher) close() (err error) {
	if b.receiver != nil {
		err = b.receiver.Close()
	}
	return errors.Join(err, os.RemoveAll(b.temp), b.postgres.close())
}

func (b *bencher) storeName() string {
	if b.postgres != nil {
		return "PostgreSQL " + b.postgres.version
	}
	return "SQLite " + sqlite3.SQLITE_VERSION
}

// place is the directory of the data, empty if it is not known.
func (b *bencher) place() string {
	if b.postgres != nil {
		return b.postgres.dir
	}
	return b.temp
}

// hooks are the first ports of the receiver.
func (b *bencher) hooks(n int) []string { return b.urls(n, bench.Hook) }

func (b *bencher) urls(n int, path string) []string {
	urls := make([]string, n)
	for i := range urls {
		urls[i] = b.receiver.URL(i, path)
	}
	return urls
}

// stand is a server with clients and their webhooks. Its data stay when it is closed,
// and it can be opened again.
type stand struct {
	b       *bencher
	place   dataFlags
	clients []standClient
	targets []bench.Target // of all clients
	app     *app           // nil while it is closed

	clientTurn, targetTurn atomic.Int64
	accepted               atomic.Int64 // invoices
}

type standClient struct {
	actor     desk.Actor
	secret    string
	webhookID string // of the first
}

// stand makes one with a client for each URL, which has one webhook. It is open.
func (b *bencher) stand(ctx context.Context, urls []string) (*stand, error) {
	each := make([][]string, len(urls))
	for i, u := range urls {
		each[i] = []string{u}
	}
	return b.standOf(ctx, each, []string{"invoiceCreated"})
}

// standOf makes one with clients, each of which has some webhooks for some events.
func (b *bencher) standOf(ctx context.Context, clients [][]string, events []string) (*stand, error) {
	b.stands++
	s := &stand{b: b, place: dataFlags{Data: filepath.Join(b.temp, strconv.Itoa(b.stands))}}
	if b.postgres != nil {
		var err error
		if s.place.Database, err = b.postgres.create(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	m, err := s.app.desk.CreateMerchant(ctx, "Bench", "")
	for i := 0; err == nil && i < len(clients); i++ {
		err = s.addClient(ctx, m, clients[i], events)
	}
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

func (s *stand) addClient(ctx context.Context, m paybell.Merchant, urls, events []string) error {
	client, secret, err := s.app.desk.CreateClient(ctx, desk.Owner(m.ID), desk.NewClient{Name: "Bench", Permissions: paybell.AllPermissions})
	if err != nil {
		return err
	}
	c := standClient{secret: secret}
	if c.actor, err = s.app.desk.Actor(ctx, client.ID, netip.Addr{}); err != nil {
		return err
	}
	for _, url := range urls {
		hook, err := s.app.desk.CreateWebhook(ctx, c.actor, client.ID, desk.NewWebhook{URL: url, Events: events})
		if err != nil {
			return err
		}
		if c.webhookID == "" {
			c.webhookID = hook.ID
		}
		s.targets = append(s.targets, bench.Target{URL: url, ClientID: client.ID, Secret: secret})
	}
	s.clients = append(s.clients, c)
	return nil
}

// open starts the server on the data that are there, in this process. Without roles
// it does everything.
func (s *stand) open(ctx context.Context, roles ...string) (err error) {
	s.app, err = benchServer(ctx, s.place, roles)
	return err
}

// visit opens a stand for one measurement.
func (s *stand) visit(ctx context.Context, measure func() error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return errors.Join(measure(), s.close())
}

// close stops the server. It waits for attempts in flight, so those that hang are
// answered first: failures would be remembered of the endpoint the next time.
func (s *stand) close() error {
	if s.app == nil {
		return nil
	}
	err := s.b.receiver.Silence(false)
	err = errors.Join(err, s.app.close(), s.b.receiver.Silence(true))
	s.app = nil
	return err
}

// remove closes the stand and deletes its data.
func (s *stand) remove() error {
	err := errors.Join(s.close(), os.RemoveAll(s.place.Data))
	if s.b.postgres != nil {
		err = errors.Join(err, s.b.postgres.drop(s.place.Database))
	}
	return err
}

func benchBill(number string) paybell.Bill {
	ten, _ := paybell.ParseAmount("10.00")
	return paybell.Bill{Currency: "5057", Number: number, Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}}
}

// benchInvoice is the same, as a request; its number is to be filled in.
const benchInvoice = `{"currency":"5057","invoiceId":"%s","items":[{"name":"A bag of coffee","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`

// usualNumber is that of invoices that nobody looks for.
const usualNumber = "0067"

// notification is the body of what create makes.
func (s *stand) notification() []byte {
	a := s.clients[0].actor
	at := time.Now()
	return paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: a.MerchantID, ClientID: a.ClientID, Bill: benchBill(usualNumber)}, at).Tell(paybell.Merchant{ID: a.MerchantID}, 0).Body
}

// turn makes the notifications of one invoice, which is a client's, with a number.
type turn func(ctx context.Context, c standClient, number string) error

// create makes one invoice at the desk.
func (s *stand) create(ctx context.Context, c standClient, number string) error {
	return s.createWith(ctx, c, number)
}

func (s *stand) createWith(ctx context.Context, c standClient, number string, hooks ...desk.NewWebhook) error {
	_, err := s.app.desk.CreateInvoice(ctx, c.actor, desk.NewInvoice{Bill: benchBill(number), Webhooks: hooks})
	if err == nil {
		s.accepted.Add(1)
	}
	return err
}

// createAndPay makes one invoice that is paid with the test coin. It is completed when
// somebody mines.
func (s *stand) createAndPay(ctx context.Context, c standClient, number string) error {
	inv, err := s.app.desk.CreateInvoice(ctx, c.actor, desk.NewInvoice{Bill: benchBill(number)})
	if err == nil {
		s.accepted.Add(1)
		_, _, err = s.app.desk.OpenPayment(ctx, inv.ID, paybell.LTCT)
	}
	if err == nil {
		_, err = s.app.desk.PaySandbox(ctx, c.actor, inv.ID, nil)
	}
	return err
}

// ask makes invoices by signed requests to some servers, in turn.
func (s *stand) ask(urls ...string) turn {
	client := bench.NewClient()
	var n atomic.Int64
	return func(ctx context.Context, c standClient, number string) error {
		to := bench.Target{URL: urls[int(n.Add(1))%len(urls)] + "/api/v2/merchant/invoices", ClientID: c.actor.ClientID, Secret: c.secret}
		err := bench.Post(ctx, client, to, fmt.Appendf(nil, benchInvoice, number))
		if err == nil {
			s.accepted.Add(1)
		}
		return err
	}
}

// fill closes the stand and makes so many deliveries for each of these clients,
// waiting or done.
func (s *stand) fill(ctx context.Context, n int, state paybell.DeliveryState, clients []standClient) error {
	var errs []error
	for _, c := range clients {
		errs = append(errs, s.create(ctx, c, "seed")) // the others are like its delivery
	}
	if err := errors.Join(append(errs, s.close())...); err != nil {
		return err
	}
	db, err := s.place.open(ctx, false)
	if err != nil {
		return err
	}
	for i := 0; i < len(clients) && err == nil; i++ {
		err = fillWebhook(ctx, db, clients[i].webhookID, n, state)
	}
	err = errors.Join(err, db.Close())
	if err == nil && s.b.postgres != nil {
		err = s.b.postgres.analyze(ctx, s.place.Database)
	}
	return err
}

func fillWebhook(ctx context.Context, db *store.DB, id string, n int, state paybell.DeliveryState) error {
	const batch = 50_000 // more in one transaction makes the log larger than the data
	for ; n > 0; n -= batch {
		if err := store.Do(ctx, db, func(tx *store.Tx) error { return tx.Fill(id, 1, min(n, batch), state) }); err != nil {
			return err
		}
	}
	return nil
}

// nextClient is the client whose turn it is.
func (s *stand) nextClient() standClient {
	return s.clients[int(s.clientTurn.Add(1))%len(s.clients)]
}

// nextTarget is the webhook whose turn it is.
func (s *stand) nextTarget() bench.Target {
	return s.targets[int(s.targetTurn.Add(1))%len(s.targets)]
}
