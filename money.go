package paybell

import (
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/holiman/uint256"
	"github.com/shopspring/decimal"
)

// Units is an on-chain amount: a whole number of a coin's smallest unit
// (satoshi, wei), 0 to 2^256-1. The zero value is nothing. Sums saturate at the
// top instead of wrapping, so hostile amounts can never look small.
type Units struct{ n uint256.Int }

// NewUnits is n smallest units.
func NewUnits(n uint64) Units { return Units{*uint256.NewInt(n)} }

// ParseUnits reads a plain decimal integer, at most 2^256-1.
func ParseUnits(s string) (Units, error) {
	if s == "" || len(s) > 78 || strings.Trim(s, "0123456789") != "" {
		return Units{}, Errorf(Invalid, "%.80q is not a whole number of smallest units", s)
	}
	n, err := uint256.FromDecimal(s)
	if err != nil {
		return Units{}, Errorf(Invalid, "%.80q is more than 2^256-1", s)
	}
	return Units{*n}, nil
}

func (u Units) String() string { return u.n.Dec() }

// IsZero reports whether u is nothing.
func (u Units) IsZero() bool { return u.n.IsZero() }

// Cmp is -1, 0 or 1 as u is less than, equal to or more than v.
func (u Units) Cmp(v Units) int { return u.n.Cmp(&v.n) }

// Add is u+v, or the greatest amount there is.
func (u Units) Add(v Units) Units {
	var sum uint256.Int
	if _, overflow := sum.AddOverflow(&u.n, &v.n); overflow {
		sum.SetAllOne()
	}
	return Units{sum}
}

// Sub is u-v, or nothing when v is more than u.
func (u Units) Sub(v Units) Units {
	var d uint256.Int
	if _, underflow := d.SubOverflow(&u.n, &v.n); underflow {
		d.Clear()
	}
	return Units{d}
}

// Coins is u in whole coins, exact.
func (u Units) Coins(decimals int32) decimal.Decimal {
	return decimal.NewFromBigInt(u.n.ToBig(), -decimals)
}

// UnitsOf turns an amount in whole coins into smallest units. What is finer
// than a smallest unit is rounded up: the one rounding of an amount due.
func UnitsOf(coins decimal.Decimal, decimals int32) (Units, error) {
	scaled := coins.Shift(decimals).Ceil()
	if coins.IsNegative() {
		return Units{}, Errorf(Invalid, "an amount cannot be negative")
	}
	n, overflow := uint256.FromBig(scaled.BigInt())
	if overflow {
		return Units{}, Errorf(Invalid, "the amount is more than 2^256-1 smallest units")
	}
	return Units{*n}, nil
}

// Value stores u as decimal text, which SQLite and PostgreSQL keep exactly.
func (u Units) Value() (driver.Value, error) { return u.String(), nil }

// Scan reads what Value wrote.
func (u *Units) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("units: cannot scan %T", src)
	}
	v, err := ParseUnits(s)
	*u = v
	return err
}

// MarshalText makes JSON show u as a string: it may be over 2^53.
func (u Units) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (u *Units) UnmarshalText(b []byte) error {
	v, err := ParseUnits(string(b))
	*u = v
	return err
}

// ParseAmount reads an amount of money as people and programs write it: digits,
// at most one point, at most 30 characters. Signs, exponents, NaN, separators
// and spaces are refused.
func ParseAmount(s string) (decimal.Decimal, error) {
	if len(s) > 30 {
		return decimal.Zero, Errorf(Invalid, "the amount has more than 30 characters")
	}
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return decimal.Zero, Errorf(Invalid, "%q is not an amount: write digits with at most one point, like \"10.00\"; no sign, exponent or separator", s)
	}
	return decimal.NewFromString(s)
}

// CurrencyType is the kind of a currency.
type CurrencyType string

const (
	Crypto CurrencyType = "crypto"
	Token  CurrencyType = "token"
	Fiat   CurrencyType = "fiat"
)

// Currency is something that an invoice can be priced in or paid with. The ids
// are CoinPayments' own: a number, or number:contract for a token.
type Currency struct {
	ID            string
	Type          CurrencyType
	Symbol, Name  string
	Decimals      int32
	Rank          int
	Network       string // chain that carries it; empty: none that this version watches
	URIScheme     string // BIP 21 scheme of payment links
	Confirmations int    // default minimum for completed
	Test          bool   // worth nothing
}

