package storetest

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var clientTests = map[string]func(*testing.T, *store.DB){
	"Client/RoundTrip":          testClient,
	"Client/List":               testClients,
	"Client/Update":             testUpdateClient,
	"Client/UpdateAtOnce":       testUpdateAtOnce,
	"Client/Delete":             testDeleteClient,
	"Client/DeleteWhileTelling": testDeleteWhileTelling,
	"Client/DeletedIsMute":      testDeletedIsMute,
	"Secret/OfAClient":          testSecret,
	"Secret/Rotate":             testRotateSecret,
	"Secret/RotateAtOnce":       testRotateAtOnce,
	"Secret/RotateByABadClock":  testRotateByABadClock,
	"Secret/RotateDeleted":      testRotateDeleted,
	"Secret/Forget":             testForgetSecrets,
}

// sampleClient has every field.
func (s *Shop) sampleClient() paybell.Client {
	return paybell.Client{
		ID: paybell.NewClientID(), MerchantID: s.Merchant.ID, Name: "café", Integration: "woocommerce", URL: "https://shop.example.com/?a=1&b='",
		State: paybell.ClientDisabled, Permissions: paybell.AllPermissions, EventNames: paybell.CamelCase, CreatedAt: after(1),
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::1/128")},
		Terms:      paybell.Terms{Window: 90 * time.Minute, Lifetime: 48 * time.Hour, Tolerance: 125, AcceptLate: true},
	}
}

func client(t testing.TB, db *store.DB, id string) paybell.Client {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (paybell.Client, error) { return tx.Client(id) })
}

func secrets(t testing.TB, db *store.DB, id string, at time.Time) []string {
	t.Helper()
	return paybell.SecretTexts(view(t, db, func(tx *store.Tx) ([]paybell.Secret, error) { return tx.Secrets(id, at) }))
}

func testClient(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	c := s.sampleClient()
	requireSet(t, c)
	plain := paybell.Client{ID: paybell.NewClientID(), MerchantID: s.Merchant.ID, State: paybell.ClientActive, CreatedAt: t0}
	for _, want := range []paybell.Client{c, plain} {
		do(t, db, func(tx *store.Tx) error { return tx.CreateClient(want, "secret") })
		wantSame(t, "client", client(t, db, want.ID), want)
	}
	_, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Client, error) { return tx.Client(paybell.NewClientID()) })
	wantCode(t, err, paybell.NotFound)

	c.ID, c.MerchantID = paybell.NewClientID(), paybell.NewUUID(t0)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateClient(c, "secret") }); err == nil {
		t.Error("a client was made for a merchant that does not exist")
	}
}

