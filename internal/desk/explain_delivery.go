package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// DeliveryStory is all that is known of one notification and one webhook.
type DeliveryStory struct {
	Notification paybell.Notification // without its body
	Webhook      paybell.Webhook
	Health       paybell.Health    // of the webhook's endpoint
	Match        string            // why the webhook is told of it, or not
	Delivery     *paybell.Delivery // nil: it is not
	Attempts     []paybell.Attempt
	Next         string // what happens next, and when
}

// ExplainDelivery tells the whole story of one notification and one webhook: why
// it matched or not, every attempt, and when the next one is.
func (d *Desk) ExplainDelivery(ctx context.Context, a Actor, clientID, webhookID, notificationID string) (DeliveryStory, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (s DeliveryStory, err error) {
		if s.Webhook, err = a.hook(tx, clientID, webhookID, paybell.PullNotifications); err != nil {
			return s, err
		}
		if s.Notification, err = tx.Notification(s.Webhook.ClientID, notificationID); err != nil {
			return s, err
		}
		if s.Health, err = tx.Health(store.Endpoint{ClientID: s.Webhook.ClientID, Origin: s.Webhook.Origin}); err != nil {
			return s, err
		}
		del, found, err := tx.DeliveryOf(webhookID, notificationID)
		if err != nil {
			return s, err
		}
		if !found {
			s.Match, err = mismatch(tx, s.Webhook, s.Notification)
			s.Next = "nothing"
			return s, err
		}
		s.Delivery = &del
		s.Match = fmt.Sprintf("the webhook asked for %v when it happened", s.Notification.Event)
		if s.Attempts, err = tx.Attempts(webhookID, del.Number); err != nil {
			return s, err
		}
		s.Next, err = next(tx, s, time.Now())
		return s, err
	})
}

// mismatch says why a webhook was not told. Its events may have been others then.
func mismatch(tx *store.Tx, w paybell.Webhook, n paybell.Notification) (string, error) {
	switch {
	case n.At.Before(w.CreatedAt):
		return "the webhook was made after it happened", nil
	case w.InvoiceID != "" && w.InvoiceID != n.InvoiceID:
		return "the webhook was given with another invoice, and rings for that one only", nil
	case w.Events&n.Event == 0:
		return fmt.Sprintf("the webhook does not ask for %v, but for %v", n.Event, w.Events), nil
	}
	if n.Event == paybell.WebhookWasDisabled {
		if body, err := tx.NotificationBody(n.ID); err != nil || strings.Contains(body, w.ID) || strings.Contains(body, `"`+w.Origin+`"`) {
			return "it is about this webhook itself, or its endpoint; the client's others are told", err
		}
	}
	listed, err := tx.Webhooks(w.ClientID, "")
	if err != nil {
		return "", err
	}
	for _, other := range listed {
		if w.InvoiceID != "" && other.URL == w.URL && other.Events&n.Event != 0 {
			return fmt.Sprintf("webhook %s of the client has the same URL: one delivery is enough", other.ID), nil
		}
	}
	return "the webhook did not ask for it when it happened, or the delivery is older than what is kept", nil
}

// next says what happens next with a delivery.
func next(tx *store.Tx, s DeliveryStory, at time.Time) (string, error) {
	del := s.Delivery
	switch del.State {
	case paybell.Delivered:
		return "nothing: it was delivered", nil
	case paybell.Exhausted:
		if del.Attempts-del.Round <= len(s.Webhook.RetrySchedule()) {
			return "nothing by itself: it was skipped; it can be resent", nil
		}
		return "nothing by itself: its schedule is over; it can be resent", nil
	case paybell.Held:
		if s.Webhook.State == paybell.WebhookActive && s.Health.DisabledAt.IsZero() {
			return "it is about to be sent: the job that brings what was missed has not come to it yet", nil
		}
		return "it is held until the webhook is enabled", nil
	}
	if s.Webhook.State != paybell.WebhookActive || !s.Health.DisabledAt.IsZero() {
		return "it is held until the webhook is enabled", nil
	}
	if del.DueAt.IsZero() {
		head, err := tx.HeadOf(*del)
		return fmt.Sprintf("it waits for number %v of the same invoice", paybell.SequenceNumber{Epoch: del.Epoch, N: head}), err
	}
	switch due := del.DueAt; {
	case s.Health.PausedUntil.After(at) && s.Health.PausedUntil.After(due):
		return "the endpoint asked to be left alone until " + stamp(s.Health.PausedUntil), nil
	case due.After(at):
		return "the next attempt is due at " + stamp(due), nil
	}
	return "an attempt is due now, or under way", nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
