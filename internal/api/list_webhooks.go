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
	hooks, err := s.Desk.Webhooks(r.Context(), r.actor, r.PathValue("clientId"), wanted)
	if err != nil {
		return err
	}
	items := []webhookJSON{}
	for _, h := range hooks {
		items = append(items, webhookJSON{h.ID, h.URL, h.Events.Names(), h.CreatedFromUI})
	}
	// All of them are on one page: there are not more.
	return reply(w, http.StatusOK, listJSON[webhookJSON]{items, s.paging(r, paybell.MaxWebhooksPerClient, "")})
}

type webhookJSON struct {
	ID               string   `json:"id"`
	NotificationsURL string   `json:"notificationsUrl"`
	Notifications    []string `json:"notifications"`
	CreatedFromUI    bool     `json:"createdFromUI"`
}
