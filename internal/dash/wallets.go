package dash

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

const walletsPath = "/dash/wallets"

func (s *Server) walletRoutes() []route {
	return []route{
		{"GET " + walletsPath, s.page(s.wallets)},
		{"GET " + walletsPath + "/new/{coin}", s.page(s.askWallet)},
		{"POST " + walletsPath + "/new/{coin}", s.newWallet},
		{"GET " + walletsPath + "/confirmations/{wallet}", s.page(s.askPolicy)},
		{"POST " + walletsPath + "/confirmations/{wallet}", s.setPolicy},
		{"GET " + walletsPath + "/remove/{wallet}", s.page(s.askRemoveWallet)},
		{"POST " + walletsPath + "/remove/{wallet}", s.removeWallet},
		{"POST " + walletsPath + "/test-coin", s.offerTestCoin},
		{"POST " + walletsPath + "/mine", s.mineBlocks},
		{"GET " + walletsPath + "/terms/{client}", s.page(s.askTerms)},
		{"POST " + walletsPath + "/terms/{client}", s.setTerms},
	}
}

// walletsPage is what buyers can pay with, and by which terms. Pop is the pop-up over
// it; nil is none.
type walletsPage struct {
	Cards   []walletCard
	Test    testCoin
	Others  []otherCoin        // that cannot be received here
	Prices  []paybell.Currency // what invoices can be priced in besides
	Clients []paybell.Client
	Pop     any
}

// Absent are the other coins that no server can watch yet.
func (p walletsPage) Absent() (all []otherCoin) {
	for _, c := range p.Others {
		if c.Do == "" {
			all = append(all, c)
		}
	}
	return all
}

// walletCard is a coin that this server can watch, or could once, with the merchant's
// wallet for it.
type walletCard struct {
	Coin   paybell.Currency
	Chain  desk.ChainStatus
	Live   bool            // there is a wallet
	Wallet desk.WalletView // if there is
}

// testCoin is the coin that is worth nothing.
type testCoin struct {
	paybell.Currency
	Completed          int // confirmations
	Height             int64
	Offered, Choosable bool // to buyers; and whether that can be chosen
}

// otherCoin is one that cannot be received here, and what would have to be done.
type otherCoin struct {
	paybell.Currency
	Do string // for who runs the server; empty: nothing helps
}

// wallets is for all who sign in. It holds no secrets: there are only keys to
// receive with.
func (s *Server) wallets(ctx context.Context, r *request) (view, error) {
	return s.walletsWith(ctx, r, "wallets.html", nil)
}

// walletsWith is the page with a pop-up, which the template draws over it.
func (s *Server) walletsWith(ctx context.Context, r *request, template string, pop any) (view, error) {
	p, err := s.walletsPage(ctx, r.Person.Actor())
	p.Pop = pop
	return view{Template: template, Title: "Wallets & coins", Area: "wallets", Data: p}, err
}

func (s *Server) walletsPage(ctx context.Context, a desk.Actor) (p walletsPage, err error) {
	if p.Cards, err = s.walletCards(ctx, a); err != nil {
		return p, err
	}
	for _, c := range paybell.Currencies() {
		switch {
		case c.Type == paybell.Fiat:
			p.Prices = append(p.Prices, c)
		case c.Test:
			p.Test.Currency = c
		case !slices.ContainsFunc(p.Cards, func(card walletCard) bool { return card.Coin == c }):
			p.Others = append(p.Others, newOtherCoin(c))
		}
	}
	_, p.Test.Completed = paybell.DefaultPolicy(p.Test.Currency).Required(paybell.Units{})
	if p.Test.Offered, p.Test.Choosable, err = s.Desk.TestCoin(ctx, a); err != nil {
		return p, err
	}
	if _, p.Test.Height, err = s.Desk.LatestBlock(ctx, a.MerchantID, p.Test.ID); err != nil {
		return p, err
	}
	p.Clients, err = s.Desk.Clients(ctx, a)
	return p, err
}

