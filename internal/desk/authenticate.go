package desk

import (
	"context"
	"net/netip"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// knownClient is a client and its secrets, remembered for a moment: a change
// made anywhere counts here within a second.
type knownClient struct {
	actor   Actor
	allowed []netip.Prefix
	secrets []string
	until   time.Time
}

const remember = time.Second

// Secrets gives what a client may sign with, the current secret first. found is
// false for clients that do not exist, or are disabled or deleted.
func (d *Desk) Secrets(ctx context.Context, clientID string) (secrets []string, found bool, err error) {
	k, found, err := d.client(ctx, clientID)
	return k.secrets, found, err
}

// Actor is who a client acts as, once its signature was verified, if it may ask
// from that address.
func (d *Desk) Actor(ctx context.Context, clientID string, from netip.Addr) (Actor, error) {
	k, found, err := d.client(ctx, clientID)
	switch {
	case err != nil:
		return Actor{}, err
	case !found:
		return Actor{}, paybell.Errorf(paybell.Unauthenticated, "the integration was deleted or disabled")
	case !paybell.AllowsIP(k.allowed, from):
		return Actor{}, paybell.Errorf(paybell.Unauthenticated, "the request comes from %v, which is not among the allowed IPs of this integration; allow it there, "+
			"or, behind a proxy, start the server with --trusted-proxy", from)
	}
	return k.actor, nil
}

func (d *Desk) client(ctx context.Context, clientID string) (knownClient, bool, error) {
	if k, ok := d.known.Load(clientID); ok && time.Now().Before(k.(knownClient).until) {
		return k.(knownClient), true, nil
	}
	k, err := store.View(ctx, d.DB, func(tx *store.Tx) (k knownClient, err error) {
		c, err := tx.Client(clientID)
		if err != nil || c.State != paybell.ClientActive {
			return k, err
		}
		k.actor = Actor{ClientID: c.ID, MerchantID: c.MerchantID, Permissions: c.Permissions, Terms: c.Terms}
		k.allowed = c.AllowedIPs
		secrets, err := tx.Secrets(clientID, time.Now())
		k.secrets = paybell.SecretTexts(secrets)
		return k, err
	})
	if paybell.CodeOf(err) == paybell.NotFound || err == nil && len(k.secrets) == 0 {
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

// Account is who a person with an account token acts as. Users are not managed by
// tokens: who may make one could make themselves an owner.
func (d *Desk) Account(ctx context.Context, token string) (Actor, error) {
	hash, ok := paybell.HashAccountToken(token)
	if !ok {
		return Actor{}, errToken
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (Actor, error) {
		t, found, err := tx.AccountToken(hash)
		if err == nil && !found {
			err = errToken
		}
		if err != nil {
			return Actor{}, err
		}
		return Actor{MerchantID: t.MerchantID, Person: true, Permissions: paybell.AllPermissions, Role: paybell.RoleStaff, Who: "account token " + t.Name}, nil
	})
}

var errToken = paybell.Errorf(paybell.Unauthenticated, "this is not an account token, or it was revoked; make one with `paybell token create`")
