package paybell

import "time"

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

// Wallet is where a merchant receives one network's coins: watch-only. A merchant
// has at most one live wallet on a network; those that it followed are kept, since
// payments were made to them. The sandbox wallet is none of these: it exists for
// every merchant without being made.
type Wallet struct {
	ID         string // UUID
	MerchantID string
	Network    string
	// Key is the public receiving key in its one form: on bitcoin an output
	// descriptor with its checksum.
	Key string
	// Fingerprint names the key's own material. The next address index belongs to it,
	// not to the wallet: two merchants with one key never get the same address.
	Fingerprint string
	Policy      Policy
	CreatedAt   time.Time
	RemovedAt   time.Time // zero: it is live
}

// MaxGap is how many addresses in a row may stay without money before other wallet
// programs no longer find what comes after them (the gap limit of BIP 44).
const MaxGap = 20

// MaxTiers bounds a policy.
const MaxTiers = 10

// MaxConfirmations bounds what a policy may ask for.
const MaxConfirmations = 100

// Check reports what is wrong with a policy that a merchant wrote.
func (p Policy) Check() error {
	if p.Paid < 0 || p.Paid > MaxConfirmations {
		return InvalidField("paid", "must be 0 to %d confirmations", MaxConfirmations)
	}
	if len(p.Completed) == 0 || len(p.Completed) > MaxTiers {
		return InvalidField("completed", "needs 1 to %d tiers", MaxTiers)
	}
	for i, t := range p.Completed {
		switch {
		case t.Confirmations < 1 || t.Confirmations > MaxConfirmations:
			return InvalidField("completed", "each tier must ask for 1 to %d confirmations", MaxConfirmations)
		case i == 0 && !t.From.IsZero():
			return InvalidField("completed", "the first tier must begin at 0")
		case i > 0 && t.From.Cmp(p.Completed[i-1].From) <= 0:
			return InvalidField("completed", "each tier must begin above the one before it")
		case i > 0 && t.Confirmations < p.Completed[i-1].Confirmations:
			return InvalidField("completed", "more money must not need fewer confirmations than less")
		}
	}
	return nil
}
