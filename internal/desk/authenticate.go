package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// knownClient is a client and its secrets, remembered for a moment: a change
// made anywhere counts here within a second.
type knownClient struct {
	actor   Actor
	secrets []string
	until   time.Time
}

const remember = time.Second

// Secrets gives what a client may sign with, the current secret first. found is
// false for clients that do not exist or are disabled.
func (d *Desk) Secrets(ctx context.Context, clientID string) (secrets []string, found bool, err error) {
	k, found, err := d.client(ctx, clientID)
	return k.secrets, found, err
}

// Actor is who a client acts as, once its signature was verified.
func (d *Desk) Actor(ctx context.Context, clientID string) (Actor, error) {
	k, found, err := d.client(ctx, clientID)
	if err == nil && !found {
		err = paybell.Errorf(paybell.Unauthenticated, "the integration was deleted or disabled")
	}
	return k.actor, err
}

func (d *Desk) client(ctx context.Context, clientID string) (knownClient, bool, error) {
	if k, ok := d.known.Load(clientID); ok && time.Now().Before(k.(knownClient).until) {
		return k.(knownClient), true, nil
	}
	k, err := store.View(ctx, d.DB, func(tx *store.Tx) (k knownClient, err error) {
		c, err := tx.Client(clientID)
		if err != nil || c.Disabled {
			return k, err
		}
		k.actor = Actor{ClientID: c.ID, MerchantID: c.MerchantID, Permissions: c.Permissions, Terms: c.Terms}
		k.secrets, err = tx.Secrets(clientID)
		return k, err
	})
	if paybell.CodeOf(err) == paybell.NotFound || err == nil && k.secrets == nil {
		d.known.Delete(clientID)
		return k, false, nil
	}
	if err != nil {
		return k, false, err
	}
	k.until = time.Now().Add(remember)
	d.known.Store(clientID, k) // bounded by the clients that exist
	return k, true, nil
}
