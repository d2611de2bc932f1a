package api

import (
	"net/http"

	"github.com/paybell/paybell"
)

// listWallets is what shop plugins call to test the connection: any good
// signature will do. Merchants have no wallets to show yet.
func (s *Server) listWallets(w http.ResponseWriter, r *request) error {
	if err := r.actor.Uses(paybell.GetWallets); err != nil {
		return err
	}
	return reply(w, http.StatusOK, []struct{}{})
}
