package api

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// publicURL is what links begin with, without a slash at its end.
func (s *Server) publicURL(r *request) string {
	if len(s.PublicURLs) > 0 {
		return strings.TrimRight(s.PublicURLs[0], "/")
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// listJSON is a page of a list.
type listJSON[T any] struct {
	Items  []T        `json:"items"`
	Paging pagingJSON `json:"paging"`
}

// pagingJSON leads through a list. Lists are read forwards only: next is all
// that a client needs.
type pagingJSON struct {
	Cursors  cursorsJSON `json:"cursors"`
	Limit    int         `json:"limit"`
	First    string      `json:"first"`
	Next     *string     `json:"next"`
	Previous *string     `json:"previous"`
	Last     *string     `json:"last"`
}

type cursorsJSON struct {
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// paging leads on behind the cursor after; empty: this is the last page.
func (s *Server) paging(r *request, limit int, after string) pagingJSON {
	query := r.URL.Query()
	query.Del("after")
	p := pagingJSON{Limit: limit, First: s.link(r, query)}
	if after != "" {
		query.Set("after", after)
		next := s.link(r, query)
		p.Cursors.After, p.Next = &after, &next
	}
	return p
}

func (s *Server) link(r *request, query url.Values) string {
	link := s.publicURL(r) + r.URL.EscapedPath()
	if len(query) > 0 {
		link += "?" + query.Encode()
	}
	return link
}

// defaultLimit is how many things a page has when the query does not say.
const defaultLimit = 25

// readLimit is how many things a page is to have. The most is the desk's to say.
func readLimit(r *request) (int, error) {
	limit := r.URL.Query().Get("limit")
	if limit == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(limit)
	if err != nil {
		return 0, paybell.InvalidField("limit", "must be a number, like 25")
	}
	return n, nil
}

var errCursor = paybell.InvalidField("after", "is not a cursor of this list; take it from paging.cursors.after")

// newCursor names the place behind an invoice in the list of invoices. Clients
// take it as it is.
func newCursor(inv paybell.Invoice) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(inv.CreatedAt.UnixMicro(), 10) + "." + inv.ID))
}

// readCursor reads what newCursor wrote; nothing is the beginning of the list.
func readCursor(cursor string) (at time.Time, id string, err error) {
	if cursor == "" {
		return at, "", nil
	}
	plain, _ := base64.RawURLEncoding.DecodeString(cursor) // garbage fails below
	moment, id, _ := strings.Cut(string(plain), ".")
	us, err := strconv.ParseInt(moment, 10, 64)
	id, ok := paybell.ParseUUID(id)
	at = time.UnixMicro(us)
	if err != nil || !ok || us <= 0 || newCursor(paybell.Invoice{CreatedAt: at, ID: id}) != cursor {
		return time.Time{}, "", errCursor
	}
	return at, id, nil
}
