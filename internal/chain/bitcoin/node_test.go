package bitcoin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeNode is a server in the place of a node, and how it is asked.
func fakeNode(t *testing.T, answer http.HandlerFunc) *Node {
	t.Helper()
	n, err := NewNode(strings.Replace(serve(t, answer), "http://", "http://user:hunter2@", 1), "")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// serve starts a server and returns its address.
func serve(tb testing.TB, answer http.Handler) string {
	tb.Helper()
	s := httptest.NewServer(answer)
	tb.Cleanup(s.Close)
	return s.URL
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// refused fails the test unless err says a thing in plain words, and no secret.
func refused(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got the error %v, want one with %q and no secret", err, words)
	}
}

func TestNodeAddress(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:8332", "ftp://user:hunter2@127.0.0.1", "http://", "http://user:hunter2@%zz", "http://user:hunter2@127.0.0.1:port"} {
		_, err := NewNode(address, "")
		refused(t, err, "looks like http://user:password@127.0.0.1:8332")
	}
	_, err := NewNode("http://127.0.0.1:8332", "")
	refused(t, err, "needs a user and password")
	n, err := NewNode("https://user:hunter2@node.example/wallet", "")
	if err != nil || n.String() != "https://node.example/wallet" {
		t.Errorf("%s, %v", n, err)
	}
}

func TestNodeThatMisbehaves(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		words  string
	}{
		"wrong password": {says(401, "401 Unauthorized.\n"), "refuses the user and password"},
		"not allowed":    {says(403, ""), "rpcallowip"},
		"too busy":       {says(503, "503 Too busy.  Try again later.\n"), "answers 503 Service Unavailable, not JSON"},
		"empty":          {says(200, ""), "answers 200 OK, not JSON"},
		"blank":          {says(200, " \r\n "), "not JSON"},
		"a page":         {says(200, "<html><body>hunter22: welcome</body></html>"), "answers 200 OK, not JSON"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, "not JSON"},
		"half of it":       {says(200, `{"result": "00`), "is not JSON"},
		"something else":   {says(200, `{"result": [1], "error": null, "id": 1}`), "is not as expected"},
		"a list for one":   {says(200, `[]`), "is not JSON"},
		"nothing":          {says(200, `{}`), "is not as expected"},
		"a refusal":        {says(200, `{"result": null, "error": {"code": -5, "message": "Block not found"}, "id": 1}`), "Block not found (-5)"},
		"a refusal of 500": {says(500, `{"result": null, "error": {"code": -28, "message": "Loading block index"}, "id": 1}`), "Loading block index (-28)"},
		"closed":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot be reached"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"result": `)
		}, "broke off its answer"},
		"without end": {func(w http.ResponseWriter, _ *http.Request) {
			part := []byte(strings.Repeat(" ", 1<<20))
			_, _ = io.WriteString(w, "{")
			for range maxAnswer>>20 + 8 {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}, "answers with more than 128 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			var text string
			refused(t, fakeNode(t, c.answer).call(t.Context(), &text, "getblockhash", 1), c.words)
		})
	}
}

