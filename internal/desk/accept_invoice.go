package desk

import (
	"context"

	"github.com/paybell/paybell"
)

// AcceptInvoice takes the money that stands as enough.
func (d *Desk) AcceptInvoice(ctx context.Context, a Actor, id string) error {
	return d.command(ctx, a, paybell.AcceptInvoice, id, paybell.Accept{}, "acceptInvoice")
}
