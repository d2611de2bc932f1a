package api

import (
	"net/http"
	"strconv"
)

// listWallets answers with a plain list. Shop plugins call it to test the
// connection: any good signature will do.
func (s *Server) listWallets(w http.ResponseWriter, r *request) error {
	all, err := s.Desk.ListWallets(r.Context(), r.actor)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	if skip, err := strconv.ParseUint(query.Get("skip"), 10, 31); err == nil {
		all = all[min(int(skip), len(all)):]
	}
	if take, err := strconv.ParseUint(query.Get("take"), 10, 31); err == nil {
		all = all[:min(int(take), len(all))]
	}
	list := []walletJSON{}
	for _, v := range all {
		list = append(list, newWalletJSON(v))
	}
	return reply(w, http.StatusOK, list)
}