// batch reads the ids of a batch.
func batch(t *testing.T, r *http.Request) (ids []int) {
	var requests []rpcRequest
	if err := json.NewDecoder(r.Body).Decode(&requests); err != nil {
		t.Error(err)
	}
	for _, r := range requests {
		if r.Version == "" || r.Params == nil || r.Method != "getrawtransaction" {
			t.Errorf("asked %+v", r)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func TestBatch(t *testing.T) {
	n := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		var answers []string
		for _, id := range batch(t, r) {
			answer := fmt.Sprintf(`{"result": "%d", "error": null, "id": %d}`, id, id)
			if id == 7 {
				answer = `{"result": null, "error": {"code": -5, "message": "No information"}, "id": 7}`
			}
			answers = append(answers, answer)
		}
		slices.Reverse(answers) // any order will do
		says(200, "["+strings.Join(answers, ",")+"]")(w, r)
	})
	params := make([][]any, 2*maxBatch+3)
	for i := range params {
		params[i] = []any{"txid", 0}
	}
	next := 0
	err := each(t.Context(), n, "getrawtransaction", params, func(i int, text string, err error) error {
		if i != next {
			t.Errorf("number %d came after %d", i, next-1)
		}
		next++
		switch i % maxBatch {
		case 7:
			if codeOf(err) != codeUnknown {
				t.Errorf("number %d: %v", i, err)
			}
		default:
			if err != nil || text != fmt.Sprint(i%maxBatch) {
				t.Errorf("number %d is %q, %v", i, text, err)
			}
		}
		return nil
	})
	if err != nil || next != len(params) {
		t.Errorf("%d answers, %v", next, err)
	}
	given := errors.New("enough")
	if err := each(t.Context(), n, "getrawtransaction", params, func(int, string, error) error { return given }); err != given {
		t.Errorf("went on after an error: %v", err)
	}
}

func TestBatchOfAMisbehavingNode(t *testing.T) {
	for body, words := range map[string]string{
		`{"result": null, "error": {"code": -32600, "message": "Invalid request"}, "id": null}`: "is not a list",
		`[]`:                         "lacks some",
		`[{"result": "a", "id": 1}]`: "lacks some",
		`[{"result": "a", "id": 0}, {"result": "b", "id": 2}]`:         "lacks some",
		`[{"result": "a", "id": -1}, {"result": "b", "id": 99999999}]`: "lacks some",
		`[{"result": "a", "id": "0"}, {"result": "b", "id": "1"}]`:     "is not a list",
		`[{"result": {"a": 1}, "id": 0}, {"result": "b", "id": 1}]`:    "is not as expected",
		`[{"result": "a", "id": 0}, {"result": "b", "id": 1`:           "is not a list",
		`[null, null]`: "is not as expected",
	} {
		n := fakeNode(t, says(200, body))
		err := each(t.Context(), n, "getrawtransaction", [][]any{{"a"}, {"b"}}, func(_ int, _ string, err error) error { return err })
		refused(t, err, words)
	}
}

func TestSlowNode(t *testing.T) {
	asked := make(chan struct{})
	n := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "{")
		w.(http.Flusher).Flush()
		close(asked)
		<-r.Context().Done() // the client has gone
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	began := time.Now()
	if err := n.call(ctx, nil, "getblockcount"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > callTime/2 {
		t.Errorf("it was waited for %v", took)
	}
}

// A node writes its cookie file anew whenever it starts.
func TestCookie(t *testing.T) {
	file, secret := filepath.Join(t.TempDir(), ".cookie"), "first"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "__cookie__" || password != secret {
			says(401, "")(w, r)
			return
		}
		says(200, `{"result": 1, "error": null, "id": 1}`)(w, r)
	}))
	t.Cleanup(s.Close)
	n, err := NewNode(s.URL, file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, n.call(t.Context(), nil, "getblockcount"), "is it running?")
	write("")
	refused(t, n.call(t.Context(), nil, "getblockcount"), "does not hold user:password")
	write("hunter2")
	refused(t, n.call(t.Context(), nil, "getblockcount"), "does not hold user:password")
	write("__cookie__:first")
	if err := n.call(t.Context(), nil, "getblockcount"); err != nil {
		t.Error(err)
	}
	secret = "second"
	refused(t, n.call(t.Context(), nil, "getblockcount"), "refuses")
	write("__cookie__:second\n")
	if err := n.call(t.Context(), nil, "getblockcount"); err != nil {
		t.Error(err)
	}
}

func TestUsedByCore(t *testing.T) {
	n := fakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		var asked rpcRequest
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		switch asked.Method {
		case "scantxoutset":
			says(200, `{"result": {"unspents": [{"desc": "addr(b)#abcdefgh"}]}, "error": null, "id": 1}`)(w, r)
		default:
			says(404, `{"result": null, "error": {"code": -32601, "message": "Method not found"}, "id": 1}`)(w, r)
		}
	})
	found, err := n.used(t.Context(), []string{"a", "b"})
	if err != nil || !slices.Equal(found, []bool{false, true}) {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := n.used(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}
