package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/shop"
	"github.com/paybell/paybell/internal/store"
)

type demoCmd struct {
	Data     string `help:"Keep the data in this directory; without it, it goes with the demo." type:"path" xor:"chain"`
	Database string `help:"Play in this PostgreSQL database (15 or newer), which must be empty, like postgres://user:password@host/name. What is made stays in it; the key, without --data, goes with the demo."`
	Btcd     bool   `help:"Pay with bitcoins on a real chain, which nobody else uses: that of a btcd of the demo's own." xor:"chain"`
	Exit     bool   `help:"End after the play: with 0 only if every notification came, in order, with good signatures."`
}

// stepTime is how long one notification may take before the demo says that it
// did not come. It takes milliseconds.
const stepTime = 10 * time.Second

// Run plays the whole main job: a real server, a real merchant's server, signed
// HTTP in both directions.
func (c *demoCmd) Run(ctx context.Context) error {
	if err := c.mayPlay(ctx); err != nil {
		return err
	}
	d, err := newDemo(ctx, dataFlags{Data: c.Data, Database: c.Database}, c.Btcd)
	if err != nil {
		return err
	}
	err = d.play(ctx)
	if err == nil && !c.Exit {
		d.handOver(ctx)
	}
	return errors.Join(err, d.close())
}

// mayPlay refuses to play where a real shop has its data.
func (c *demoCmd) mayPlay(ctx context.Context) error {
	if c.Database == "" {
		return nil
	}
	used, err := store.InUse(ctx, c.Database)
	if err == nil && used {
		err = errors.New("there are data in this database already, and the demo plays only in an empty one; make one with createdb, or leave out --database (and PAYBELL_DATABASE)")
	}
	return err
}

// demo is a server, a shop and a person who watches.
type demo struct {
	stage
	app      *app
	btcd     *btcdStage // nil: the sandbox is the chain
	temp     string     // directory to remove; empty: the data is kept
	shop     *shop.Shop
	shopHTTP *http.Server
	hookURL  string

	clientID, secret string
	dashboard        string // a link that signs in, once
}

