package dash

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// walletForm adds a wallet in two steps: a key, then its first addresses, which are
// to be compared. Key is always one that was read as public: what was refused may
// be a secret, and is not sent back.
type walletForm struct {
	complaint
	Card    walletCard
	Key     string
	From    string             // the first index to use, as it was written
	Preview desk.WalletPreview // the second step
	Step    int
}

// maxIndexText is as much as the page lets people write for the number of an address.
const maxIndexText = 10

// askWallet asks for a key.
func (s *Server) askWallet(ctx context.Context, r *request) (view, error) {
	card, err := s.receivable(ctx, r)
	if err != nil {
		return view{}, err
	}
	return s.walletsWith(ctx, r, "wallets_new.html", walletForm{Card: card, Step: 1})
}

// receivable is the coin that a request is about, if a wallet can be made for it.
func (s *Server) receivable(ctx context.Context, r *request) (walletCard, error) {
	if err := mayChange(r); err != nil {
		return walletCard{}, err
	}
	cards, err := s.walletCards(ctx, r.Person.Actor())
	if err != nil {
		return walletCard{}, err
	}
	i := slices.IndexFunc(cards, func(c walletCard) bool { return c.Coin.Symbol == r.PathValue("coin") && c.Receivable() })
	if i < 0 {
		return walletCard{}, paybell.Errorf(paybell.NotFound, "there is no such coin that this server could receive")
	}
	return cards[i], nil
}

// newWallet shows what would come of a key; or, when somebody has compared, adds the
// wallet.
func (s *Server) newWallet(w http.ResponseWriter, r *request) error {
	card, err := s.receivable(r.Context(), r)
	if err != nil {
		return err
	}
	f := walletForm{Card: card, From: r.field("from"), Step: 1}
	in := desk.NewWallet{Currency: card.Coin.ID, Key: r.field("key"), FirstAddress: r.field("first")}
	if card.Live {
		in.Policy = &card.Wallet.Policy // a new key is no new opinion
	}
	var fromErr error
	if in.From, fromErr = readIndex("from", f.From); fromErr == nil && in.FirstAddress != "" {
		if _, err = s.Desk.AddWallet(r.Context(), r.Person.Actor(), in); err == nil {
			return done(w, walletsPath, f.done())
		}
	}
	failed := errors.Join(fromErr, err)
	if fromErr != nil && len(f.From) > maxIndexText {
		f.From = "" // no number that was mistyped; it may be a key
	}
	f.Preview, err = s.Desk.PreviewWallet(r.Context(), r.Person.Actor(), in)
	if err == nil {
		f.Key = f.Preview.Key // public, and in its one form
		err = failed
		if fromErr == nil {
			f.Step = 2
		}
	}
	if err == nil {
		return s.showWalletForm(w, r, http.StatusOK, f)
	}
	if f.complaint = complainOfKey(err); f.Wrong == "" {
		return err
	}
	return s.showWalletForm(w, r, http.StatusUnprocessableEntity, f)
}

func (s *Server) showWalletForm(w http.ResponseWriter, r *request, status int, f walletForm) error {
	v, err := s.walletsWith(r.Context(), r, "wallets_new.html", f)
	if err != nil {
		return err
	}
	return s.show(w, r, status, v)
}

// done says what was done.
func (f walletForm) done() string {
	if f.Card.Live {
		return "The key for " + f.Card.Coin.Name + " is replaced: new payments go to the new one. The old addresses stay watched for ever."
	}
	return "Your " + f.Card.Coin.Name + " wallet is live: buyers can pay with " + f.Card.Coin.Symbol + "."
}

// complainOfKey is complain; what is said of a key are whole sentences already.
func complainOfKey(err error) complaint {
	c := complain(err, map[string]string{"from": "The first number", "firstAddress": "The first address"})
	var ours *paybell.Error
	if c.Bad["key"] && errors.As(err, &ours) {
		c.Wrong = sentence(ours.Fields["key"])
	}
	return c
}

// readIndex is the number of an address; nil: none was given.
func readIndex(field, text string) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < 0 || n > desk.MaxFrom):
		return nil, paybell.InvalidField(field, "must be 0 to %s", thousands(strconv.Itoa(desk.MaxFrom)))
	case err != nil:
		return nil, paybell.InvalidField(field, "is not a number: write digits, like 20")
	}
	return &n, nil
}

// Keys is what a public key begins with on the coin's chain.
func (f walletForm) Keys() string {
	switch litecoin := f.Card.Coin.Network == paybell.LitecoinNetwork; {
	case litecoin && f.Card.Chain.Test:
		return "tpub, upub, vpub or ttub"
	case litecoin:
		return "zpub, Ltub, Mtub, xpub or ypub"
	case f.Card.Chain.Test:
		return "tpub, upub or vpub"
	}
	return "xpub, ypub or zpub"
}

// Compared are the first addresses, cut into groups of four: eyes find their place
// in them.
func (f walletForm) Compared() (all [][]string) {
	for _, address := range f.Preview.Addresses {
		var groups []string
		for group := range slices.Chunk([]byte(address), 4) {
			groups = append(groups, string(group))
		}
		all = append(all, groups)
	}
	return all
}

// Ordinal is how an address is called.
func (f walletForm) Ordinal(i int) string { return [...]string{"First", "Second", "Third"}[i] }

// Begins says at which address payments begin.
func (f walletForm) Begins() string {
	n := strconv.FormatInt(f.Preview.First, 10)
	switch {
	case !f.Preview.Checked:
		return "The node cannot tell which addresses were used before. Payments begin at number " + n + "."
	case f.Preview.First == 0:
		return "None of its addresses was used before. Payments begin at number 0, the first."
	}
	return "Addresses that were used before are left out. Payments begin at number " + n + "."
}

// Other is the same key, for another kind of address.
type otherKind struct{ Name, Key string }

// kinds are those of one key: the name for people, and the descriptor around it.
var kinds = []struct{ name, form string }{
	{"Native SegWit", "wpkh"}, {"Taproot", "tr"}, {"Nested SegWit", "sh(wpkh"}, {"Legacy", "pkh"},
}

// Kinds are the other kinds of address that the key could be for; none of a multisig.
func (f walletForm) Kinds() (all []otherKind) {
	form, inner, ok := splitKey(f.Preview.Key)
	for _, k := range kinds {
		if ok && k.form != form {
			all = append(all, otherKind{k.name, k.form + "(" + inner + strings.Repeat(")", strings.Count(k.form, "(")+1)})
		}
	}
	return all
}

// splitKey takes what is around the one key of a descriptor off; not ok: it has
// several keys.
func splitKey(descriptor string) (form, inner string, ok bool) {
	body, _, _ := strings.Cut(descriptor, "#")
	for _, k := range kinds {
		if inner, found := strings.CutPrefix(body, k.form+"("); found {
			return k.form, strings.TrimRight(inner, ")"), true
		}
	}
	return "", "", false
}