// walletCards are those of the coins that this server watches, and of those that the
// merchant has a wallet for.
func (s *Server) walletCards(ctx context.Context, a desk.Actor) (cards []walletCard, err error) {
	chains, err := s.Desk.Chains(ctx)
	if err != nil {
		return nil, err
	}
	wallets, err := s.Desk.ListWallets(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, c := range paybell.Currencies() {
		card := walletCard{Coin: c}
		if i := slices.IndexFunc(wallets, func(w desk.WalletView) bool { return w.Network == c.Network }); i >= 0 {
			card.Live, card.Wallet, card.Chain = true, wallets[i], wallets[i].Chain
		} else if i := slices.IndexFunc(chains, func(n desk.ChainStatus) bool { return n.Network == c.Network }); i >= 0 {
			card.Chain = chains[i]
		}
		if c.Network != "" && !c.Test && (card.Live || card.Receivable()) {
			cards = append(cards, card)
		}
	}
	return cards, nil
}

func newOtherCoin(c paybell.Currency) otherCoin {
	if c.Network == "" {
		return otherCoin{Currency: c}
	}
	return otherCoin{c, "--" + c.Network + "-node"}
}

// Receivable reports whether a wallet can be made for the coin.
func (c walletCard) Receivable() bool { return c.Chain.Network != "" && !c.Chain.Unwatched }

// Trouble is what is wrong with how the coin's chain is watched.
func (c walletCard) Trouble() string {
	if c.Live && c.Wallet.Kind == "" && !c.Chain.Unwatched {
		return fmt.Sprintf("This key is not for %s, the %s network that this server watches now, so buyers are not offered %s. "+
			"Give a key that is for it; or if the key is right, whoever runs the server must start it with a node of the key's network.", c.Chain.Chain, c.Coin.Name, c.Coin.Symbol)
	}
	return chainTrouble(c.Chain)
}

// Halted reports whether nothing goes on until somebody decides.
func (c walletCard) Halted() bool { return c.Chain.Halted }

// Height is that of the last block that was looked at, to be read.
func (c walletCard) Height() string { return thousands(strconv.FormatInt(c.Chain.Height, 10)) }

// Words say what the wallet's confirmations mean.
func (c walletCard) Words() []string { return desk.PolicyInWords(c.Coin, c.Wallet.Policy) }

// KeyName is the key as people know it: its ends, without what a descriptor has around.
func (c walletCard) KeyName() string {
	form, inner, _ := splitKey(c.Wallet.Key)
	if form == "" {
		return short(c.Wallet.Key)
	}
	key, _, _ := strings.Cut(inner[strings.IndexByte(inner, ']')+1:], "/")
	return short(key)
}

// Gap is how many of the newest addresses got no money, in words.
func (c walletCard) Gap() string {
	if c.Wallet.Gap >= 1000 { // nobody counts further
		return "1,000 or more"
	}
	return strconv.Itoa(c.Wallet.Gap)
}

// GapLimit is what the gap limit of the merchant's wallet program should be at least:
// with some room, so that it is not to be raised again tomorrow.
func (c walletCard) GapLimit() string {
	return thousands(strconv.Itoa((c.Wallet.Gap + paybell.MaxGap + 9) / 10 * 10))
}

// chainTrouble says what is wrong with how a network is watched, and what to do, in
// fixed moments; empty: nothing is.
func chainTrouble(c desk.ChainStatus) string {
	name := networkName(c.Network)
	since := "never yet"
	if !c.ScannedAt.IsZero() {
		since = moment(c.ScannedAt)
	}
	const safe = " No money is lost: payments are recognised when it is seen again, and buyers get the time back."
	switch {
	case c.Unwatched:
		return fmt.Sprintf("This server was started without a %s node, so payments in %s are not seen. The last look was: %s. Start it with --%s-node.%s", name, name, since, c.Network, safe)
	case c.Halted:
		return fmt.Sprintf("Watching the %s network is halted since %s, and goes on only when somebody decides. Ship nothing for payments in %s until then. The reason: %s", name, moment(c.TroubleSince), name, troubleText(c))
	case c.Trouble != "":
		return fmt.Sprintf("The %s network cannot be looked at since %s. The reason: %s See to the node; on the server, paybell chain status tells more.%s", name, moment(c.TroubleSince), troubleText(c), safe)
	case c.Delayed && c.ScannedAt.IsZero():
		return fmt.Sprintf("The %s network was not looked at yet, so its coin cannot be chosen. That takes a moment after the first start; if it stays so, see to the node.", name)
	case c.Delayed:
		return fmt.Sprintf("The %s network was not looked at since %s. Is the Paybell server running that watches it?%s", name, since, safe)
	}
	return ""
}

// troubleText is what a chain says of its nodes, one after the other.
func troubleText(c desk.ChainStatus) string {
	return sentence(clipTo(strings.ReplaceAll(c.Trouble, "\n", "; "), 600))
}

// networkName is what people call a network: by its coin.
func networkName(network string) string {
	for _, c := range paybell.Currencies() {
		if c.Network == network {
			return c.Name
		}
	}
	return network
}

// offerTestCoin says whether buyers are offered the test coin beside the real ones.
func (s *Server) offerTestCoin(w http.ResponseWriter, r *request) error {
	if err := mayChange(r); err != nil {
		return err
	}
	offer := r.field("offer") == "yes"
	if err := s.Desk.OfferTestCoin(r.Context(), r.Person.Actor(), offer); err != nil {
		return err
	}
	text := "Buyers are not offered the test coin any more."
	if offer {
		text = "Buyers are offered the test coin, too. What is paid with it is marked as a test."
	}
	return done(w, walletsPath, text)
}

// mineBlocks mines on the merchant's test ledger.
func (s *Server) mineBlocks(w http.ResponseWriter, r *request) error {
	blocks, err := strconv.Atoi(r.field("blocks"))
	if err != nil {
		return paybell.Errorf(paybell.Invalid, "say how many blocks to mine")
	}
	height, err := s.Desk.MineSandbox(r.Context(), r.Person.Actor(), blocks)
	if err != nil {
		return err
	}
	return done(w, walletsPath, fmt.Sprintf("Mined %s: the test ledger's height is %d.", count(blocks, "block"), height))
}
