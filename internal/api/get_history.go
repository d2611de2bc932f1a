package api

import (
	"net/http"
	"strconv"

	"github.com/paybell/paybell"
)

// getHistory lists what happened to an invoice, oldest first.
func (s *Server) getHistory(w http.ResponseWriter, r *request) error {
	limit, err := readLimit(r)
	if err != nil {
		return err
	}
	after := 0
	if cursor := r.URL.Query().Get("after"); cursor != "" {
		if after, err = strconv.Atoi(cursor); err != nil || after < 0 {
			return errCursor
		}
	}
	told, err := s.Desk.InvoiceHistory(r.Context(), r.actor, r.PathValue("id"), after, limit)
	if err != nil {
		return err
	}
	items := []historyJSON{}
	for _, n := range told {
		items = append(items, historyJSON{stamp(n.At), eventType(n.Event), historyExtraJSON{n.ID, n.Event.String(), n.Version}})
	}
	next := ""
	if len(told) == limit {
		next = strconv.Itoa(told[limit-1].Version)
	}
	return reply(w, http.StatusOK, listJSON[historyJSON]{items, s.paging(r, limit, next)})
}

// historyJSON is one step: contract 3.6.
type historyJSON struct {
	Timestamp string           `json:"timestamp"`
	EventType string           `json:"eventType"`
	Paybell   historyExtraJSON `json:"paybell"`
}

// historyExtraJSON names the notification that told of the step.
type historyExtraJSON struct {
	NotificationID string `json:"notificationId"`
	Event          string `json:"event"`
	Version        int    `json:"version"`
}

// eventType is an event in the words of CoinPayments' history. What it has no
// word for is an update.
func eventType(e paybell.Event) string {
	switch e {
	case paybell.InvoiceCreated:
		return "created"
	case paybell.InvoicePending:
		return "pending"
	case paybell.InvoicePaid:
		return "paid"
	case paybell.InvoiceCompleted:
		return "completed"
	case paybell.InvoiceCancelled:
		return "cancelled"
	case paybell.InvoiceTimedOut:
		return "timedOut"
	}
	return "updated"
}
