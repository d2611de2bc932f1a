package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// listCurrencies answers with a plain list: that is what most clients read.
func (s *Server) listCurrencies(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	search := strings.ToLower(query.Get("q"))
	types, capabilities := split(query.Get("types")), split(query.Get("capabilities"))
	list := []currencyJSON{}
	for _, c := range paybell.Currencies() {
		j := newCurrencyJSON(c, s.Desk.Watches(c))
		if strings.Contains(strings.ToLower(c.ID+"\n"+c.Symbol+"\n"+c.Name), search) &&
			(len(types) == 0 || slices.Contains(types, string(c.Type))) && j.can(capabilities) {
			list = append(list, j)
		}
	}
	return reply(w, http.StatusOK, list)
}

func (s *Server) getCurrency(w http.ResponseWriter, r *request) error {
	c, err := desk.FindCurrency(r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newCurrencyJSON(c, s.Desk.Watches(c)))
}

// merchantCurrencies are those that the merchant's buyers can pay with.
func (s *Server) merchantCurrencies(w http.ResponseWriter, r *request) error {
	coins, err := s.Desk.Coins(r.Context(), r.actor.MerchantID)
	if err != nil {
		return err
	}
	required, err := s.Desk.RequiredConfirmations(r.Context(), r.actor.MerchantID)
	if err != nil {
		return err
	}
	list := []currencyJSON{}
	for _, c := range coins {
		j := newCurrencyJSON(c, true)
		j.RequiredConfirmations = required[c.ID]
		list = append(list, j)
	}
	return reply(w, http.StatusOK, list)
}

// conversions are none: buyers pay in the coin that the merchant receives.
func (s *Server) conversions(w http.ResponseWriter, _ *request) error {
	return reply(w, http.StatusOK, []struct{}{})
}

// limits says which amounts of one currency an invoice can ask for that is paid
// in another.
func (s *Server) limits(w http.ResponseWriter, r *request) error {
	least, most, err := s.Desk.Limits(r.Context(), r.PathValue("from"), r.PathValue("to"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, limitsJSON{number(least), number(most)})
}

type limitsJSON struct {
	Min json.Number `json:"min"`
	Max json.Number `json:"max"`
}

// blockchainFee is what sending from here costs: nothing, since nothing is sent.
func (s *Server) blockchainFee(w http.ResponseWriter, r *request) error {
	c, err := desk.FindCurrency(r.PathValue("id"))
	if err != nil {
		return err
	}
	if c.Type == paybell.Fiat {
		return paybell.Errorf(paybell.NotFound, "%s has no blockchain", c.Symbol)
	}
	return reply(w, http.StatusOK, newMoneyJSON(c, decimal.Zero))
}

func (s *Server) latestBlock(w http.ResponseWriter, r *request) error {
	c, height, err := s.Desk.LatestBlock(r.Context(), "", r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, latestBlockJSON{c.ID, height})
}

type latestBlockJSON struct {
	CurrencyID        string `json:"currencyId"`
	LatestBlockNumber int64  `json:"latestBlockNumber"`
}

// requiredConfirmations are the usual ones, and for who signed those of their wallets.
func (s *Server) requiredConfirmations(w http.ResponseWriter, r *request) error {
	required, err := s.Desk.RequiredConfirmations(r.Context(), r.actor.MerchantID)
	if err != nil {
		return err
	}
	type item struct {
		CurrencyID         string `json:"currencyId"`
		ConfirmationsCount int    `json:"confirmationsCount"`
	}
	list := []item{}
	for _, c := range paybell.Currencies() {
		if c.Type != paybell.Fiat {
			list = append(list, item{c.ID, required[c.ID]})
		}
	}
	return reply(w, http.StatusOK, list)
}

// currencyJSON is a currency: contract 2.3.
type currencyJSON struct {
	currencyBriefJSON
	Type                  paybell.CurrencyType `json:"type"`
	Logo                  logoJSON             `json:"logo"`
	Rank                  int                  `json:"rank"`
	Status                string               `json:"status"`
	Capabilities          []string             `json:"capabilities"`
	URLs                  urlsJSON             `json:"urls"`
	RequiredConfirmations int                  `json:"requiredConfirmations"`
	IsEnabledForPayment   bool                 `json:"isEnabledForPayment"`
}

// currencyBriefJSON is what is said of a currency everywhere.
type currencyBriefJSON struct {
	ID            string `json:"id"`
	Symbol        string `json:"symbol"`
	Name          string `json:"name"`
	DecimalPlaces int32  `json:"decimalPlaces"`
}

type logoJSON struct {
	ImageURL  *string `json:"imageUrl"`
	VectorURL *string `json:"vectorUrl"`
}

type urlsJSON struct {
	Websites  []string `json:"websites"`
	Explorers []string `json:"explorers"`
}

func briefly(c paybell.Currency) currencyBriefJSON {
	return currencyBriefJSON{c.ID, c.Symbol, c.Name, c.Decimals}
}

// payable says whether it can be paid with: by the merchant that the currency is
// shown of, or by any at all.
func newCurrencyJSON(c paybell.Currency, payable bool) currencyJSON {
	j := currencyJSON{
		currencyBriefJSON: briefly(c), Type: c.Type, Rank: c.Rank, Status: "active", Capabilities: []string{},
		URLs: urlsJSON{[]string{}, []string{}}, RequiredConfirmations: c.Confirmations, IsEnabledForPayment: payable,
	}
	if payable {
		j.Capabilities = append(j.Capabilities, "payments")
	}
	return j
}

// can reports whether the currency has all the capabilities.
func (j currencyJSON) can(all []string) bool {
	return !slices.ContainsFunc(all, func(one string) bool { return !slices.Contains(j.Capabilities, one) })
}
