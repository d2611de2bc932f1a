package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// Limits of one attempt. Those of DNS, connecting and TLS are the transport's.
const (
	attemptTime = 15 * time.Second // all in, the answer's body too
	maxBody     = 1 << 20          // of an answer; a longer one is cut
)

// target is where a delivery goes and what it is signed with, as of a moment.
type target struct {
	url     string
	active  bool
	secrets []string // the current one first
}

// attempt makes one request for d and tells how it went. It never follows a
// redirect: it speaks to the transport, not to a client.
func attempt(ctx context.Context, transport http.RoundTripper, d paybell.Delivery, to target) paybell.Attempt {
	started := time.Now().UTC().Truncate(time.Microsecond)
	a := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: started}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	a.Status, a.Answer, a.Failure = exchange(ctx, transport, d, to, started)
	a.Duration = time.Since(started)
	return a
}

func exchange(ctx context.Context, transport http.RoundTripper, d paybell.Delivery, to target, at time.Time) (status int, answer, failure string) {
	req, err := newRequest(ctx, d, to, at)
	if err != nil {
		return 0, "", "the request could not be made: " + err.Error()
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", explain(err)
	}
	defer resp.Body.Close() // it was read, or we are done with the connection
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// Its body is the bare connection: no deadline of ctx ends a read of it.
		return resp.StatusCode, "", "answered 101: nobody asked for another protocol"
	}
	kept, err := readAnswer(resp.Body)
	switch {
	case resp.StatusCode == http.StatusNotModified:
		failure = "answered 304"
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		failure = fmt.Sprintf("answered %d, a redirect; redirects are not followed, register the final URL", resp.StatusCode)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		failure = fmt.Sprintf("answered %d", resp.StatusCode)
	case err != nil:
		failure = fmt.Sprintf("answered %d, but the answer's body did not end: %s", resp.StatusCode, explain(err))
	}
	return resp.StatusCode, kept, failure
}

func newRequest(ctx context.Context, d paybell.Delivery, to target, at time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(d.Body))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // the transport must not send it twice behind our back
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("Accept-Encoding", "identity")
	h.Set("User-Agent", "Paybell")
	h["Paybell-Sequence"] = []string{d.Sequence().String()}
	for _, kv := range paybell.SignedHeaders(to.secrets, d.Secret(to.secrets), d.ClientID, to.url, d.NotificationID, at, d.Body) {
		h[kv[0]] = []string{kv[1]} // as it is written in the contracts
	}
	return req, nil
}

// readAnswer reads an answer's body to its end, or to maxBody, and keeps the
// beginning as text.
func readAnswer(body io.Reader) (string, error) {
	var kept bytes.Buffer
	limited := io.LimitReader(body, maxBody)
	_, err := io.CopyN(&kept, limited, paybell.MaxAnswer)
	if err == nil {
		_, err = io.Copy(io.Discard, limited)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	text := strings.ReplaceAll(strings.ToValidUTF8(kept.String(), "?"), "\x00", "?")
	return text, err
}
