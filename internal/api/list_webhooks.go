package api

import (
	"net/http"

	"github.com/paybell/paybell"
)

func (s *Server) listWebhooks(w http.ResponseWriter, r *request) error {
	var wanted paybell.Events
	if types := split(r.URL.Query().Get("type")); len(types) > 0 {
		var err error
		if wanted, err = paybell.ParseEvents("type", types); err != nil {
			return err
		}
	}
	invoiceID := r.URL.Query().Get("invoiceId") // Paybell's own: those given with an invoice
	if invoiceID != "" {
		var ok bool
		if invoiceID, ok = paybell.ParseUUID(invoiceID); !ok {
			return paybell.InvalidField("invoiceId", "is not the id of an invoice")
		}
	}
	hooks, err := s.Desk.Webhooks(r.Context(), r.actor, r.PathValue("clientId"), invoiceID, wanted)
	if err != nil {
		return err
	}
	items := []webhookJSON{}
	for _, h := range hooks {
		items = append(items, newWebhookJSON(h))
	}
	// All of them are on one page: there are not more.
	return reply(w, http.StatusOK, listJSON[webhookJSON]{items, s.paging(r, paybell.MaxWebhooksPerClient, "")})
}
