package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/paybell/paybell"
)

// Erasing what is known of a buyer (GDPR, article 17) stands against the promise
// that the bytes of a notification never change. Both are kept as far as they can
// be:
//
//   - A notification that some webhook still waits for keeps its bytes: it may be
//     on the wire, or have arrived without our knowing, and what is sent again must
//     be the same. It is erased once it was delivered or given up.
//   - All others lose the buyer, and with them what receivers answered, for an answer
//     may repeat what was sent. Who has had a notification already and gets it again,
//     or pulls it, knows it by its id.
//
// What an invoice still has to lose stands in meta, by its id, in the transaction
// that empties the invoice itself: EraseLeft finishes it, whatever happens between.
// Answers kept for an Idempotency-Key may hold a buyer for AnswersKept longer.

// BuyerSweep is how far a merchant's invoices were looked through for those of a
// buyer. The zero value is the beginning.
type BuyerSweep struct {
	At time.Time
	ID string
}

// buyerSweep is how many invoices one step looks through.
const buyerSweep = 500

// InvoicesOfBuyer looks through some more of a merchant's invoices, oldest first,
// for those of the buyer with an e-mail address in lower case. They come without
// their payments. over says that there are no more.
func (tx *Tx) InvoicesOfBuyer(merchantID, email string, s BuyerSweep) (found []paybell.Invoice, next BuyerSweep, over bool, err error) {
	next = BuyerSweep{At: moment(math.MaxInt64)}
	last, more, err := one(tx, func(s scanner) (b BuyerSweep, err error) { return b, s.Scan(when{&b.At}, &b.ID) },
		`SELECT created_at, id FROM invoices WHERE merchant_id = $1 AND (created_at, id) > ($2, $3)
		ORDER BY created_at, id LIMIT 1 OFFSET $4`, merchantID, micros(s.At), s.ID, buyerSweep-1)
	if err != nil {
		return nil, s, false, err
	}
	if more {
		next = last
	}
	found, err = list(tx, scanInvoice, "SELECT "+invoiceColumns+` FROM invoices
		WHERE merchant_id = $1 AND (created_at, id) > ($2, $3) AND (created_at, id) <= ($4, $5) AND LOWER(bill) LIKE $6 ESCAPE '\'
		ORDER BY created_at, id`, merchantID, micros(s.At), s.ID, micros(next.At), next.ID, inJSON(email))
	found = slices.DeleteFunc(found, func(inv paybell.Invoice) bool { return !slices.Contains(buyerEmails(&inv.Bill), email) })
	return found, next, !more, err
}

// inJSON is a pattern for text, in lower case, somewhere in JSON. It may let through
// what does not hold the text: databases know the small letters of ASCII only.
func inJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string cannot fail to encode
	}
	pattern := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(string(quoted[1 : len(quoted)-1]))
	return "%" + strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '%'
		}
		return r
	}, pattern) + "%"
}

// buyerEmails are the addresses by which an invoice is a buyer's, in lower case: the
// one that they gave and the one for refunds. If they gave none, those that the goods
// and the invoice itself go to. Who else was to get a copy is not the buyer.
func buyerEmails(b *paybell.Bill) []string {
	emails := addresses(b.RefundEmail)
	if b.Buyer != nil && b.Buyer.Email != "" {
		return append(emails, addresses(b.Buyer.Email)...)
	}
	if b.Shipping != nil {
		emails = append(emails, addresses(b.Shipping.Email)...)
	}
	if b.EmailDelivery != nil {
		emails = append(emails, addresses(b.EmailDelivery.To)...)
	}
	return emails
}

// BuyerEmail is the address by which most invoices of a bill's buyer are found; empty:
// there is none.
func BuyerEmail(b *paybell.Bill) string {
	if emails := buyerEmails(b); len(emails) > 0 {
		return emails[len(emails)-1]
	}
	return ""
}

// addresses reads a list of addresses, separated by semicolons. What is not one is
// left out.
func addresses(text string) (emails []string) {
	for part := range strings.SplitSeq(text, ";") {
		if a, err := mail.ParseAddress(strings.TrimSpace(part)); err == nil {
			part = a.Address
		}
		if email, err := paybell.ParseEmail("", part); err == nil {
			emails = append(emails, email)
		}
	}
	return emails
}

// NamesBuyer reports whether a bill says anything that EraseBuyer empties.
func NamesBuyer(b *paybell.Bill) bool {
	return b.Buyer != nil || b.Shipping != nil || b.RefundEmail != "" || b.EmailDelivery != nil
}