func newDemo(ctx context.Context, place dataFlags, real bool) (_ *demo, err error) {
	d := &demo{stage: newStage(os.Stdout)}
	if place.Data == "" {
		if d.temp, err = os.MkdirTemp("", "paybell-demo-"); err != nil {
			return nil, err
		}
		place.Data = d.temp
	}
	d.title("Paybell", "rings your server when an invoice is paid")
	var chains chainFlags
	if real {
		if d.btcd, err = d.newBtcdStage(ctx); err != nil {
			return nil, errors.Join(err, d.close())
		}
		chains.BitcoinNetwork, chains.BitcoinNode = "regtest", []string{d.btcd.node.URL()}
	}
	d.app, err = start(ctx, appConfig{
		dataFlags: place, chainFlags: chains, listen: "127.0.0.1:0",
		allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, // the shop is on this machine
		log:   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.done("Server", "%s, %s", d.app.url, d.kept(place))
	if err := d.openShop(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// kept says where the data are, and whether they stay there.
func (d *demo) kept(place dataFlags) string {
	switch {
	case place.onPostgres() && d.temp == "":
		return "PostgreSQL, where all of it stays; the key stays in " + place.Data
	case place.onPostgres():
		return "PostgreSQL, where all of it stays; the key is gone when the demo ends"
	case d.temp == "":
		return "embedded database, kept in " + place.Data
	}
	return "embedded database, gone when the demo ends"
}

// openShop makes the merchant, its integration client and its own server.
func (d *demo) openShop(ctx context.Context) error {
	m, err := d.app.desk.CreateMerchant(ctx, "Café Bell", "owner@cafe-bell.example")
	if err != nil {
		return err
	}
	client, secret, err := d.app.desk.CreateClient(ctx, desk.Owner(m.ID), desk.NewClient{
		Name: "Web shop", URL: "https://cafe-bell.example", Permissions: paybell.AllPermissions,
	})
	if err != nil {
		return err
	}
	d.clientID, d.secret = client.ID, secret
	d.done("Merchant", "%s, with the integration client %s", m.Name, client.ID)
	user, _, err := d.app.desk.CreateUser(ctx, desk.Owner(m.ID), desk.NewUser{Name: "You", Email: "you-" + client.ID[:8] + "@cafe-bell.example"}, paybell.RoleOwner)
	if err != nil {
		return err
	}
	pass, err := d.app.desk.NewSignInPass(ctx, user.ID)
	if err != nil {
		return err
	}
	d.dashboard = d.app.url + "/dash/pass/" + pass
	d.done("Dashboard", "%s (signs you in, once)", d.dashboard)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.hookURL = "http://" + listener.Addr().String() + "/paybell"
	d.shop = shop.New(d.hookURL, client.ID, secret)
	d.shopHTTP = &http.Server{Handler: d.shop, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = d.shopHTTP.Serve(listener) }()
	d.done("Shop", "the merchant's own server, listening on %s", d.hookURL)
	return nil
}

func (d *demo) close() error {
	var err error
	if d.app != nil {
		err = d.app.close()
	}
	if d.shopHTTP != nil {
		err = errors.Join(err, d.shopHTTP.Close())
	}
	if d.btcd != nil {
		d.btcd.node.Close()
	}
	if d.temp != "" {
		err = errors.Join(err, os.RemoveAll(d.temp))
	}
	return err
}

// play is the seed's flowchart, step by step.
func (d *demo) play(ctx context.Context) error {
	var hook struct{ ID string }
	err := d.call(ctx, "Webhook", "tell the shop of everything that happens to invoices",
		http.MethodPost, "/api/v1/merchant/clients/"+d.clientID+"/webhooks",
		`{"notificationsUrl":"`+d.hookURL+`","notifications":["invoiceCreated","invoicePending","invoicePaid","invoiceCompleted","invoiceCancelled"]}`, &hook)
	if err != nil {
		return err
	}
	coin := "LTCT"
	if d.btcd != nil {
		coin = "BTC"
		if err := d.receive(ctx); err != nil {
			return err
		}
	}
	var created struct{ Invoices []struct{ ID string } }
	err = d.call(ctx, "Invoice", "10.00 USD for a bag of coffee", http.MethodPost, "/api/v2/merchant/invoices",
		`{"currency":"USD","invoiceId":"0067","items":[{"name":"A bag of coffee","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],`+
			`"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"},"customData":{"table":"7"}}`, &created)
	if err != nil {
		return err
	}
	if len(created.Invoices) != 1 {
		return fmt.Errorf("the answer holds %d invoices, not one", len(created.Invoices))
	}
	id := created.Invoices[0].ID
	if err := d.hear(ctx, id, paybell.InvoiceCreated, "it exists, nobody has paid"); err != nil {
		return err
	}
	var pick struct {
		Amount    struct{ DisplayValue string }
		Addresses struct{ Address string }
	}
	if err := d.call(ctx, "Buyer", "chooses to pay with "+coin, http.MethodGet,
		"/api/v1/invoices/"+id+"/payment-currencies/"+coin, "", &pick); err != nil {
		return err
	}
	amount := strings.TrimSuffix(pick.Amount.DisplayValue, " "+coin)
	d.note("%s %s to %s", amount, coin, pick.Addresses.Address)
	if err := d.hear(ctx, id, paybell.InvoicePending, "address, amount and rate are locked"); err != nil {
		return err
	}
	if err := d.pay(ctx, id, pick.Addresses.Address, amount); err != nil {
		return err
	}
	if err := d.hear(ctx, id, paybell.InvoicePaid, "all of it is seen, not yet confirmed"); err != nil {
		return err
	}
	if err := d.mine(ctx); err != nil {
		return err
	}
	if err := d.hear(ctx, id, paybell.InvoiceCompleted, "confirmed: the money may be used"); err != nil {
		return err
	}
	d.finale("Four notifications, in order, each signed twice and verified by code that shares nothing with the sender.")
	return nil
}

// pay is the buyer paying.
func (d *demo) pay(ctx context.Context, invoiceID, address, amount string) error {
	if d.btcd == nil {
		return d.call(ctx, "Buyer", "pays into the merchant's own wallet, on the sandbox chain", http.MethodPost,
			"/api/v1/sandbox/invoices/"+invoiceID+"/pay", `{}`, nil)
	}
	d.begin("Buyer", "pays into the merchant's own wallet, from a wallet that Paybell knows nothing of")
	txID, err := d.btcd.pay(ctx, address, amount)
	if err != nil {
		return d.failed(err)
	}
	d.note("transaction %s, in the node's mempool", txID)
	return nil
}

// mine is the chain confirming it.
func (d *demo) mine(ctx context.Context) error {
	if d.btcd == nil {
		return d.call(ctx, "Chain", "mines three blocks on top of it", http.MethodPost, "/api/v1/sandbox/mine", `{"blocks":3}`, nil)
	}
	d.begin("Chain", "a miner finds two blocks")
	if _, err := d.btcd.node.Mine(ctx, 2); err != nil {
		return d.failed(err)
	}
	return nil
}

// call makes one signed request and shows it.
func (d *demo) call(ctx context.Context, who, what, method, path, body string, into any) error {
	d.begin(who, what)
	url := d.app.url + path
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	stamp := paybell.FormatTimestamp(time.Now())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(paybell.HeaderClient, d.clientID)
	req.Header.Set(paybell.HeaderTimestamp, stamp)
	req.Header.Set(paybell.HeaderSignature, paybell.SignRequest(d.secret, method, url, d.clientID, stamp, []byte(body)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return d.failed(err)
	}
	defer resp.Body.Close() // read to its end below
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return d.failed(err)
	}
	d.request(method, strings.ReplaceAll(path, d.clientID, "{client}"), resp.StatusCode)
	if resp.StatusCode > 299 {
		return d.failed(fmt.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, bytes.TrimSpace(answer)))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// hear waits for the next notification at the shop, which must be this one.
func (d *demo) hear(ctx context.Context, invoiceID string, want paybell.Event, meaning string) error {
	timer := time.NewTimer(stepTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return d.failed(fmt.Errorf("%s did not come within %v", want.Wire(0), stepTime))
	case e := <-d.shop.Events():
		switch {
		case e.Err != nil:
			return d.failed(fmt.Errorf("the shop does not trust a notification: %w", e.Err))
		case e.Type != want.Wire(0) || e.InvoiceID != invoiceID:
			return d.failed(fmt.Errorf("the shop got %s of %s, it should be %s of %s", e.Type, e.InvoiceID, want.Wire(0), invoiceID))
		}
		d.ring(e.Type, e.Sequence, meaning, e.At)
		return nil
	}
}

// handOver leaves the stage to the person: the server goes on, and what rings
// is shown.
func (d *demo) handOver(ctx context.Context) {
	d.say("The server goes on until Ctrl-C. Look at all of it in the dashboard:\n\n  %s\n\nThe client, to play with:\n\n  client id      %s\n  client secret  %s\n  base URL       %s\n\nWhat rings at the shop is shown here.\n",
		d.dashboard, d.clientID, d.secret, d.app.url)
	for {
		select {
		case <-ctx.Done():
			d.say("\nBye.")
			return
		case e := <-d.shop.Events():
			if e.Err != nil {
				d.say("  ✗ not trusted: %v", e.Err)
				continue
			}
			d.ring(e.Type, e.Sequence, e.InvoiceID, time.Time{})
		}
	}
}
