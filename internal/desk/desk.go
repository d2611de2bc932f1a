// Package desk is what can be asked of Paybell, one verb per file, with the
// check who may. The API, the dashboard, the checkout and the CLI all call it.
package desk

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Desk answers requests. Its fields are set once, before the first.
type Desk struct {
	DB       *store.DB
	Quote    Quote
	Sandbox  Sandbox
	Networks map[string]Network // of real coins, by name
	Wire     Wire               // nil: this process sends nothing
	Allow    []netip.Prefix     // private addresses that webhooks may point at

	known    sync.Map // client id -> knownClient
	received sync.Map // merchant id -> receiving
	keys     sync.Map // wallet id -> Key
	people   people   // who is signed in
	bell     bell

	tries   pace // by client id: tests of webhooks
	signIns pace // by address, and by e-mail address
	codes   pace // by user id
}

// Quote knows rates.
type Quote interface {
	// Rate is how many units of to one unit of from bought at a moment that is not
	// in the future; the zero time is now. No known rate is Unavailable.
	Rate(ctx context.Context, from, to paybell.Currency, at time.Time) (decimal.Decimal, error)
}

// Wire is what brings notifications to merchants.
type Wire interface {
	// InFlight is how many attempts for a webhook are under way from this process.
	InFlight(webhookID string) int
	// Try makes one attempt to bring a notification to a webhook, outside of all
	// order; nothing of it is kept.
	Try(ctx context.Context, w paybell.Webhook, n paybell.Notification) (paybell.Attempt, error)
}

// Sandbox is the test coin's chain.
type Sandbox interface {
	// Address is a merchant's at an index; the same arguments give the same, always.
	Address(merchantID string, index int64) string
	Pay(ctx context.Context, merchantID, address string, amount paybell.Units) (txID string, err error)
	Mine(ctx context.Context, merchantID string, blocks int) (height int64, err error)
	Replace(ctx context.Context, merchantID, txID string, toInvoice bool) (newTxID string, err error)
	Drop(ctx context.Context, merchantID, txID string) error
	Reorg(ctx context.Context, merchantID string, depth int) error
	Height(ctx context.Context, merchantID string) (int64, error)
}

// now is the present at the precision that the store keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// text checks one line or paragraph of merchant's text.
func text(field, s string, most int) error {
	if strings.Contains(s, "\x00") {
		return paybell.InvalidField(field, "holds a zero byte")
	}
	if n := len([]rune(s)); n > most {
		return paybell.InvalidField(field, "has %d characters, at most %d are possible", n, most)
	}
	return nil
}
