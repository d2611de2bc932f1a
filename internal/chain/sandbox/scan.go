package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/paybell/paybell"
)

// Scan returns, whole and as they are now, each once: the transfers that an
// operation after the cursor made or moved, in the order of their last change;
// then those of open that are not what they are given as. A block on top of a
// transfer only changes its confirmations and does not move it, so a transfer
// whose confirmations still matter must be open. There is one ledger for each
// merchant; Height is that of the longest.
//
// The cursor is the number of the last entry folded, "" the beginning. It comes
// back unchanged when the journal has nothing new.
func (c *Chain) Scan(ctx context.Context, cursor string, watch paybell.Watch) (paybell.Batch, error) {
	after, err := parseCursor(cursor)
	if err != nil {
		return paybell.Batch{}, err
	}
	if err := c.catchUp(ctx, newest); err != nil {
		return paybell.Batch{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if after > c.book.last {
		return paybell.Batch{}, fmt.Errorf("sandbox: the cursor is at entry %d and the journal ends at %d: entries were lost", after, c.book.last)
	}
	batch := paybell.Batch{Cursor: cursor, Height: c.book.height(""), Transfers: c.book.touchedAfter(after)}
	if c.book.last > after {
		batch.Cursor = strconv.FormatInt(c.book.last, 10)
	}
	batch.Transfers = append(batch.Transfers, c.book.outdated(watch.Open, after)...)
	return batch, nil
}

// parseCursor reads exactly what Scan writes.
func parseCursor(cursor string) (after int64, err error) {
	if cursor == "" {
		return 0, nil
	}
	after, err = strconv.ParseInt(cursor, 10, 64)
	if err != nil || after < 0 || strconv.FormatInt(after, 10) != cursor {
		return 0, fmt.Errorf("sandbox: %.40q is not a cursor of this chain", cursor)
	}
	return after, nil
}

// touchedAfter is what the entries after the given one touched. It costs as
// much as it returns.
func (b *book) touchedAfter(after int64) []paybell.Transfer {
	var out []paybell.Transfer
	for e := b.changed.Back(); e != nil && e.Value.(*tx).touched > after; e = e.Prev() {
		out = append(out, e.Value.(*tx).transfer())
	}
	slices.Reverse(out)
	return out
}

// outdated is what has become of those transfers in open that changed, without
// what touchedAfter returns anyway. Those that the chain does not know are left
// out.
func (b *book) outdated(open []paybell.Transfer, after int64) []paybell.Transfer {
	var out []paybell.Transfer
	for _, given := range open {
		t, ok := b.txs[given.TxID]
		if !ok || given.Index != 0 || t.elsewhere || t.touched > after {
			continue
		}
		now := t.transfer()
		if now.Status != given.Status || now.Confirmations != given.Confirmations || now.Reorged != given.Reorged || now.Height != given.Height {
			out = append(out, now)
		}
	}
	return out
}
