package dash

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/paybell/paybell"
)

// policyForm is how many confirmations a wallet's payments need.
type policyForm struct {
	complaint
	Card  walletCard
	Paid  string
	Tiers []tierRow
}

// tierRow is one step of completed, as it was written.
type tierRow struct {
	From, Confirmations string
	Bad                 bool
}

// tierRows is how many a form has at least.
const tierRows = 5

// askedWallet is the live wallet that a request is about.
func (s *Server) askedWallet(ctx context.Context, r *request) (c walletCard, err error) {
	if err := mayChange(r); err != nil {
		return c, err
	}
	w, err := s.Desk.WalletOf(ctx, r.Person.Actor(), r.PathValue("wallet"))
	if err == nil && !w.RemovedAt.IsZero() {
		err = paybell.Errorf(paybell.NotFound, "this wallet was removed")
	}
	return walletCard{Coin: w.Coin, Chain: w.Chain, Live: true, Wallet: w}, err
}

func (s *Server) askPolicy(ctx context.Context, r *request) (view, error) {
	card, err := s.askedWallet(ctx, r)
	if err != nil {
		return view{}, err
	}
	f := policyForm{Card: card, Paid: strconv.Itoa(card.Wallet.Policy.Paid)}
	for _, t := range card.Wallet.Policy.Completed {
		f.Tiers = append(f.Tiers, tierRow{From: t.From.Coins(card.Coin.Decimals).String(), Confirmations: strconv.Itoa(t.Confirmations)})
	}
	return s.walletsWith(ctx, r, "wallets_policy.html", f.padded())
}

// padded has empty rows to write into.
func (f policyForm) padded() policyForm {
	for len(f.Tiers) < tierRows {
		f.Tiers = append(f.Tiers, tierRow{})
	}
	return f
}

// Row is how people count the rows.
func (policyForm) Row(i int) int { return i + 1 }

var policyLabels = map[string]string{"paid": "Paid", "completed": "Completed"}

func (s *Server) setPolicy(w http.ResponseWriter, r *request) error {
	card, err := s.askedWallet(r.Context(), r)
	if err != nil {
		return err
	}
	f := policyForm{Card: card, Paid: r.field("paid")}
	from, confirmations := r.PostForm["from"], r.PostForm["confirmations"]
	for i := range min(max(len(from), len(confirmations)), paybell.MaxTiers+1) {
		f.Tiers = append(f.Tiers, tierRow{From: at(from, i), Confirmations: at(confirmations, i)})
	}
	policy, err := f.read()
	if err == nil {
		_, err = s.Desk.SetPolicy(r.Context(), r.Person.Actor(), card.Wallet.ID, policy)
	}
	if f.complaint = complain(err, policyLabels); f.Wrong != "" {
		v, err := s.walletsWith(r.Context(), r, "wallets_policy.html", f.padded())
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return done(w, walletsPath, "The confirmations for "+card.Coin.Name+" are saved. They hold for payments that are opened from now on.")
}

// at is the trimmed text at i, if there is one.
func at(texts []string, i int) string {
	if i < len(texts) {
		return strings.TrimSpace(texts[i])
	}
	return ""
}

// read is the policy that the form says. It marks the rows that are wrong.
func (f *policyForm) read() (p paybell.Policy, err error) {
	if p.Paid, err = strconv.Atoi(f.Paid); err != nil || p.Paid < 0 || p.Paid > paybell.MaxConfirmations {
		err = paybell.InvalidField("paid", "must be 0 to %d confirmations", paybell.MaxConfirmations)
	}
	for i := range f.Tiers {
		row := &f.Tiers[i]
		if i > 0 && row.From == "" && row.Confirmations == "" {
			continue
		}
		t, wrong := row.read(f.Card.Coin)
		if n := len(p.Completed); wrong == "" && i > 0 && (n == 0 && t.From.IsZero() || n > 0 && t.From.Cmp(p.Completed[n-1].From) <= 0) {
			wrong = "the amount must be more than in the row before"
		}
		if row.Bad = wrong != ""; row.Bad {
			err = cmp.Or(err, error(paybell.InvalidField("completed", "in row %d, %s", i+1, wrong)))
			continue
		}
		p.Completed = append(p.Completed, t)
	}
	return p, err
}

// read is one step; the first has no amount, since it is for all.
func (row tierRow) read(coin paybell.Currency) (t paybell.Tier, wrong string) {
	amount, err := paybell.ParseAmount(strings.Replace(cmp.Or(row.From, "0"), ",", ".", 1))
	if err != nil {
		return t, "the amount is no number: write digits, like 0.1"
	}
	if !amount.Shift(coin.Decimals).IsInteger() {
		return t, fmt.Sprintf("the amount has more than %d digits after the point", coin.Decimals)
	}
	if t.From, err = paybell.UnitsOf(amount, coin.Decimals); err != nil {
		return t, "the amount is too large"
	}
	if t.Confirmations, err = strconv.Atoi(row.Confirmations); err != nil || t.Confirmations < 1 || t.Confirmations > paybell.MaxConfirmations {
		return t, fmt.Sprintf("write 1 to %d confirmations", paybell.MaxConfirmations)
	}
	return t, ""
}
