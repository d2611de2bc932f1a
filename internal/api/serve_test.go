package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// serveOnce runs an action under a server that logs everything, and gives back
// what was answered and what was logged.
func serveOnce(t *testing.T, r *http.Request, do action) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var log bytes.Buffer
	s := &Server{Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	w := httptest.NewRecorder()
	s.serve(do).ServeHTTP(w, r)
	return w, log.String()
}

func failing(err error) action { return func(http.ResponseWriter, *request) error { return err } }

func TestErrorsAsProblems(t *testing.T) {
	secret := errors.New("the cause nobody sees")
	for _, tc := range []struct {
		err        error
		status     int
		detail     string
		retryAfter string
		logged     string // level of the line about the failure; empty: none
	}{
		{paybell.InvalidField("amount.total", "is too %s", "odd"), 400, "amount.total: is too odd", "", ""},
		{paybell.Errorf(paybell.Unauthenticated, "who?"), 401, "who?", "", ""},
		{paybell.Errorf(paybell.Forbidden, "no"), 403, "no", "", ""},
		{paybell.Errorf(paybell.NotFound, "none"), 404, "none", "", ""},
		{paybell.Errorf(paybell.Conflict, "late"), 409, "late", "", ""},
		{paybell.Errorf(paybell.TooLarge, "big"), 413, "big", "", ""},
		{&paybell.Error{Code: paybell.RateLimited, Detail: "slow", RetryAfter: 90 * time.Second}, 429, "slow", "90", ""},
		{paybell.Errorf(paybell.NotSupported, "not here"), 501, "not here", "", ""},
		{&paybell.Error{Code: paybell.Unavailable, Detail: "the disk is full; nothing was written", RetryAfter: 1500 * time.Millisecond, Err: secret}, 503, "disk is full", "2", "WARN"},
		{&paybell.Error{Code: paybell.Unavailable, Detail: "too many writes are waiting"}, 503, "too many", "1", "WARN"},
		{fmt.Errorf("wrapped: %w", paybell.Errorf(paybell.Conflict, "inside")), 409, "inside", "", ""},
		{&paybell.Error{Code: paybell.Internal, Detail: "inner workings", Err: secret}, 500, "Something went wrong", "", "ERROR"},
		{&paybell.Error{Code: "new", Detail: "inner workings", Err: secret}, 500, "Something went wrong", "", "ERROR"},
		{secret, 500, "Something went wrong", "", "ERROR"},
		{fmt.Errorf("ask the store: %w", context.DeadlineExceeded), 503, "before its outcome was known", "1", "WARN"},
		{&methodError{[]string{"GET", "PUT"}}, 405, "GET, PUT only", "", ""},
	} {
		w, log := serveOnce(t, httptest.NewRequest("POST", "/x?token=hidden", nil), failing(tc.err))
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if w.Code != tc.status || p.Status != tc.status || !strings.Contains(p.Detail, tc.detail) || p.Title == "" || p.Type == "" {
			t.Errorf("%v: answered %d %+v, want %d with %q", tc.err, w.Code, p, tc.status, tc.detail)
		}
		if got := w.Header().Get("Retry-After"); got != tc.retryAfter {
			t.Errorf("%v: Retry-After %q, want %q", tc.err, got, tc.retryAfter)
		}
		if strings.Contains(w.Body.String(), "nobody sees") || strings.Contains(w.Body.String(), "inner workings") {
			t.Errorf("the cause is shown: %s", w.Body)
		}
		if logged := strings.Contains(log, `"msg":"a request `); logged != (tc.logged != "") || !strings.Contains(log, tc.logged) {
			t.Errorf("%v: logged %s, want a line of level %q", tc.err, log, tc.logged)
		}
		if tc.logged != "" && strings.Count(log, w.Header().Get("X-Request-Id")) != 2 {
			t.Errorf("the log does not name the request twice: %s", log)
		}
		if strings.Contains(log, "hidden") {
			t.Errorf("the query is logged: %s", log)
		}
	}
}

// The table answers every code there is.
func TestEveryCodeHasAStatus(t *testing.T) {
	for _, code := range []paybell.Code{
		paybell.Invalid, paybell.Unauthenticated, paybell.Forbidden, paybell.NotFound, paybell.Conflict, paybell.TooLarge,
		paybell.RateLimited, paybell.NotSupported, paybell.Unavailable, paybell.Internal,
	} {
		if statuses[code].status < 400 || statuses[code].title == "" {
			t.Errorf("%s has no status", code)
		}
	}
}

func TestFieldsOfAProblem(t *testing.T) {
	w, _ := serveOnce(t, httptest.NewRequest("GET", "/x", nil), failing(paybell.InvalidField("items[0].name", "is missing")))
	if !strings.Contains(w.Body.String(), `"errors":{"items[0].name":["is missing"]}`) {
		t.Errorf("got %s", w.Body)
	}
}

func TestPanics(t *testing.T) {
	w, log := serveOnce(t, httptest.NewRequest("GET", "/x", nil), func(http.ResponseWriter, *request) error { panic("dropped tea") })
	if w.Code != 500 || strings.Contains(w.Body.String(), "tea") || !strings.Contains(log, "dropped tea") || !strings.Contains(log, "serve_test.go") {
		t.Errorf("answered %d %s, logged %s", w.Code, w.Body, log)
	}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", p)
		}
	}()
	serveOnce(t, httptest.NewRequest("GET", "/x", nil), func(http.ResponseWriter, *request) error { panic(http.ErrAbortHandler) })
}