func testClients(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	list := func(merchantID string) []paybell.Client {
		return view(t, db, func(tx *store.Tx) ([]paybell.Client, error) { return tx.Clients(merchantID) })
	}
	want := []paybell.Client{s.Client}
	for i := range 4 {
		c := s.sampleClient()
		c.CreatedAt = after(1 + i/2) // two at each moment
		want = append(want, c)
	}
	slices.SortFunc(want[1:3], func(a, b paybell.Client) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(want[3:], func(a, b paybell.Client) int { return cmp.Compare(a.ID, b.ID) })
	deleted := s.sampleClient()
	for _, c := range []paybell.Client{want[4], want[2], deleted, want[1], want[3]} {
		do(t, db, func(tx *store.Tx) error { return tx.CreateClient(c, "secret") })
	}
	do(t, db, func(tx *store.Tx) error { return tx.DeleteClient(deleted.ID, after(9)) })

	wantSame(t, "the merchant's, oldest first", list(s.Merchant.ID), want)
	wantSame(t, "the other merchant's", list(other.Merchant.ID), []paybell.Client{other.Client})
	wantSame(t, "nobody's", list(paybell.NewUUID(t0)), []paybell.Client(nil))
}

// What can change changes, and nothing else, of nobody else.
func testUpdateClient(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	first, bystander := s.sampleClient(), s.newClient(t)
	do(t, db, func(tx *store.Tx) error { return tx.CreateClient(first, "secret") })
	changed := paybell.Client{
		Name: "Kiosk", Integration: "magento", URL: "https://b.example", State: paybell.ClientActive, Permissions: paybell.CreateInvoice,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, EventNames: 0, Terms: paybell.Terms{Window: 1, Lifetime: 2, Tolerance: 3},
	}
	cleared := paybell.Client{State: paybell.ClientActive}
	for _, c := range []paybell.Client{changed, cleared, first, changed} {
		want := first
		want.Name, want.Integration, want.URL, want.State = c.Name, c.Integration, c.URL, c.State
		want.Permissions, want.AllowedIPs, want.EventNames = c.Permissions, c.AllowedIPs, c.EventNames
		c.ID, c.MerchantID, c.CreatedAt = first.ID, other.Merchant.ID, after(7)
		do(t, db, func(tx *store.Tx) error { return tx.UpdateClient(c) })
		wantSame(t, "the client", client(t, db, first.ID), want)
	}
	wantSame(t, "another client", client(t, db, bystander.ID), bystander)
	wantSame(t, "the secrets", secrets(t, db, first.ID, t0), []string{"secret"})

	deleted := s.newClient(t)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteClient(deleted.ID, after(1)) })
	gone := client(t, db, deleted.ID)
	changed.ID = paybell.NewClientID()
	for _, c := range []paybell.Client{changed, deleted} {
		wantCode(t, store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.UpdateClient(c) }), paybell.NotFound)
	}
	wantSame(t, "a deleted client", client(t, db, deleted.ID), gone)
}

// Of those that change a client at once none undoes what another did.
func testUpdateAtOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	c := s.sampleClient()
	c.Permissions = 0
	do(t, db, func(tx *store.Tx) error { return tx.CreateClient(c, "secret") })
	const goroutines = 8
	if err := atOnce(goroutines, func(i int) error {
		return store.Do(context.Background(), db, func(tx *store.Tx) error {
			c, err := tx.ClientForUpdate(c.ID)
			if err != nil {
				return err
			}
			c.Permissions |= 1 << i
			return tx.UpdateClient(c)
		})
	}); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "the client", update(t, db, func(tx *store.Tx) (paybell.Client, error) { return tx.ClientForUpdate(c.ID) }), client(t, db, c.ID))
	err := store.Do(context.Background(), db, func(tx *store.Tx) error { _, err := tx.ClientForUpdate(paybell.NewClientID()); return err })
	wantCode(t, err, paybell.NotFound)
	if got := client(t, db, c.ID).Permissions; got != 1<<goroutines-1 {
		t.Errorf("%d permissions were given at once, %d are there", goroutines, len(got.Names()))
	}
}

