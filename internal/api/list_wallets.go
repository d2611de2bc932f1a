package api

import (
	"net/http"

	"github.com/paybell/paybell"
)

// listWallets is what shop plugins call to test the connection: any good
// signature will do. Merchants have no wallets to show yet.
func (s *Server) listWallets(w http.ResponseWriter, r *request) error {
	if r.actor.Permissions&paybell.GetWallets == 0 {
		return paybell.Errorf(paybell.Forbidden, "this integration lacks the permission %v; grant it to the integration first", paybell.GetWallets.Names())
	}
	return reply(w, http.StatusOK, []struct{}{})
}
