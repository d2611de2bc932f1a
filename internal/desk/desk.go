// Package desk is what can be asked of Paybell, one verb per file, with the
// check who may. The API, the dashboard, the checkout and the CLI all call it.
package desk

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Desk answers requests. Its fields are set once, before the first.
type Desk struct {
	DB      *store.DB
	Quote   Quote
	Derive  Derive
	Sandbox Sandbox
	Allow   []netip.Prefix // private addresses that webhooks may point at

	known sync.Map // client id -> knownClient
}

// Quote knows rates.
type Quote interface {
	// Rate is how many units of to one unit of from buys now.
	Rate(ctx context.Context, from, to paybell.Currency) (decimal.Decimal, error)
}

// Derive makes the receiving address at an index of a merchant's wallet. The
// same arguments give the same address, always.
type Derive func(merchantID, network string, index int64) (address string, err error)

// Sandbox is the test coin's chain.
type Sandbox interface {
	Pay(ctx context.Context, merchantID, address string, amount paybell.Units) (txID string, err error)
	Mine(ctx context.Context, merchantID string, blocks int) (height int64, err error)
	Replace(ctx context.Context, merchantID, txID string, toInvoice bool) (newTxID string, err error)
	Drop(ctx context.Context, merchantID, txID string) error
	Reorg(ctx context.Context, merchantID string, depth int) error
}

// Actor is who asks: a client that has proved itself.
type Actor struct {
	ClientID    string
	MerchantID  string
	Permissions paybell.Permissions
	Terms       paybell.Terms // of the invoices it makes
}

// may checks one permission.
func (a Actor) may(p paybell.Permissions) error {
	if a.Permissions&p == p {
		return nil
	}
	return paybell.Errorf(paybell.Forbidden, "this integration lacks the permission %v; grant it to the integration first", p.Names())
}

// now is the present at the precision that the store keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// text checks one line or paragraph of merchant's text.
func text(field, s string, most int) error {
	if n := len([]rune(s)); n > most {
		return paybell.InvalidField(field, "has %d characters, at most %d are possible", n, most)
	}
	return nil
}