// A deleted client is there, without its secrets and webhooks; what waits for it
// is over as soon as it comes to its turn, and its invoices live on without a
// word.
func testDeleteClient(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	sister := *s
	sister.Client = s.newClient(t)
	const origin = "https://a.example:443"
	theirs := sister.hook(t, "https://a.example/theirs")
	paused, ofInvoice := s.Webhook("https://a.example/paused"), s.Webhook("https://a.example/invoice")
	created := s.NewInvoice(t0)
	paused.State, ofInvoice.InvoiceID = paybell.WebhookPaused, created.Invoice.ID
	hooks := []paybell.Webhook{s.hook(t, "https://a.example/1"), paused, ofInvoice}
	s.createHooks(t, paused, ofInvoice)

	s.apply(t, created)
	inv := s.tell(t, created.Invoice, 2)
	quiet := s.create(t, t0)
	sister.tell(t, sister.create(t, t0), 1)
	s.record(t, after(5), tried(s.delivery(t, hooks[0].ID, 1), "", t0), tried(s.delivery(t, ofInvoice.ID, 1), "refused", t0))
	flying := s.delivery(t, hooks[0].ID, 2) // an attempt that is on the wire
	do(t, db, func(tx *store.Tx) error { return tx.RotateSecret(s.Client.ID, "another", after(6), after(1000)) })
	theirSecrets, theirDeliveries := secrets(t, db, sister.Client.ID, t0), s.deliveries(t, theirs.ID)

	gone := client(t, db, s.Client.ID)
	gone.State = paybell.ClientDeleted
	do(t, db, func(tx *store.Tx) error { return tx.DeleteClient(s.Client.ID, after(50)) })
	for _, id := range []string{s.Client.ID, paybell.NewClientID()} {
		wantCode(t, store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.DeleteClient(id, after(51)) }), paybell.NotFound)
	}
	wantSame(t, "the client", client(t, db, s.Client.ID), gone)
	wantSame(t, "its secrets", secrets(t, db, s.Client.ID, after(7)), []string{})
	wantSame(t, "its invoice", s.invoice(t, inv.ID), inv)
	if all := view(t, db, func(tx *store.Tx) ([]paybell.Invoice, error) {
		return tx.Invoices(store.InvoiceFilter{MerchantID: s.Merchant.ID, ClientID: s.Client.ID, Limit: 10})
	}); len(all) != 2 {
		t.Errorf("%d of its 2 invoices are listed", len(all))
	}

	const ended, delivered, held = paybell.Exhausted, paybell.Delivered, paybell.Held
	want := [][]paybell.DeliveryState{{delivered, delivered, ended, ended}, {held, held, held, held}, {delivered, ended, ended}}
	check := func(when string) {
		t.Helper()
		for i, w := range hooks {
			wantNoWebhook(t, db, s.Client.ID, w.ID)
			var states []paybell.DeliveryState
			got := s.deliveries(t, w.ID)
			wantSound(t, got)
			for _, d := range got {
				states = append(states, d.State)
			}
			wantSame(t, fmt.Sprint(when, ": the deliveries of webhook ", i), states, want[i])
		}
		if n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); n != int64(len(theirDeliveries)) {
			t.Errorf("%s: %d are undelivered, %d of them another client's", when, n, len(theirDeliveries))
		}
	}
	// What was on the wire counts, and what comes to its turn then is over.
	s.record(t, after(60), tried(flying, "", after(49)), tried(s.delivery(t, ofInvoice.ID, 1), "", after(49)))
	if n := s.settle(t, origin, after(61)); n != 3 { // a lane of two webhooks each, and the other invoice's
		t.Errorf("%d heads were due to a deleted client", n)
	}
	check("after the end")
	due := view(t, db, func(tx *store.Tx) (map[store.Endpoint]time.Time, error) { return tx.DueEndpoints() })
	if _, rings := due[store.Endpoint{ClientID: s.Client.ID, Origin: origin}]; rings || len(due) != 1 {
		t.Errorf("endpoints are due: %v", due)
	}
	if heads := s.due(t, origin, after(1_000_000), 10); len(heads) != 0 {
		t.Errorf("%d deliveries are due to a deleted client", len(heads))
	}
	s.tell(t, inv, 1)
	s.tell(t, quiet, 1)
	check("after more changes")

	wantSame(t, "another client", client(t, db, sister.Client.ID), sister.Client)
	wantSame(t, "its secrets", secrets(t, db, sister.Client.ID, t0), theirSecrets)
	wantSame(t, "its deliveries", s.deliveries(t, theirs.ID), theirDeliveries)
	wantSame(t, "its webhook", sister.webhook(t, theirs.ID), theirs)
}

// Whatever is being told while a client is deleted, what was told before waits
// where it comes to its turn and is over then, and nothing is told later.
func testDeleteWhileTelling(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	for round := range 4 {
		shop := *s
		shop.Client = s.newClient(t)
		var hooks []paybell.Webhook
		for i := range 8 {
			hooks = append(hooks, shop.hook(t, fmt.Sprint("https://a.example/", i)))
		}
		const tellers, changes = 4, 6
		if err := atOnce(tellers+1, func(i int) error {
			for c := shop.NewInvoice(t0); c.Invoice.Version <= changes; c = flagged(c.Invoice, t0) {
				if i == tellers && c.Invoice.Version == 1+round {
					return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.DeleteClient(shop.Client.ID, after(1)) })
				}
				if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(c) }); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		shop.settle(t, hooks[0].Origin, after(2))
		for _, w := range hooks {
			got := shop.deliveries(t, w.ID)
			wantSound(t, got)
			if len(got) != len(shop.deliveries(t, hooks[0].ID)) {
				t.Errorf("one webhook was told of %d changes, another of %d", len(got), len(shop.deliveries(t, hooks[0].ID)))
			}
		}
		if n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); n != 0 {
			t.Fatalf("%d deliveries to a deleted client are pending", n)
		}
	}
}

