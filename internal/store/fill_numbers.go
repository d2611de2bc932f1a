package store

import (
	"context"
	"database/sql"
)

// fillNumbers is migration 7: the numbers of invoices of before stand in their
// bills.
func fillNumbers(ctx context.Context, tx *sql.Tx) error {
	last := ""
	for {
		page, err := billsAfter(ctx, tx, last)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, inv := range page {
			last = inv.ID
			if inv.Bill.Number == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, "UPDATE invoices SET number = $2 WHERE id = $1", inv.ID, number(&inv)); err != nil {
				return err
			}
		}
	}
}
