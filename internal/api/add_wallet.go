package api

import "net/http"

// addWallet takes the first address that the merchant's own wallet program shows as
// the proof that somebody compared. Sent again it changes nothing.
func (s *Server) addWallet(w http.ResponseWriter, r *request) error {
	in, err := readWallet(r.body)
	if err != nil {
		return err
	}
	v, err := s.Desk.AddWallet(r.Context(), r.actor, in)
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, newWalletJSON(v))
}
