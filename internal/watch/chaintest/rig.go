package chaintest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
	"github.com/paybell/paybell/internal/watch"
)

// rig is one scenario: a world, a store with a merchant, and a watcher between them.
type rig[W World] struct {
	*testing.T
	world   W
	db      *store.DB
	shop    *storetest.Shop
	network string
	watcher *watch.Watcher
	first   int64             // height at which the scenario began
	names   map[string]string // of transactions in pictures: a, b, c ... in the order of their making
	bills   []*bill
}

// bill is an invoice with one open payment.
type bill struct {
	id, address string
	told        int // up to which version its events were wanted
}

func newRig[W World](t *testing.T, world W) *rig[W] {
	t.Helper()
	r := &rig[W]{T: t, world: world, names: map[string]string{}, first: world.Height()}
	dir := t.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	r.must(err)
	storetest.Blank(t, dir)
	r.db, err = store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	r.must(err)
	t.Cleanup(func() { _ = r.db.Close() })
	r.shop = storetest.NewShop(t, r.db)
	r.restart()
	r.network = r.watcher.Chain.Network()
	r.look()
	return r
}

func (r *rig[W]) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig[W]) do(body func(*store.Tx) error) {
	r.Helper()
	r.must(store.Do(context.WithoutCancel(r.Context()), r.db, body))
}

func view[T any, W World](r *rig[W], body func(*store.Tx) (T, error)) T {
	r.Helper()
	v, err := store.View(context.WithoutCancel(r.Context()), r.db, body)
	r.must(err)
	return v
}

// restart begins another process: it remembers nothing but the store.
func (r *rig[W]) restart() {
	r.watcher = &watch.Watcher{DB: r.db, Chain: r.world.Chain(), Every: time.Hour}
}

// look lets the watcher look until it has seen all that there is.
func (r *rig[W]) look() {
	r.Helper()
	r.must(r.tryLook())
}

func (r *rig[W]) tryLook() error { return settle(r.Context(), r.watcher) }

func settle(ctx context.Context, w *watch.Watcher) error {
	for range 10_000 {
		if wait, err := w.Step(ctx); err != nil || wait > 0 {
			return err
		}
	}
	return errors.New("the watcher never comes to rest")
}

// trouble looks, and is the reason why that is not possible, as it is noted.
func (r *rig[W]) trouble() string {
	r.Helper()
	err := r.tryLook()
	if err == nil {
		r.Fatal("the chain could be looked at")
	}
	noted := r.cursor().Trouble
	if noted == "" || !strings.Contains(err.Error(), noted) {
		r.Fatalf("noted: %q, said: %v", noted, err)
	}
	return noted
}

func (r *rig[W]) cursor() store.Cursor {
	r.Helper()
	return view(r, func(tx *store.Tx) (store.Cursor, error) { return tx.Cursor(r.network) })
}

// due is what invoices ask for.
const due = 100_000

// A draft may differ from the usual: paid when seen, completed with three
// confirmations, opened now for an hour.
type draft struct {
	paidAfter, completedAfter int
	address                   string
	ago, window               time.Duration // opened so long ago, and for so long
}

// bill makes an invoice of due with an open payment.
func (r *rig[W]) bill(edit ...func(*draft)) *bill {
	r.Helper()
	d := draft{completedAfter: 3, window: time.Hour}
	for _, f := range edit {
		f(&d)
	}
	if d.address == "" {
		d.address = r.world.Address()
	}
	at := time.Now().UTC().Truncate(time.Microsecond).Add(-d.ago)
	created := r.shop.NewInvoice(at)
	created.Invoice.Window, created.Invoice.Test = d.window, false
	inv := created.Invoice
	opened, err := inv.Next(paybell.Input{Do: paybell.Open{Payment: paybell.Payment{
		ID: paybell.NewUUID(at), Currency: r.world.Asset(), Network: r.network, Address: d.address, Due: paybell.NewUnits(due),
		PaidAfter: d.paidAfter, CompletedAfter: d.completedAfter, Rate: decimal.NewFromInt(1),
	}}}, at)
	r.must(err)
	r.do(func(tx *store.Tx) error { return errors.Join(tx.Apply(created), tx.Apply(opened...)) })
	b := &bill{id: inv.ID, address: d.address, told: opened[len(opened)-1].Invoice.Version}
	r.bills = append(r.bills, b)
	return b
}

func (r *rig[W]) invoice(b *bill) paybell.Invoice {
	r.Helper()
	return view(r, func(tx *store.Tx) (paybell.Invoice, error) { return tx.Invoice(b.id) })
}

// ask lets a person ask something of an invoice.
func (r *rig[W]) ask(b *bill, do paybell.Command) {
	r.Helper()
	r.do(func(tx *store.Tx) error {
		inv, err := tx.Invoice(b.id)
		if err != nil {
			return err
		}
		changes, err := inv.Next(paybell.Input{Do: do}, time.Now().UTC().Truncate(time.Microsecond))
		return errors.Join(err, tx.Apply(changes...))
	})
}

// timeIsUp ends the window of a bill's payment, and with lifetime that of the bill.
func (r *rig[W]) timeIsUp(b *bill, lifetime bool) {
	r.Helper()
	r.do(func(tx *store.Tx) error {
		inv, err := tx.Invoice(b.id)
		return errors.Join(err, tx.Hasten(inv, lifetime, time.Now().UTC().Truncate(time.Microsecond)))
	})
}

