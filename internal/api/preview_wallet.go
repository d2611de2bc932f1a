package api

import "net/http"

// previewWallet shows what a key would come to, for comparison with the merchant's
// own wallet program. It changes nothing.
func (s *Server) previewWallet(w http.ResponseWriter, r *request) error {
	in, err := readWallet(r.body)
	if err != nil {
		return err
	}
	v, err := s.Desk.PreviewWallet(r.Context(), r.actor, in)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, previewJSON{v.Coin.ID, v.Chain, v.Test, v.Kind, v.Key, v.Addresses, v.First, v.Checked})
}

type previewJSON struct {
	CurrencyID string   `json:"currencyId"`
	Chain      string   `json:"chain"`
	Test       bool     `json:"test"`
	Kind       string   `json:"kind"`
	Key        string   `json:"key"` // in its one form
	Addresses  []string `json:"addresses"`
	First      int64    `json:"first"`   // index that the first payment will get
	Checked    bool     `json:"checked"` // a node could tell which addresses were used before
}
