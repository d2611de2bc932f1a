package paybell

import (
	"strings"
	"time"
)

// Client is an integration client ("API integration" on screen): what one of a
// merchant's programs signs its requests with. Its secrets are kept apart,
// sealed, and never part of this value.
type Client struct {
	ID          string // 32 lower-case hex digits
	MerchantID  string
	Name        string // 1..127 characters
	URL         string // the shop's address, for people
	Permissions Permissions
	Disabled    bool // signs nothing, still rings
	CreatedAt   time.Time

	Terms Terms
}

// Terms are what a client's invoices get when the request does not say otherwise.
type Terms struct {
	Window    time.Duration // how long a payment's rate and amount are locked
	Lifetime  time.Duration // how long an invoice can be paid
	Tolerance int           // basis points of the amount due that may be missing
	// AcceptLate takes full payments that arrive after the time was up without
	// asking anybody.
	AcceptLate bool
}

// DefaultTerms are those of a new client.
var DefaultTerms = Terms{Window: time.Hour, Lifetime: 7 * 24 * time.Hour}

// Permissions is a set of what a client may do.
type Permissions uint64

// The permissions of the CoinPayments API, in its order, then our own. Bits are
// stored: append only.
const (
	CreateInvoice Permissions = 1 << iota
	ListInvoices
	FindInvoice
	InvoicePayouts
	ListInvoiceHistory
	CreateWallet
	GetWallets
	GetWalletByID
	CreateAddress
	GetWalletAddress
	GetWalletAddresses
	GetWalletTransactions
	GetWalletTransaction
	SpendRequest
	ConfirmSpendingFunds
	CreateClientWebhook
	GetWebhooks
	UpdateWebhook
	DeleteWebhook
	CancelInvoice
	UseSandbox

	lastPermission = UseSandbox
	AllPermissions = lastPermission<<1 - 1
)

var permissionNames = []string{
	"createInvoice", "listInvoices", "findInvoice", "invoicePayouts", "listInvoiceHistory",
	"createWallet", "getWallets", "getWalletById", "createAddress", "getWalletAddresse",
	"getWalletAddresses", "getWalletTransactions", "getWalletTransaction", "spendRequest",
	"confirmSpendingFunds", "createClientWebHook", "getWebhooks", "updateWebhook", "deleteWebhook",
	"cancelInvoice", "useSandbox",
}

// ParsePermissions reads names of the CoinPayments enum, any case, with "all"
// and "none".
func ParsePermissions(names []string) (Permissions, error) {
	var set Permissions
next:
	for _, name := range names {
		if strings.EqualFold(name, "all") {
			set |= AllPermissions
			continue
		}
		if strings.EqualFold(name, "none") {
			continue
		}
		for i, known := range permissionNames {
			if strings.EqualFold(name, known) {
				set |= 1 << i
				continue next
			}
		}
		return 0, InvalidField("permissions", "%q is not a permission; use all, none, or: %s", name, strings.Join(permissionNames, ", "))
	}
	return set, nil
}

// Names lists the permissions in p in the order of the enum.
func (p Permissions) Names() []string {
	var names []string
	for i, name := range permissionNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