// name gives a transaction the next name in pictures.
func (r *rig[W]) name(id string) string {
	if r.names[id] == "" {
		r.names[id] = string(rune('a' + len(r.names)))
	}
	return id
}

func (r *rig[W]) pay(b *bill, amount uint64) string {
	return r.name(r.world.Pay(Output{b.address, amount}))
}

func (r *rig[W]) replace(id string, outputs ...Output) string {
	return r.name(r.world.Replace(id, outputs...))
}

// want compares a bill with a picture of it, and what was told of it since the last
// time. A picture is
//
//	STATE FLAGS SEEN/COUNTED/CONFIRMED/MISSING; TRANSFER; TRANSFER ...
//
// and events are names with spaces between.
func (r *rig[W]) want(b *bill, picture, events string) {
	r.Helper()
	inv := r.invoice(b)
	if got := r.picture(inv); got != picture {
		r.Errorf("the picture is\n\t%s\nand not\n\t%s", got, picture)
	}
	var told []string
	for _, n := range view(r, func(tx *store.Tx) ([]paybell.Notification, error) { return tx.History(b.id, b.told, 1000) }) {
		if b.told++; n.Version != b.told {
			r.Fatalf("version %d was told after %d", n.Version, b.told-1)
		}
		told = append(told, n.Event.Names()[0])
	}
	if got := strings.Join(told, " "); got != events {
		r.Errorf("told was %q and not %q", got, events)
	}
	if r.Failed() {
		r.FailNow()
	}
}

func (r *rig[W]) picture(inv paybell.Invoice) string {
	r.Helper()
	p := inv.Payments[0]
	m := inv.Money(p)
	if p.Seen != m.Seen || p.Counted != m.Counted {
		r.Errorf("told were %s seen and %s counted, and it is %s and %s", p.Seen, p.Counted, m.Seen, m.Counted)
	}
	text := string(inv.State)
	if flags := inv.Flags.Names(); len(flags) > 0 {
		text += " " + strings.Join(flags, ",")
	}
	text += fmt.Sprintf(" %s/%s/%s/%s", m.Seen, m.Counted, m.Confirmed, m.Missing)
	var all []string
	for _, t := range inv.Transfers {
		all = append(all, r.transfer(t, p))
	}
	slices.Sort(all)
	return strings.Join(append([]string{text}, all...), "; ")
}

// transfer is one in words, its confirmations as far as p asks for them. Its height is
// compared with that in the world, if that can be looked at.
func (r *rig[W]) transfer(t paybell.Transfer, p paybell.Payment) string {
	r.Helper()
	text := fmt.Sprintf("%s %s %s", r.names[t.TxID], t.Amount, t.Status)
	if t.Status == paybell.Mined {
		text += fmt.Sprintf(" x%d", min(t.Confirmations, p.CompletedAfter))
		if height := r.world.HeightOf(t.TxID); t.Height != height && r.cursor().Trouble == "" {
			r.Errorf("%s is said to be in block %d, and is in %d", r.names[t.TxID], t.Height, height)
		}
	} else if t.Confirmations != 0 {
		r.Errorf("%s is %s and has %d confirmations", r.names[t.TxID], t.Status, t.Confirmations)
	}
	if t.Status == paybell.Replaced && t.Height > 0 {
		text += " for good"
	}
	if t.Reorged {
		text += " reorged"
	}
	if t.Replaces != "" {
		text += " replaces " + r.names[t.Replaces]
	}
	return text
}

// stands compares everything with what somebody finds who looks for the first time:
// at what came after the cursor nothing, and at all blocks of the scenario the same.
func (r *rig[W]) stands(again bool) {
	r.Helper()
	before := r.all()
	open := view(r, func(tx *store.Tx) ([]paybell.Transfer, error) { return tx.OpenTransfers(r.network) })
	batch, err := r.world.Chain().Scan(r.Context(), r.cursor().Position, paybell.Watch{
		Open: open,
		Ours: func(addresses []string) ([]string, error) {
			return store.View(r.Context(), r.db, func(tx *store.Tx) ([]string, error) { return tx.PaidTo(r.network, addresses) })
		},
		DecidedAbove: func(height int64) ([]paybell.Transfer, error) {
			return store.View(r.Context(), r.db, func(tx *store.Tx) ([]paybell.Transfer, error) { return tx.DecidedAbove(r.network, height) })
		},
	})
	if err != nil || batch.More || len(batch.Transfers) > 0 {
		r.Errorf("a new process finds %+v (more: %t), %v", batch.Transfers, batch.More, err)
	}
	if !again {
		return
	}
	r.must(watch.Rescan(r.Context(), r.db, r.network, r.world.From(r.first), r.first))
	r.restart()
	r.look()
	if after := r.all(); after != before {
		r.Errorf("after all was looked at again there is\n%s\nand there was\n%s", after, before)
	}
}

// all is the picture of every bill, with what it was told.
func (r *rig[W]) all() string {
	r.Helper()
	var text strings.Builder
	for _, b := range r.bills {
		inv := r.invoice(b)
		fmt.Fprintf(&text, "%d: %s\n", inv.Version, r.picture(inv))
	}
	return text.String()
}
