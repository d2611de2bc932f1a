// Package watch brings what chains say to invoices: money that came, went,
// was confirmed, and time that is up.
package watch

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Chain is one network as a watcher sees it.
type Chain interface {
	// Network names it; it never changes.
	Network() string
	// Scan returns what happened after the cursor ("" is the beginning), and the
	// present state of those open transfers that are no longer as given. When it
	// returns no More, the chain was completely looked at since the call began: what
	// is not in the batch was not there. Transfers that pay nobody of ours are
	// welcome; they are dropped inside the transaction that moves the cursor. An error
	// says in plain words what is wrong with the chain or its node; people read it.
	Scan(ctx context.Context, cursor string, watch paybell.Watch) (paybell.Batch, error)
}

// Watcher moves one network's cursor. Any number of processes may watch the
// same network: the cursor is moved by compare-and-set, the slower one looks
// again. It is a loop.Stepper.
type Watcher struct {
	DB    *store.DB
	Chain Chain
	Every time.Duration // between looks when nobody pokes

	// scanned is when this process last looked at the whole chain. It saves
	// writing most idle looks to disk, and is never later than what a look proved.
	scanned time.Time
	trouble string // what was last noted of it
}

// Heartbeat is how often a look that found nothing is written down all the same:
// whoever asks, in whichever process, sees that the network is being watched.
const Heartbeat = 30 * time.Second

// chunk bounds how many invoices share a transaction, so that a block which
// pays thousands never holds up the others' writes for long.
const chunk = 100

// errOvertaken means that another process moved the cursor first.
var errOvertaken = errors.New("another watcher was faster")

// position is where a step starts from.
type position struct {
	cursor  store.Cursor
	open    []paybell.Transfer
	scanned map[string]time.Time // all networks
	due     time.Time            // the first timer of this network
}

