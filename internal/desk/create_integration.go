package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewIntegration is what an integration is made of: a client and its first
// webhook.
type NewIntegration struct {
	Client NewClient
	Hook   NewWebhook // with an empty URL there is none
	// Key is random text of the form that asks. The client's id follows from it, so
	// that a form which is sent again makes nothing more.
	Key string
}

// CreateIntegration makes an integration client and its first webhook, both or
// neither. The secret is returned here and never again: when the client was there
// already, made by the same key, it is empty and nothing happened.
func (d *Desk) CreateIntegration(ctx context.Context, a Actor, in NewIntegration) (paybell.Client, string, error) {
	if err := a.person(); err != nil {
		return paybell.Client{}, "", err
	}
	if len(in.Key) < minKey || len(in.Key) > maxKey {
		return paybell.Client{}, "", paybell.Errorf(paybell.Invalid, "the form is not complete: open it again")
	}
	fresh, err := a.newClient(clientIDFrom(a.MerchantID, in.Key), in.Client)
	if err != nil {
		return fresh, "", err
	}
	hook := func(*store.Tx) (w paybell.Webhook, err error) { return w, nil }
	if in.Hook.URL != "" {
		if hook, err = d.createWebhook(a, fresh.ID, in.Hook); err != nil {
			return fresh, "", err
		}
	}
	type made struct {
		client paybell.Client
		secret string
	}
	secret := paybell.NewClientSecret()
	m, err := store.Update(ctx, d.DB, func(tx *store.Tx) (made, error) {
		if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
			return made{}, err
		}
		before, err := tx.Client(fresh.ID)
		if paybell.CodeOf(err) != paybell.NotFound { // it is there, or nobody knows
			return made{client: before}, err
		}
		if err := a.createClient(tx, fresh, secret); err != nil {
			return made{}, err
		}
		_, err = hook(tx)
		return made{fresh, secret}, err
	})
	return m.client, m.secret, err
}

// minKey is how short the key of a form may be, in bytes.
const minKey = 16

// clientIDFrom makes the id of a client from a merchant and the key of a form:
// nobody can name a client of somebody else's by it.
func clientIDFrom(merchantID, key string) string {
	digest := sha256.Sum256([]byte("integration " + merchantID + " " + key))
	id := digest[:16]
	id[6] = id[6]&0x0f | 0x40 // as NewClientID: also a UUID version 4
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id)
}
