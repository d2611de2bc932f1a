package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/paybell/paybell"
)

// fillFilters is migration 3: what invoices of before are filtered by stands in
// their bills.
func fillFilters(ctx context.Context, tx *sql.Tx) error {
	last := ""
	for {
		page, err := billsAfter(ctx, tx, last)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, inv := range page {
			if _, err := tx.ExecContext(ctx, "UPDATE invoices SET po_number = $2, integration = $3, searched = $4 WHERE id = $1",
				inv.ID, poNumber(&inv), inv.Bill.Integration(), inv.Bill.Searched()); err != nil {
				return err
			}
			last = inv.ID
		}
	}
}

// billsAfter reads a page of invoices, of each what it says only.
func billsAfter(ctx context.Context, tx *sql.Tx, id string) (page []paybell.Invoice, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, bill FROM invoices WHERE id > $1 ORDER BY id LIMIT 500", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err says what matters
	for rows.Next() {
		var inv paybell.Invoice
		var bill string
		if err := rows.Scan(&inv.ID, &bill); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(bill), &inv.Bill); err != nil {
			return nil, fmt.Errorf("read the bill of invoice %s: %w", inv.ID, err)
		}
		page = append(page, inv)
	}
	return page, rows.Err()
}
