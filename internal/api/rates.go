package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// rates answers with every pair of from and to; either left out means all
// currencies. Pairs that have no rate are left out, unless that leaves nothing.
func (s *Server) rates(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	at, err := readTime("pointInTime", query.Get("pointInTime"))
	if err != nil {
		return err
	}
	if at == nil {
		at = &time.Time{}
	} else if at.After(time.Now()) {
		return paybell.InvalidField("pointInTime", "is in the future")
	}
	from, err := readCurrencies("from", query.Get("from"))
	if err != nil {
		return err
	}
	to, err := readCurrencies("to", query.Get("to"))
	if err != nil {
		return err
	}
	items := []rateJSON{}
	var missing error
	for _, base := range from {
		for _, quote := range to {
			rate, err := s.Desk.Quote.Rate(r.Context(), base, quote, *at)
			if err != nil {
				missing = err
				continue
			}
			items = append(items, newRateJSON(base.ID, quote.ID, rate.String()))
		}
	}
	if len(items) == 0 && missing != nil {
		return missing
	}
	return reply(w, http.StatusOK, map[string]any{"items": items})
}

// readCurrencies reads a list of ids or symbols, each currency once.
func readCurrencies(field, list string) ([]paybell.Currency, error) {
	if list == "" {
		return paybell.Currencies(), nil
	}
	var found []paybell.Currency
	seen := map[string]bool{}
	for _, ref := range split(list) {
		c, ok := paybell.FindCurrency(ref)
		if !ok {
			return nil, paybell.InvalidField(field, "%.60q is not a currency known here; see GET /api/v1/currencies", ref)
		}
		if !seen[c.ID] {
			seen[c.ID] = true
			found = append(found, c)
		}
	}
	return found, nil
}

// rateJSON says how many units of quote one unit of base is worth.
type rateJSON struct {
	BaseCurrencyID  string  `json:"baseCurrencyId"`
	QuoteCurrencyID string  `json:"quoteCurrencyId"`
	Rate            string  `json:"rate"`
	BaseToken       *string `json:"baseToken"` // contract of a token
	QuoteToken      *string `json:"quoteToken"`
}

func newRateJSON(base, quote, rate string) rateJSON {
	_, baseToken, _ := strings.Cut(base, ":")
	_, quoteToken, _ := strings.Cut(quote, ":")
	return rateJSON{base, quote, rate, nullable(baseToken), nullable(quoteToken)}
}