// Whoever knew the client a moment ago may come late with a webhook: refused or
// not, it never rings.
func testDeletedIsMute(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv := s.create(t, t0)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteClient(s.Client.ID, after(1)) })
	late := s.Webhook("https://a.example/late")
	_ = store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateWebhook(late) })
	created := s.NewInvoice(after(2))
	ofInvoice := s.Webhook("https://a.example/invoice")
	ofInvoice.InvoiceID = created.Invoice.ID
	_ = store.Do(context.Background(), db, func(tx *store.Tx) error {
		if err := tx.CreateWebhook(ofInvoice); err != nil {
			return err
		}
		return tx.Apply(created)
	})
	s.tell(t, inv, 1)
	for _, w := range []paybell.Webhook{late, ofInvoice} {
		for _, d := range s.deliveries(t, w.ID) {
			if d.State == paybell.DeliveryPending {
				t.Errorf("a deleted client is to be told of version %d at %s", versionOf(t, d), d.URL)
			}
		}
	}
}

func testSecret(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	c := s.Client
	c.ID = paybell.NewClientID()
	secret := paybell.NewClientSecret()
	do(t, db, func(tx *store.Tx) error { return tx.CreateClient(c, secret) })
	for _, at := range []time.Time{t0, after(1_000_000_000)} {
		wantSame(t, "secrets", secrets(t, db, c.ID, at), []string{secret})
	}
	wantSame(t, "secrets of nobody", secrets(t, db, "nobody", t0), []string{})
	if other := secrets(t, db, s.Client.ID, t0); len(other) != 1 || other[0] == secret {
		t.Error("another client has the same secret, or none")
	}
}

// rotation makes a client with the secret "0", and what gives it others.
func rotation(t *testing.T, db *store.DB) (s *Shop, id string, rotate func(secret string, now, until time.Time)) {
	t.Helper()
	s = NewShop(t, db)
	c := s.sampleClient()
	c.CreatedAt = t0
	do(t, db, func(tx *store.Tx) error { return tx.CreateClient(c, "0") })
	return s, c.ID, func(secret string, now, until time.Time) {
		t.Helper()
		do(t, db, func(tx *store.Tx) error { return tx.RotateSecret(c.ID, secret, now, until) })
	}
}

// While a rotation lasts both secrets are good, the new one first; there are
// never more than two, and without an overlap the old one is gone at once.
func testRotateSecret(t *testing.T, db *store.DB) {
	s, id, rotate := rotation(t, db)
	bystander := secrets(t, db, s.Client.ID, t0)
	want := func(at time.Time, all ...string) {
		t.Helper()
		wantSame(t, fmt.Sprint("secrets after ", at.Sub(t0)), secrets(t, db, id, at), all)
	}
	rotate("1", after(10), after(20))
	want(after(10), "1", "0")
	want(after(20).Add(-time.Microsecond), "1", "0")
	want(after(20), "1")
	want(after(1000), "1")

	rotate("2", after(30), after(60)) // three in a row
	rotate("3", after(31), after(50))
	rotate("4", after(32), after(40))
	want(after(32), "4", "3")
	want(after(40), "4")

	rotate("5", after(70), after(70)) // no overlap
	want(after(70), "5")
	want(after(69), "5") // the old one is gone, not only over
	rotate("6", after(80), after(75))
	want(after(74), "6")
	rotate("7", after(90), time.Time{})
	want(after(80), "7")
	rotate("8", after(100), after(200)) // no overlap while another lasts
	rotate("9", after(101), after(101))
	want(after(100), "9")

	wantSame(t, "another client's", secrets(t, db, s.Client.ID, after(33)), bystander)
}