// Step looks at the chain once. A crash at any point leaves the cursor at or
// before what was written; the next look finds the same again, and recording
// it twice changes nothing.
func (w *Watcher) Step(ctx context.Context) (time.Duration, error) {
	network := w.Chain.Network()
	from, err := store.View(ctx, w.DB, func(tx *store.Tx) (p position, err error) {
		return p, errors.Join(set(&p.cursor)(tx.Cursor(network)), set(&p.open)(tx.OpenTransfers(network)),
			set(&p.scanned)(tx.Scanned()), set(&p.due)(tx.NextTimer(network)))
	})
	if err != nil {
		return 0, err
	}
	at := now()
	batch, err := w.Chain.Scan(ctx, from.cursor.Position, w.watch(ctx, from.open))
	if err != nil {
		return 0, errors.Join(err, w.note(ctx, from.cursor, err, at))
	}
	due := !from.due.IsZero() && !from.due.After(at)
	if len(batch.Transfers) > 0 || batch.Cursor != from.cursor.Position || due || from.cursor.Trouble != "" || at.Sub(from.cursor.ScannedAt) >= Heartbeat {
		err := w.record(ctx, from, batch, at)
		if errors.Is(err, errOvertaken) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
	if batch.More {
		return 0, nil
	}
	w.scanned = at
	if due {
		return 0, nil // perhaps more are due
	}
	if from.due.IsZero() {
		return w.Every, nil
	}
	return min(w.Every, time.Until(from.due)), nil
}

// watch is what the chain is asked to look after.
func (w *Watcher) watch(ctx context.Context, open []paybell.Transfer) paybell.Watch {
	network := w.Chain.Network()
	return paybell.Watch{
		Open: open,
		Ours: func(addresses []string) ([]string, error) {
			return store.View(ctx, w.DB, func(tx *store.Tx) ([]string, error) { return tx.PaidTo(network, addresses) })
		},
		DecidedAbove: func(height int64) ([]paybell.Transfer, error) {
			return store.View(ctx, w.DB, func(tx *store.Tx) ([]paybell.Transfer, error) { return tx.DecidedAbove(network, height) })
		},
	}
}

// note writes down why the chain cannot be looked at, once for each reason, and again
// when another process could look at it meanwhile.
func (w *Watcher) note(ctx context.Context, c store.Cursor, trouble error, at time.Time) error {
	if trouble.Error() == w.trouble && c.Trouble != "" || ctx.Err() != nil {
		return nil
	}
	err := store.Do(ctx, w.DB, func(tx *store.Tx) error {
		return tx.NoteTrouble(c.Network, trouble.Error(), errors.Is(trouble, paybell.ErrHalted), at)
	})
	if err == nil {
		w.trouble = trouble.Error()
	}
	return err
}

// record writes a batch in chunks. Only the last one moves the cursor on; the
// others hold it where it is, so that an overtaken watcher stops at once.
func (w *Watcher) record(ctx context.Context, from position, batch paybell.Batch, at time.Time) error {
	absent := from.cursor.ScannedAt
	if w.scanned.After(absent) {
		absent = w.scanned
	}
	for i, t := range batch.Transfers {
		t.SeenAt, t.AbsentAt = at, absent
		batch.Transfers[i] = t
	}
	cursor := from.cursor
	for part := range chunks(batch.Transfers) {
		err := store.Do(ctx, w.DB, func(tx *store.Tx) error {
			if err := move(tx, cursor, cursor); err != nil {
				return err
			}
			return credit(tx, part, from.scanned, at)
		})
		if err != nil {
			return err
		}
		cursor.Version++
	}
	next := cursor
	next.Position, next.Height, next.Trouble = batch.Cursor, batch.Height, ""
	if batch.More {
		return store.Do(ctx, w.DB, func(tx *store.Tx) error { return move(tx, cursor, next) })
	}
	next.ScannedAt = at
	from.scanned[cursor.Network] = at
	return store.Do(ctx, w.DB, func(tx *store.Tx) error {
		if err := move(tx, cursor, next); err != nil {
			return err
		}
		if next.Height > cursor.Height {
			if err := tx.ForgetRaw(cursor.Network, next.Height-paybell.MaxReorg); err != nil {
				return err
			}
		}
		if !absent.IsZero() && at.Sub(absent) >= Outage {
			if err := tx.Extend(cursor.Network, absent, at.Sub(absent)); err != nil {
				return err
			}
		}
		return expire(tx, cursor.Network, from.scanned, at)
	})
}

// chunks cuts transfers into parts. Those to one address are never parted: an invoice
// whose money was replaced is not told of half of that.
func chunks(transfers []paybell.Transfer) iter.Seq[[]paybell.Transfer] {
	transfers = slices.SortedStableFunc(slices.Values(transfers), func(a, b paybell.Transfer) int { return cmp.Compare(a.Address, b.Address) })
	return func(yield func([]paybell.Transfer) bool) {
		for rest := transfers; len(rest) > 0; {
			n := min(chunk, len(rest))
			for n < len(rest) && rest[n].Address == rest[n-1].Address {
				n++
			}
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Outage is how long a network may not be looked at before those who pay on it are
// given the time back: they could not see what became of their payment.
const Outage = 2 * time.Minute

func move(tx *store.Tx, from, to store.Cursor) error {
	moved, err := tx.MoveCursor(from, to)
	if err == nil && !moved {
		err = errOvertaken
	}
	return err
}

// credit records transfers that pay addresses of ours, and lets their invoices
// follow.
func credit(tx *store.Tx, transfers []paybell.Transfer, scanned map[string]time.Time, at time.Time) error {
	var touched []string
	for _, t := range transfers {
		invoiceID, p, ours, err := tx.PaymentAt(t.Network, t.Address)
		if err != nil {
			return err
		}
		if !ours || p.Currency != t.Asset {
			continue // not our address, or another coin on it, which is not money here
		}
		t.PaymentID = p.ID
		if t.Replaces != "" {
			if at, known, err := tx.AbsentAt(t.Network, t.Replaces, t.Address); err != nil {
				return err
			} else if known && at.Before(t.AbsentAt) {
				t.AbsentAt = at // the same money, in time if the first was
			}
		}
		if err := tx.RecordTransfer(invoiceID, t, settled(t, p)); err != nil {
			return err
		}
		if !slices.Contains(touched, invoiceID) {
			touched = append(touched, invoiceID)
		}
	}
	return followAll(tx, touched, scanned, at)
}

// settled reports whether a transfer needs no more looking after. The chain
// still reports it when it changes: a reorg is never missed.
func settled(t paybell.Transfer, p paybell.Payment) bool {
	switch t.Status {
	case paybell.Mined:
		return t.Confirmations >= p.CompletedAfter
	case paybell.Replaced:
		return t.Height > 0
	}
	return t.Amount.IsZero()
}

// followAll lets invoices follow. Who changes several takes them in one order, or two
// would wait for each other.
func followAll(tx *store.Tx, ids []string, scanned map[string]time.Time, at time.Time) error {
	for _, id := range slices.Sorted(slices.Values(ids)) {
		if _, err := follow(tx, id, scanned, at); err != nil {
			return err
		}
	}
	return nil
}

// follow lets an invoice go where its facts lead.
func follow(tx *store.Tx, id string, scanned map[string]time.Time, at time.Time) (changed bool, err error) {
	inv, err := tx.Invoice(id)
	if err != nil {
		return false, err
	}
	changes, err := inv.Next(paybell.Input{Scanned: scanned}, at)
	if err != nil || len(changes) > 0 {
		return true, errors.Join(err, tx.Apply(changes...))
	}
	dueAt, network := inv.NextDue(scanned)
	return false, tx.SetTimer(id, dueAt, network)
}

// expire lets those invoices follow whose time has come.
func expire(tx *store.Tx, network string, scanned map[string]time.Time, at time.Time) error {
	due, err := tx.Due(network, at, chunk)
	if err != nil {
		return err
	}
	return followAll(tx, due, scanned, at)
}

// Rescan sets a network back, so that its watcher looks again at all that came
// after position, which is the chain's own. What is not found again is no longer
// mined. It may be called beside a running watcher.
func Rescan(ctx context.Context, db *store.DB, network, position string, height int64) error {
	for {
		err := store.Do(ctx, db, func(tx *store.Tx) error {
			from, err := tx.Cursor(network)
			if err != nil {
				return err
			}
			to := from
			to.Position, to.Height = position, height
			if err := move(tx, from, to); err != nil || from.Trouble == "" {
				return err
			}
			return tx.NoteTrouble(network, from.Trouble, false, from.TroubleSince) // this did not end it
		})
		if !errors.Is(err, errOvertaken) {
			return err
		}
	}
}

// Timers ends what waits for no network: invoices without a payment. It is a
// loop.Stepper.
type Timers struct {
	DB    *store.DB
	Every time.Duration
}

// Step expires what is due.
func (t *Timers) Step(ctx context.Context) (time.Duration, error) {
	at := now()
	next, err := store.View(ctx, t.DB, func(tx *store.Tx) (time.Time, error) { return tx.NextTimer("") })
	if err != nil {
		return 0, err
	}
	if next.IsZero() || next.After(at) {
		return t.Every, nil
	}
	return 0, store.Do(ctx, t.DB, func(tx *store.Tx) error {
		scanned, err := tx.Scanned()
		if err != nil {
			return err
		}
		return expire(tx, "", scanned, at)
	})
}

// now is the present at the precision that the store keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// set puts a result where p points and passes the error on.
func set[T any](p *T) func(T, error) error {
	return func(v T, err error) error {
		*p = v
		return err
	}
}
