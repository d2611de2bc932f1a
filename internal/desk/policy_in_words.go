package desk

import (
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// PolicyInWords says what a policy means for the merchant, with the risk: one
// sentence or two for "paid", then for each step of "completed".
func PolicyInWords(c paybell.Currency, p paybell.Policy) []string {
	var words []string
	paid, _ := p.Required(paybell.Units{})
	if paid == 0 {
		words = append(words, "An invoice is paid as soon as the payment is seen, before any block holds it. "+
			"The sender can still take it back (double-spend it), so do not ship on \"paid\" alone.")
	} else {
		words = append(words, fmt.Sprintf("An invoice is paid after %s. %s", blocks(c, paid), risk(paid)))
	}
	steps := p.Completed
	if len(steps) == 0 {
		steps = []paybell.Tier{{}}
	}
	for i, t := range steps {
		_, n := p.Required(t.From)
		from := ""
		switch {
		case !t.From.IsZero():
			from = "From " + t.From.Coins(c.Decimals).String() + " " + c.Symbol + " on it"
		case i == 0:
			from = "It"
		}
		words = append(words, fmt.Sprintf("%s is completed after %s. %s", from, blocks(c, n), risk(n)))
	}
	return words
}

// risk is what can still happen to money with n confirmations.
func risk(n int) string {
	switch {
	case n == 1:
		return "Now and then one block is taken back, without anybody wanting it; then the payment is unconfirmed again."
	case n < 6:
		return "That many blocks are hardly ever taken back by chance; somebody with much of the miners' power could do it."
	}
	return "To take back that many blocks costs far more than most payments are worth."
}

// blocks is a number of confirmations, and how long they usually take.
func blocks(c paybell.Currency, n int) string {
	text := "1 block"
	if n != 1 {
		text = fmt.Sprintf("%d blocks", n)
	}
	every := map[string]time.Duration{paybell.BitcoinNetwork: 10 * time.Minute, paybell.LitecoinNetwork: 150 * time.Second}[c.Network]
	if every == 0 {
		return text
	}
	return text + " (about " + roughly(time.Duration(n)*every) + ")"
}

// roughly is a duration as people say it.
func roughly(d time.Duration) string {
	minutes := int64((d + time.Minute - 1) / time.Minute)
	if minutes < 60 {
		return fmt.Sprintf("%d minutes", minutes)
	}
	hours := strings.TrimSuffix(fmt.Sprintf("%d.%d", minutes/60, minutes%60/6), ".0")
	if hours == "1" {
		return "1 hour"
	}
	return hours + " hours"
}

// policyText is a policy for the audit log.
func policyText(c paybell.Currency, p paybell.Policy) string {
	text := fmt.Sprintf("paid after %d, completed after", p.Paid)
	for i, t := range p.Completed {
		if i > 0 {
			text += fmt.Sprintf(", from %s %s", t.From.Coins(c.Decimals), c.Symbol)
		}
		text += fmt.Sprintf(" %d", t.Confirmations)
	}
	return text
}