// EraseBuyer empties what an invoice says of its buyer: who they are, where the goods
// and refunds go, and their e-mail address wherever else it stands. The invoice, its
// amounts and its payments stay. Its notifications lose the same, as the comment
// above says; waits is how many of them do so later.
func (tx *Tx) EraseBuyer(invoiceID string, at time.Time) (waits int, err error) {
	inv, err := tx.InvoiceForUpdate(invoiceID)
	if err != nil {
		return 0, err
	}
	who := buyerEmails(&inv.Bill)
	if inv.Bill, err = withoutBuyer(inv.Bill); err != nil {
		return 0, err
	}
	if err := tx.SaveBill(inv); err != nil {
		return 0, err
	}
	if _, err := tx.exec("UPDATE payments SET refund_email = '' WHERE invoice_id = $1 AND refund_email <> ''", inv.ID); err != nil {
		return 0, err
	}
	if _, err := tx.exec("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		eraseMark+inv.ID, eraseTime(at)); err != nil {
		return 0, err
	}
	return tx.eraseTold(inv.ID, inv.ClientID, who)
}

// withoutBuyer is a bill that does not say whose it is.
func withoutBuyer(b paybell.Bill) (paybell.Bill, error) {
	who := buyerEmails(&b)
	b.Buyer, b.Shipping, b.RefundEmail, b.EmailDelivery = nil, nil, "", nil
	text, err := json.Marshal(b)
	if err != nil {
		return b, fmt.Errorf("encode the bill: %w", err)
	}
	b = paybell.Bill{}
	return b, json.Unmarshal(scrub(text, who), &b)
}

// eraseMark begins the names in meta of what is left to erase. The value is since
// when.
const eraseMark = "erase/"

// eraseTime is a moment as text that sorts like it.
func eraseTime(at time.Time) string { return fmt.Sprintf("%016d", micros(at)) }

const leftToErase = "meta m JOIN invoices i ON i.id = SUBSTR(m.name, 7) WHERE m.name LIKE 'erase/%'"

// eraseLater is for how long at least an invoice is left to erase: a notification
// that was being made when it was emptied has been committed by then.
const eraseLater = time.Minute

// waiting is the condition for deliveries d that keep a notification's bytes.
const waiting = "d.state IN ('pending', 'held')"

// toHooks joins deliveries d to the webhooks w of a client that are told of an
// invoice: its own, and those given with it. Each are asked for by themselves, or all
// that it ever gave with invoices would be looked through.
func (tx *Tx) toHooks(client, invoice string) string {
	of := "SELECT id FROM webhooks WHERE client_id = " + client + " AND invoice_id = "
	return "webhooks w JOIN deliveries d" + tx.db.dialect.byLane + " ON d.webhook_id = w.id AND d.invoice_id = " + invoice +
		" WHERE w.id IN (" + of + "'' UNION ALL " + of + invoice + ")"
}

// EraseLeft erases what could not be when an invoice was emptied, of at most limit
// invoices that nobody waits for any more, and returns of how many.
func (tx *Tx) EraseLeft(now time.Time, limit int) (int64, error) {
	left, err := list(tx, func(s scanner) (inv paybell.Invoice, err error) { return inv, s.Scan(&inv.ID, &inv.ClientID) },
		"SELECT i.id, i.client_id FROM "+leftToErase+" AND m.value <= $1 AND NOT EXISTS (SELECT 1 FROM "+tx.toHooks("i.client_id", "i.id")+" AND "+waiting+") LIMIT $2", eraseTime(now.Add(-eraseLater)), limit)
	if err != nil {
		return 0, err
	}
	for _, inv := range left {
		if _, err := tx.eraseTold(inv.ID, inv.ClientID, nil); err != nil {
			return 0, err
		}
		if _, err := tx.exec("DELETE FROM meta WHERE name = $1", eraseMark+inv.ID); err != nil {
			return 0, err
		}
	}
	return int64(len(left)), nil
}

// StillErasing counts a merchant's invoices that were emptied and have notifications
// that some webhook waits for.
func (tx *Tx) StillErasing(merchantID string) (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COUNT(*) FROM "+leftToErase+" AND i.merchant_id || '' = $1 AND EXISTS (SELECT 1 FROM "+tx.toHooks("i.client_id", "i.id")+" AND "+waiting+")", merchantID)
	return n, err
}

// Waits counts an invoice's notifications that some webhook waits for.
func (tx *Tx) Waits(invoiceID, clientID string) (int, error) {
	ids, err := tx.waits(invoiceID, clientID)
	return len(ids), err
}

func (tx *Tx) waits(invoiceID, clientID string) ([]string, error) {
	return list(tx, scanText, "SELECT DISTINCT d.notification_id FROM "+tx.toHooks("$2", "$1")+" AND "+waiting, invoiceID, clientID)
}

