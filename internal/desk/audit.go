package desk

import (
	"context"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// audit writes down what a person does, in the transaction that does it. What
// programs do is not written: their signatures are nobody's hand.
func (a Actor) audit(tx *store.Tx, action, subject, detail string) error {
	if !a.Person {
		return nil
	}
	at := now()
	return tx.Audit(paybell.AuditEntry{
		ID: paybell.NewUUID(at), MerchantID: a.MerchantID, At: at, Who: a.Who, From: a.From, Action: action, Subject: subject,
		Detail: line(detail, paybell.MaxAuditDetail),
	})
}

// note is audit for what happens outside of our transactions. It is written
// before, so that nothing happens unseen; so it tells what was asked for, not how
// it went.
func (d *Desk) note(ctx context.Context, a Actor, action, subject, detail string) error {
	if !a.Person {
		return nil
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error { return a.audit(tx, action, subject, detail) })
}

// line is text of strangers as one line of so many characters at most: it may end
// up on a terminal.
func line(text string, most int) string {
	clean := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd {
			return -1
		}
		return r
	}, text))
	return string(clean[:min(len(clean), most)])
}
