package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

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
	receiver *bench.Receiver
	stands   int
	runs     int
	steady   float64 // deliveries per second to one endpoint; 0: not measured yet
	ceiling  float64 // bare POSTs per second then
}

func newBencher(c *benchCmd) (*bencher, error) {
	temp, err := os.MkdirTemp("", "paybell-bench-")
	if err != nil {
		return nil, err
	}
	r, err := startReceiver()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(temp))
	}
	return &bencher{benchCmd: c, temp: temp, receiver: r}, nil
}

func (b *bencher) close() error { return errors.Join(b.receiver.Close(), os.RemoveAll(b.temp)) }

// hooks are the first ports of the receiver.
func (b *bencher) hooks(n int) []string {
	urls := make([]string, n)
	for i := range urls {
		urls[i] = b.receiver.URL(i, bench.Hook)
	}
	return urls
}

// stand is a server with endpoints, each of a client of its own. Its data stay
// when it is closed, and it can be opened again.
type stand struct {
	b         *bencher
	dir       string
	endpoints []standEndpoint
	app       *app // nil while it is closed
	turn      atomic.Int64
}

type standEndpoint struct {
	actor     desk.Actor
	target    bench.Target
	webhookID string
}

// stand makes one with an endpoint for each URL. It is open.
func (b *bencher) stand(ctx context.Context, urls []string) (*stand, error) {
	b.stands++
	s := &stand{b: b, dir: filepath.Join(b.temp, strconv.Itoa(b.stands))}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	m, err := s.app.desk.CreateMerchant(ctx, "Bench", "")
	for i := 0; err == nil && i < len(urls); i++ {
		err = s.addEndpoint(ctx, m, urls[i])
	}
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

func (s *stand) addEndpoint(ctx context.Context, m paybell.Merchant, url string) error {
	client, secret, err := s.app.desk.CreateClient(ctx, desk.Owner(m.ID), desk.NewClient{Name: "Bench", Permissions: paybell.AllPermissions})
	if err != nil {
		return err
	}
	actor, err := s.app.desk.Actor(ctx, client.ID, netip.Addr{})
	if err != nil {
		return err
	}
	hook, err := s.app.desk.CreateWebhook(ctx, actor, client.ID, desk.NewWebhook{URL: url, Events: []string{"invoiceCreated"}})
	s.endpoints = append(s.endpoints, standEndpoint{actor: actor, target: bench.Target{URL: url, ClientID: client.ID, Secret: secret}, webhookID: hook.ID})
	return err
}

// open starts the server on the data that are there.
func (s *stand) open(ctx context.Context) (err error) {
	s.app, err = benchServer(ctx, s.dir)
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
func (s *stand) remove() error { return errors.Join(s.close(), os.RemoveAll(s.dir)) }

func benchBill(number string) paybell.Bill {
	ten, _ := paybell.ParseAmount("10.00")
	return paybell.Bill{Currency: "5057", Number: number, Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}}
}

// notification is the body of what create makes.
func (s *stand) notification() []byte {
	a := s.endpoints[0].actor
	at := time.Now()
	return paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: a.MerchantID, ClientID: a.ClientID, Bill: benchBill("0067")}, at).Tell(paybell.Merchant{ID: a.MerchantID}, 0).Body
}

// create makes one invoice of an endpoint's client.
func (s *stand) create(ctx context.Context, e standEndpoint, number string, hooks ...desk.NewWebhook) error {
	_, err := s.app.desk.CreateInvoice(ctx, e.actor, desk.NewInvoice{Bill: benchBill(number), Webhooks: hooks})
	return err
}

// fill closes the stand and makes so many deliveries for each of these endpoints,
// waiting or done.
func (s *stand) fill(ctx context.Context, n int, state paybell.DeliveryState, endpoints []standEndpoint) error {
	var errs []error
	for _, e := range endpoints {
		errs = append(errs, s.create(ctx, e, "seed")) // the others are like its delivery
	}
	if err := errors.Join(append(errs, s.close())...); err != nil {
		return err
	}
	db, err := dataFlags{Data: s.dir}.open(ctx, false)
	if err != nil {
		return err
	}
	for i := 0; i < len(endpoints) && err == nil; i++ {
		err = fillWebhook(ctx, db, endpoints[i].webhookID, n, state)
	}
	return errors.Join(err, db.Close())
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

// next is the endpoint whose turn it is.
func (s *stand) next() standEndpoint {
	return s.endpoints[int(s.turn.Add(1))%len(s.endpoints)]
}