// eraseTold takes the buyer, of whom some e-mail addresses may be known, out of what
// was told of an invoice and is waited for by nobody, and empties what receivers
// answered to it; waits is how much else there is.
func (tx *Tx) eraseTold(invoiceID, clientID string, who []string) (waits int, err error) {
	keep, err := tx.waits(invoiceID, clientID)
	if err != nil {
		return 0, err
	}
	type told struct{ id, body, erased string }
	all, err := list(tx, func(s scanner) (n told, err error) { return n, s.Scan(&n.id, &n.body) },
		"SELECT id, body FROM notifications WHERE invoice_id = $1 AND invoice_id <> ''", invoiceID)
	if err != nil {
		return 0, err
	}
	for i, n := range all {
		erased, emails, err := bodyWithoutBuyer([]byte(n.body))
		if err != nil {
			return 0, fmt.Errorf("read notification %s: %w", n.id, err)
		}
		all[i].erased, who = string(erased), append(who, emails...)
	}
	for _, n := range all {
		erased := string(scrub([]byte(n.erased), who))
		if erased == n.body || slices.Contains(keep, n.id) {
			continue
		}
		if _, err := tx.exec("UPDATE notifications SET body = $2 WHERE id = $1", n.id, erased); err != nil {
			return 0, err
		}
	}
	_, err = tx.exec(`UPDATE attempts SET answer = '' WHERE answer <> '' AND (webhook_id, number) IN (SELECT d.webhook_id, d.number FROM `+tx.toHooks("$2", "$1")+" AND NOT "+waiting+")", invoiceID, clientID)
	return len(keep), err
}

// bodyWithoutBuyer is a notification's body without the fields that say who buys, and
// the addresses that stood there. Everything else is as it was, byte for byte.
func bodyWithoutBuyer(body []byte) (erased []byte, emails []string, err error) {
	empty := func(value json.RawMessage, said any) (json.RawMessage, error) {
		return json.RawMessage("null"), json.Unmarshal(value, said)
	}
	payment := func(key string, value json.RawMessage) (_ json.RawMessage, err error) {
		if key == "refundEmail" {
			var said string
			value, err = empty(value, &said)
			emails = append(emails, addresses(said)...)
		}
		return value, err
	}
	invoice := func(key string, value json.RawMessage) (_ json.RawMessage, err error) {
		switch key {
		case "buyer", "shipping", "emailDeliveryOptions":
			var said struct{ Email, To string }
			value, err = empty(value, &said)
			emails = append(append(emails, addresses(said.Email)...), addresses(said.To)...)
		case "payments":
			value, err = edit(value, func(_ string, p json.RawMessage) (json.RawMessage, error) { return edit(p, payment) })
		}
		return value, err
	}
	erased, err = edit(body, func(key string, value json.RawMessage) (json.RawMessage, error) {
		if key == "invoice" {
			return edit(value, invoice)
		}
		return value, nil
	})
	return erased, emails, err
}

// edit gives each value of a JSON object or array to change and puts what that
// returns in its place. Values of arrays have no key; null stays.
func edit(text json.RawMessage, change func(key string, value json.RawMessage) (json.RawMessage, error)) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	open, err := dec.Token()
	if err != nil || open == nil {
		return text, err
	}
	out := []byte(fmt.Sprint(open))
	for n := 0; dec.More(); n++ {
		if n > 0 {
			out = append(out, ',')
		}
		name := ""
		if open == json.Delim('{') {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name = key.(string)
			quoted, err := json.Marshal(name)
			if err != nil {
				return nil, err
			}
			out = append(append(out, quoted...), ':')
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		if value, err = change(name, value); err != nil {
			return nil, err
		}
		out = append(out, value...)
	}
	end, err := dec.Token()
	return append(out, fmt.Sprint(end)...), err
}

// scrub takes e-mail addresses out of all strings of a JSON text, also where they
// are part of a link. Strings without one stay as they are.
func scrub(text []byte, emails []string) []byte {
	if len(emails) == 0 {
		return text
	}
	emails = slices.Clone(emails)
	slices.SortFunc(emails, func(a, b string) int { // one that begins like another comes before it
		return cmp.Or(len(b)-len(a), strings.Compare(a, b))
	})
	var forms []string
	for _, email := range slices.Compact(emails) {
		forms = append(forms, regexp.QuoteMeta(email), regexp.QuoteMeta(url.QueryEscape(email)))
	}
	mentions := regexp.MustCompile("(?i)" + strings.Join(forms, "|"))
	return literal.ReplaceAllFunc(text, func(quoted []byte) []byte {
		var s string
		if json.Unmarshal(quoted, &s) != nil || !mentions.MatchString(s) {
			return quoted
		}
		clean, err := json.Marshal(without(s, mentions))
		if err != nil {
			return quoted
		}
		return clean
	})
}

// literal is a string in JSON.
var literal = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// without has "erased" where an address is mentioned as a whole, not as a part of
// another.
func without(s string, mentions *regexp.Regexp) string {
	var b strings.Builder
	end := 0
	for _, at := range mentions.FindAllStringIndex(s, -1) {
		before, _ := utf8.DecodeLastRuneInString(s[:at[0]])
		after, size := utf8.DecodeRuneInString(s[at[1]:])
		if after == '.' {
			after, _ = utf8.DecodeRuneInString(s[at[1]+size:]) // the end of a sentence, or more of the name
		}
		if inAddress(before) || strings.ContainsRune(".%+", before) || inAddress(after) {
			continue
		}
		b.WriteString(s[end:at[0]])
		b.WriteString("erased")
		end = at[1]
	}
	return b.String() + s[end:]
}

// inAddress reports whether a character can be in both halves of an address.
func inAddress(r rune) bool {
	return r == '-' || r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
