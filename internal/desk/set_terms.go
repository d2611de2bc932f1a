package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Bounds on terms. A window that is too short lets honest payments come late, one
// that is too long makes the merchant carry the rate; who is missing more than the
// greatest tolerance has not paid.
const (
	MinWindow    = 5 * time.Minute
	MaxWindow    = 24 * time.Hour
	MaxLifetime  = 365 * 24 * time.Hour
	MaxTolerance = 1000 // basis points
)

// SetTerms says by what terms the invoices of one of the person's clients are made
// from now on. Those that exist keep theirs. Other processes know it within a
// second.
func (d *Desk) SetTerms(ctx context.Context, a Actor, clientID string, t paybell.Terms) (paybell.Client, error) {
	if err := a.person(); err != nil {
		return paybell.Client{}, err
	}
	if err := checkTerms(t); err != nil {
		return paybell.Client{}, err
	}
	c, err := store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Client, error) {
		c, err := a.manages(tx, clientID)
		if err != nil || c.Terms == t {
			return c, err
		}
		c.Terms = t
		if err := tx.SetTerms(c.ID, t); err != nil {
			return c, err
		}
		return c, a.audit(tx, "setTerms", c.ID, termsText(t))
	})
	d.known.Delete(c.ID)
	return c, err
}

func checkTerms(t paybell.Terms) error {
	switch {
	case t.Window < MinWindow || t.Window > MaxWindow:
		return paybell.InvalidField("window", "must be %d minutes to %d hours", MinWindow/time.Minute, MaxWindow/time.Hour)
	case t.Lifetime < t.Window:
		return paybell.InvalidField("lifetime", "must be at least as long as the payment window")
	case t.Lifetime > MaxLifetime:
		return paybell.InvalidField("lifetime", "must be at most %d days", MaxLifetime/(24*time.Hour))
	case t.Window%time.Second != 0 || t.Lifetime%time.Second != 0:
		return paybell.InvalidField("window", "and lifetime must be whole seconds")
	case t.Tolerance < 0 || t.Tolerance > MaxTolerance:
		return paybell.InvalidField("tolerance", "must be 0 to %d percent", MaxTolerance/100)
	}
	return nil
}

// termsText is terms for the audit log.
func termsText(t paybell.Terms) string {
	late := "late money by hand"
	if t.AcceptLate {
		late = "late money accepted"
	}
	return fmt.Sprintf("window %s, lifetime %s, tolerance %d.%02d %%, %s", hours(t.Window), hours(t.Lifetime), t.Tolerance/100, t.Tolerance%100, late)
}

// hours is a duration without the units that it has none of: 36h.
func hours(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