// Of several that rotate at once each has its turn, whoever has read the clock
// first; the last one's secret is the current one.
func testRotateAtOnce(t *testing.T, db *store.DB) {
	const goroutines = 8
	for name, when := range map[string]func(i int) time.Time{
		"at different moments": func(i int) time.Time { return after(10 + i) },
		"at one moment":        func(int) time.Time { return after(10) },
	} {
		_, id, _ := rotation(t, db)
		if err := atOnce(goroutines, func(i int) error {
			return store.Do(context.Background(), db, func(tx *store.Tx) error {
				return tx.RotateSecret(id, fmt.Sprint("new ", i), when(i), after(100))
			})
		}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		both, current := secrets(t, db, id, after(50)), secrets(t, db, id, after(100))
		if len(both) != 2 || len(current) != 1 || both[0] != current[0] || both[1] == "0" || both[0] == both[1] {
			t.Errorf("%s: %d rotations made %q, later %q", name, goroutines, both, current)
		}
	}
}

// A clock may stand still or go backwards: what was given last is the current
// secret all the same.
func testRotateByABadClock(t *testing.T, db *store.DB) {
	for _, now := range []time.Time{t0, after(-10)} {
		_, id, _ := rotation(t, db)
		if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.RotateSecret(id, "1", now, after(100)) }); err != nil {
			t.Errorf("made at %v, rotated at %v: %v", t0, now, err)
			continue
		}
		wantSame(t, fmt.Sprint("secrets while both are good, rotated at ", now), secrets(t, db, id, after(1)), []string{"1", "0"})
		wantSame(t, "secrets later", secrets(t, db, id, after(100)), []string{"1"})
	}
}

// A client that is gone when its turn comes gets no secret.
func testRotateDeleted(t *testing.T, db *store.DB) {
	_, id, _ := rotation(t, db)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteClient(id, after(1)) })
	for name, id := range map[string]string{"deleted": id, "unknown": paybell.NewClientID()} {
		err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.RotateSecret(id, "late", after(2), after(3)) })
		if err == nil || paybell.CodeOf(err) != paybell.NotFound {
			t.Errorf("a client that is %s: %v, want NotFound", name, err)
		}
		wantSame(t, "secrets of a client that is "+name, secrets(t, db, id, after(2)), []string{})
	}
}

// Only what is over is forgotten, what is over longest first, and not more than
// one asks for.
func testForgetSecrets(t *testing.T, db *store.DB) {
	var ids []string
	for i, end := range []int{21, 20, 100} {
		_, id, rotate := rotation(t, db)
		rotate("1", after(10+i), after(end))
		ids = append(ids, id)
	}
	left := func() (all []string) {
		for _, id := range ids {
			all = append(all, fmt.Sprint(secrets(t, db, id, after(15)))) // when all were good
		}
		return all
	}
	for _, tt := range []struct {
		now   time.Time
		limit int
		n     int64
		left  []string
	}{
		{after(20).Add(-time.Microsecond), 10, 0, []string{"[1 0]", "[1 0]", "[1 0]"}},
		{after(21), 1, 1, []string{"[1 0]", "[1]", "[1 0]"}},
		{after(21), 10, 1, []string{"[1]", "[1]", "[1 0]"}},
		{after(21), 10, 0, []string{"[1]", "[1]", "[1 0]"}},
		{after(1000), 10, 1, []string{"[1]", "[1]", "[1]"}},
	} {
		n := update(t, db, func(tx *store.Tx) (int64, error) { return tx.ForgetSecrets(tt.now, tt.limit) })
		if got := left(); n != tt.n || !slices.Equal(got, tt.left) {
			t.Errorf("%v later %d were forgotten, at most %d: %v is left, want %v", tt.now.Sub(t0), n, tt.limit, got, tt.left)
		}
	}
}
