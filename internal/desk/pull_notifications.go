package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// MaxPull is how many notifications a page of pulled ones has at most.
const MaxPull = 100

// PullNotifications reads what a webhook is told, after a number, in order: all
// that it was told, whether it was delivered, waits or is held. The bytes are those
// that are pushed.
func (d *Desk) PullNotifications(ctx context.Context, a Actor, clientID, webhookID string, after paybell.SequenceNumber, limit int) ([]paybell.Delivery, error) {
	if limit < 1 || limit > MaxPull {
		return nil, paybell.InvalidField("limit", "must be 1 to %d", MaxPull)
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Delivery, error) {
		w, err := a.hook(tx, clientID, webhookID, paybell.PullNotifications)
		if err != nil {
			return nil, err
		}
		if after.N > 0 && after.Epoch != tx.Epoch() {
			return nil, errEpoch(after, tx.Epoch())
		}
		return tx.Deliveries(w.ID, after.N, limit)
	})
}

func errEpoch(n paybell.SequenceNumber, epoch int64) error {
	return paybell.Errorf(paybell.Conflict, "number %v is of another epoch than this server's, which is %d: a backup was restored, and the numbers have begun anew; "+
		"begin at 0 and drop what you know by its id", n, epoch)
}
