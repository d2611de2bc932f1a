package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// request is what an action gets: the HTTP request, and who asks.
type request struct {
	*http.Request
	id    string     // names this request in the log, in the answer's header and in problems
	actor desk.Actor // only on signed routes
	body  []byte     // of routes that read one; whole

	bearer bool // the route is for people
}

// action answers one request. It writes its answer as its last step and returns
// nil, or returns an error and writes nothing: serve then writes the problem.
type action func(w http.ResponseWriter, r *request) error

// serve makes a handler of an action: an id, a log line, one place for errors.
func (s *Server) serve(do action) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, hr *http.Request) {
		start := time.Now()
		w := &recorder{ResponseWriter: rw}
		r := &request{Request: hr, id: paybell.NewUUID(start)}
		w.Header().Set("X-Request-Id", r.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		err := web.Caught(func() error { return do(w, r) })
		if err != nil {
			s.fail(w, r, err)
		}
		s.logAccess(w, r, err, time.Since(start))
	})
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := paybell.Errorf(paybell.TooLarge, "The body has more than %d bytes, which is the most.", maxBody)
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	if rec, ok := w.(*recorder); ok {
		w = rec.ResponseWriter // MaxBytesReader tells net/http's own writer to close the connection
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &paybell.Error{Code: paybell.Invalid, Detail: "The body ended before it was complete.", Err: err}
	}
	return body, nil
}

// recorder remembers for the log what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int
}

// Unwrap lets http.ResponseController reach what is below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += n
	return n, err
}

// logAccess writes one line for each request: reads at Debug, the rest at Info.
// Bodies, headers and queries are never part of it, since they hold signatures,
// tokens and what buyers wrote.
func (s *Server) logAccess(w *recorder, r *request, err error, took time.Duration) {
	if s.Log == nil {
		return
	}
	level := slog.LevelInfo
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && err == nil {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("request", r.id), slog.String("method", cut(r.Method, 20)), slog.String("path", loggedPath(r)),
		slog.String("route", r.Pattern), slog.Int("status", w.status), slog.Int("bytes", w.bytes), slog.Duration("took", took),
	}
	if r.actor.ClientID != "" {
		attrs = append(attrs, slog.String("client", r.actor.ClientID))
	}
	if err != nil {
		attrs = append(attrs, slog.String("code", string(codeOf(r, err))))
	}
	s.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// loggedPath is the path of a request for the log: without what is no wallet's id
// where one belongs, since somebody may have written a key there.
func loggedPath(r *request) string {
	path := r.URL.Path
	if id := r.PathValue("walletId"); id != "" {
		if _, ok := paybell.ParseUUID(id); !ok {
			path = strings.Replace(path, id, "…", 1)
		}
	}
	return cut(path, 200)
}

// cut shortens a text to so many bytes, and not within a character.
func cut(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
