package paybell

// Policy says how many confirmations money needs.
type Policy struct {
	Paid      int    `json:"paid"`      // before an invoice is paid; 0 counts the mempool
	Completed []Tier `json:"completed"` // before it is completed, by amount, ascending
}

// Tier asks for Confirmations when the amount due is at least From. The highest
// tier that applies wins.
type Tier struct {
	From          Units `json:"from"`
	Confirmations int   `json:"confirmations"`
}

// Required is what the policy asks for an amount due. Completed never asks for
// less than paid, and never for less than one.
func (p Policy) Required(due Units) (paid, completed int) {
	completed = 1
	for _, t := range p.Completed {
		if due.Cmp(t.From) >= 0 {
			completed = max(1, t.Confirmations)
		}
	}
	paid = max(0, p.Paid)
	return paid, max(paid, completed)
}

// DefaultPolicy is that of a new wallet for coin c.
func DefaultPolicy(c Currency) Policy {
	return Policy{Paid: 0, Completed: []Tier{{Confirmations: c.Confirmations}}}
}

// Wallet is where a merchant receives one network's coins: watch-only. The
// sandbox wallet exists for every merchant without being made; its addresses
// are derived from the merchant's id.
type Wallet struct {
	MerchantID string
	Network    string
	NextIndex  int64 // the next address index to take; indexes are never used twice
	Policy     Policy
}
