package paybell

import "time"

// Merchant is the main account. It owns clients, wallets and invoices.
type Merchant struct {
	ID        string // UUID
	Name      string // 1..127 characters
	Email     string // may be empty
	CreatedAt time.Time
}
