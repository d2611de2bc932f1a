package paybell

import (
	"net/netip"
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
	Integration string // what it was made for, like "woocommerce"; may be empty
	URL         string // the shop's address
	State       ClientState
	Permissions Permissions
	AllowedIPs  []netip.Prefix // where its requests may come from; none: from anywhere
	EventNames  EventNames     // how its notifications write the names of events
	CreatedAt   time.Time

	Terms Terms
}

// ClientState says what becomes of a client's requests and webhooks.
type ClientState string

const (
	ClientActive   ClientState = "active"
	ClientDisabled ClientState = "disabled" // signs nothing; its webhooks still ring
	ClientDeleted  ClientState = "deleted"  // for ever: signs nothing, rings nowhere; its invoices stay
)

// Bounds on what one merchant or client has.
const (
	MaxClientsPerMerchant = 100 // without the deleted ones
	MaxAllowedIPs         = 100
)

// ParseAllowedIPs reads addresses and ranges, like 192.0.2.7 or 2001:db8::/32.
func ParseAllowedIPs(field string, texts []string) ([]netip.Prefix, error) {
	if len(texts) > MaxAllowedIPs {
		return nil, InvalidField(field, "has %d entries, at most %d are possible", len(texts), MaxAllowedIPs)
	}
	var list []netip.Prefix
	for _, text := range texts {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || prefix.Addr().Is4In6() {
			return nil, InvalidField(field, "%.60q is not an IP address or a range like 192.0.2.0/24", text)
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
}

// IPTexts writes what ParseAllowedIPs reads: single addresses without their /32.
func IPTexts(list []netip.Prefix) []string {
	texts := make([]string, 0, len(list))
	for _, p := range list {
		if p.IsSingleIP() {
			texts = append(texts, p.Addr().String())
		} else {
			texts = append(texts, p.String())
		}
	}
	return texts
}

// AllowsIP reports whether an address is in one of the ranges, or there are none.
func AllowsIP(list []netip.Prefix, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	for _, p := range list {
		if p.Contains(from) {
			return true
		}
	}
	return len(list) == 0
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
	AcceptInvoice
	PullNotifications
	ResendNotifications

	lastPermission = ResendNotifications
	AllPermissions = lastPermission<<1 - 1

	// UsualPermissions are those of a new client: whoever gets hold of its secret
	// cannot let the money go elsewhere.
	UsualPermissions = AllPermissions &^ CreateWallet
)

var permissionNames = []string{
	"createInvoice", "listInvoices", "findInvoice", "invoicePayouts", "listInvoiceHistory",
	"createWallet", "getWallets", "getWalletById", "createAddress", "getWalletAddresse",
	"getWalletAddresses", "getWalletTransactions", "getWalletTransaction", "spendRequest",
	"confirmSpendingFunds", "createClientWebHook", "getWebhooks", "updateWebhook", "deleteWebhook",
	"cancelInvoice", "useSandbox", "acceptInvoice", "pullNotifications", "resendNotifications",
}

// ParsePermissions reads names of the CoinPayments enum, any case, with "all"
// and "none".
func ParsePermissions(field string, names []string) (Permissions, error) {
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
		return 0, InvalidField(field, "%.60q is not a permission; use all, none, or: %s", name, strings.Join(permissionNames, ", "))
	}
	return set, nil
}

// Names lists the permissions in p in the order of the enum; never nil.
func (p Permissions) Names() []string {
	names := []string{}
	for i, name := range permissionNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