// LTCT is the test coin, carried by the sandbox chain.
const LTCT = "1002"

// Networks: the chains that payments are made on.
const (
	SandboxNetwork  = "sandbox" // of the test coin
	BitcoinNetwork  = "bitcoin"
	LitecoinNetwork = "litecoin"
)

var currencies = []Currency{
	{ID: "1", Type: Crypto, Symbol: "BTC", Name: "Bitcoin", Decimals: 8, Rank: 1, Network: BitcoinNetwork, URIScheme: "bitcoin", Confirmations: 2},
	{ID: "2", Type: Crypto, Symbol: "LTC", Name: "Litecoin", Decimals: 8, Rank: 2, Network: LitecoinNetwork, URIScheme: "litecoin", Confirmations: 3},
	{ID: "4", Type: Crypto, Symbol: "ETH", Name: "Ether", Decimals: 18, Rank: 3, URIScheme: "ethereum", Confirmations: 12},
	{ID: "9", Type: Crypto, Symbol: "TRX", Name: "TRON", Decimals: 6, Rank: 4, Confirmations: 20},
	{ID: "35", Type: Crypto, Symbol: "BNB", Name: "BNB Smart Chain", Decimals: 18, Rank: 5, Confirmations: 15},
	{ID: "9:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", Type: Token, Symbol: "USDT.TRC20", Name: "Tether USD (TRON)", Decimals: 6, Rank: 6, Confirmations: 20},
	{ID: "4:0xdac17f958d2ee523a2206206994597c13d831ec7", Type: Token, Symbol: "USDT.ERC20", Name: "Tether USD (Ethereum)", Decimals: 6, Rank: 7, Confirmations: 12},
	{ID: "35:0x55d398326f99059ff775485246999027b3197955", Type: Token, Symbol: "USDT.BEP20", Name: "Tether USD (BNB Smart Chain)", Decimals: 18, Rank: 8, Confirmations: 15},
	{ID: LTCT, Type: Crypto, Symbol: "LTCT", Name: "Litecoin Testnet", Decimals: 8, Rank: 1000, Network: SandboxNetwork, URIScheme: "litecoin", Confirmations: 3, Test: true},
	{ID: "5057", Type: Fiat, Symbol: "USD", Name: "United States Dollar", Decimals: 2, Rank: 1},
	{ID: "5195", Type: Fiat, Symbol: "EUR", Name: "Euro", Decimals: 2, Rank: 2},
}

// Currencies lists every currency known, in a fixed order. The slice is a copy.
func Currencies() []Currency { return append([]Currency(nil), currencies...) }

// FindCurrency finds a currency by what real clients send: its id (1002), its
// id:contract, or its symbol (LTCT), in any case.
func FindCurrency(ref string) (Currency, bool) {
	for _, c := range currencies {
		if strings.EqualFold(c.ID, ref) || strings.EqualFold(c.Symbol, ref) {
			return c, true
		}
	}
	return Currency{}, false
}

// PaymentURI is what wallets open and QR codes hold, after BIP 21: it asks for
// what is missing. A coin without such addresses gives the bare one.
func (c Currency) PaymentURI(address string, missing Units) string {
	if c.URIScheme == "" {
		return address
	}
	uri := c.URIScheme + ":" + address
	if !missing.IsZero() {
		uri += "?amount=" + missing.Coins(c.Decimals).String()
	}
	return uri
}

// Minor turns an amount of c into its smallest unit, as v1 requests and
// notifications count it; amounts were checked to have no finer part.
func (c Currency) Minor(amount decimal.Decimal) decimal.Decimal { return amount.Shift(c.Decimals) }

// Format writes amount with all decimals of c: 10.00, 0.50000000.
func (c Currency) Format(amount decimal.Decimal) string { return amount.StringFixed(c.Decimals) }

// Share is u times basis points over 10,000, rounded down.
func (u Units) Share(basisPoints int) Units {
	var z uint256.Int
	if basisPoints <= 0 {
		return Units{}
	}
	_, overflow := z.MulDivOverflow(&u.n, uint256.NewInt(uint64(basisPoints)), uint256.NewInt(10_000))
	if overflow {
		z.SetAllOne()
	}
	return Units{z}
}
