package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// FindDelivery is ExplainDelivery for the delivery with a number, with its body.
func (d *Desk) FindDelivery(ctx context.Context, a Actor, clientID, webhookID string, number int64) (DeliveryStory, error) {
	id, err := store.View(ctx, d.DB, func(tx *store.Tx) (string, error) {
		w, err := a.hook(tx, clientID, webhookID, paybell.PullNotifications)
		if err != nil {
			return "", err
		}
		found, err := tx.Deliveries(w.ID, number-1, 1)
		if err == nil && (len(found) == 0 || found[0].Number != number) {
			err = paybell.Errorf(paybell.NotFound, "the webhook has no notification number %d, or not any more", number)
		}
		if err != nil {
			return "", err
		}
		return found[0].NotificationID, nil
	})
	if err != nil {
		return DeliveryStory{}, err
	}
	s, err := d.ExplainDelivery(ctx, a, clientID, webhookID, id)
	if err == nil && s.Delivery == nil {
		err = paybell.Errorf(paybell.NotFound, "this notification was deleted just now: it is older than what is kept")
	}
	return s, err
}