// What a client gave up is no error of ours, whatever the store says of it; a
// defect is one all the same.
func TestGivenUpRequests(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone := func() *http.Request { return httptest.NewRequest("POST", "/x", nil).WithContext(ctx) }
	for _, err := range []error{context.Canceled, fmt.Errorf("look up: %w", context.Canceled), errors.New("interrupted (9)")} {
		w, log := serveOnce(t, gone(), failing(err))
		if w.Code != 503 || strings.Contains(log, "ERROR") || strings.Contains(log, "WARN") {
			t.Errorf("%v: answered %d, logged %s", err, w.Code, log)
		}
	}
	_, log := serveOnce(t, gone(), func(http.ResponseWriter, *request) error { panic("dropped tea") })
	if !strings.Contains(log, "dropped tea") {
		t.Errorf("a panic is not logged when the client is gone: %s", log)
	}
}

// An error after the answer began cannot be told any more, but is logged.
func TestErrorsAfterTheAnswerBegan(t *testing.T) {
	w, log := serveOnce(t, httptest.NewRequest("GET", "/x", nil), func(w http.ResponseWriter, _ *request) error {
		w.WriteHeader(201)
		return errors.New("too late")
	})
	if w.Code != 201 || w.Body.Len() != 0 || !strings.Contains(log, "too late") {
		t.Errorf("answered %d %s, logged %s", w.Code, w.Body, log)
	}
}

func TestAccessLog(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/v1/x?token=hidden", strings.NewReader("hidden body"))
	r.Header.Set(paybell.HeaderSignature, "hidden signature")
	w, log := serveOnce(t, r, func(w http.ResponseWriter, r *request) error {
		r.actor.ClientID = "d0ccc52b8204460783d375e278082de2"
		return reply(w, 201, "hidden answer")
	})
	for _, want := range []string{`"level":"INFO"`, `"method":"POST"`, `"path":"/api/v1/x"`, `"status":201`, `"bytes":16`, `"client":"d0cc`, w.Header().Get("X-Request-Id")} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s: %s", want, log)
		}
	}
	if strings.Contains(log, "hidden") || strings.Count(log, "\n") != 1 {
		t.Errorf("logged %s", log)
	}
	for id, path := range map[string]string{"hidden": "/wallets/…/policy", "01a20ad2-2d8e-732f-920d-3ff58020e292": "/wallets/01a20ad2-2d8e-732f-920d-3ff58020e292/policy"} {
		r := httptest.NewRequest("GET", "/wallets/"+id+"/policy", nil)
		r.SetPathValue("walletId", id)
		if _, log := serveOnce(t, r, failing(paybell.Errorf(paybell.NotFound, "there is none"))); !strings.Contains(log, `"path":"`+path+`"`) || strings.Contains(log, "hidden") {
			t.Errorf("logged %s", log)
		}
	}
	if _, log := serveOnce(t, httptest.NewRequest("GET", "/x", nil), func(w http.ResponseWriter, _ *request) error { return say(w, "ok") }); !strings.Contains(log, "DEBUG") || !strings.Contains(log, `"status":200`) {
		t.Errorf("logged %s", log)
	}
	if _, log := serveOnce(t, httptest.NewRequest("GET", "/x", nil), failing(paybell.Errorf(paybell.NotFound, "hidden detail"))); !strings.Contains(log, "INFO") || !strings.Contains(log, `"code":"notFound"`) || strings.Contains(log, "hidden") {
		t.Errorf("logged %s", log)
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	w, _ := serveOnce(t, httptest.NewRequest("GET", "/x", nil), failing(errors.New("x")))
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers are %v", w.Header())
	}
}

// Who announces too much is told before sending it.
func TestAnnouncedSize(t *testing.T) {
	r := httptest.NewRequest("POST", "/x", nil)
	r.ContentLength, r.Body = maxBody+1, unreadable{t}
	if _, err := readBody(httptest.NewRecorder(), r); paybell.CodeOf(err) != paybell.TooLarge {
		t.Errorf("got %v", err)
	}
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) { u.t.Error("the body is read"); return 0, io.EOF }
func (u unreadable) Close() error             { return nil }

func TestFinished(t *testing.T) {
	now := time.Now()
	old := now.Add(-finishedFor - time.Second)
	for _, tc := range []struct {
		inv  paybell.Invoice
		want bool
	}{
		{paybell.Invoice{CreatedAt: old}, false}, {paybell.Invoice{CompletedAt: old}, true}, {paybell.Invoice{CancelledAt: old}, true},
		{paybell.Invoice{TimedOutAt: old}, true}, {paybell.Invoice{CompletedAt: now.Add(-finishedFor)}, false},
	} {
		if got := finished(&tc.inv, now); got != tc.want {
			t.Errorf("%+v: %v", tc.inv, got)
		}
	}
}

func TestFirstSeen(t *testing.T) {
	at := func(payment string, second int) paybell.Transfer {
		return paybell.Transfer{PaymentID: payment, SeenAt: time.Unix(int64(second), 0)}
	}
	inv := &paybell.Invoice{Transfers: []paybell.Transfer{at("b", 1), at("a", 5), at("a", 3), at("a", 4)}}
	if got := firstSeen(inv, paybell.Payment{ID: "a"}); got.Unix() != 3 {
		t.Errorf("first seen at %v", got)
	}
	if got := firstSeen(inv, paybell.Payment{ID: "c"}); !got.IsZero() {
		t.Errorf("first seen at %v, but nothing came", got)
	}
}
