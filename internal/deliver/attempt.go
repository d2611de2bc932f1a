package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/paybell/paybell"
)

// Limits of one attempt. Those of DNS, connecting and TLS are the transport's.
const (
	attemptTime = 15 * time.Second // all in, the answer's body too
	maxBody     = 1 << 20          // of an answer; a longer one is cut
)

// outcome is what came back of an attempt.
type outcome struct {
	status  int
	kept    string    // the beginning of the body
	failure string    // why it does not count as delivered; empty when it does
	hold    time.Time // no requests before, said the receiver; zero: it said nothing
}

// attempt makes one request for d and tells how it went, and until when the
// endpoint wants to be left alone. It never follows a redirect: it speaks to the
// transport, not to a client.
func attempt(ctx context.Context, transport http.RoundTripper, d paybell.Delivery, to target, accepted int64) (paybell.Attempt, time.Time) {
	started := time.Now().UTC().Truncate(time.Microsecond)
	secret := d.Secret(to.secrets, accepted)
	a := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: started, Secret: secret.ID}
	headers := paybell.SignedHeaders(paybell.SecretTexts(to.secrets), secret.Text, d.ClientID, to.Webhook.URL, d.NotificationID, started, d.Body)
	if d.Number > 0 {
		headers = append(headers, [2]string{"Paybell-Sequence", d.Sequence().String()})
	} else {
		headers = append(headers, [2]string{"Paybell-Test", "true"})
	}
	if d.OutOfOrder {
		headers = append(headers, [2]string{"Paybell-Out-Of-Order", "true"})
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	clock := &clock{started: time.Now()}
	got := exchange(httptrace.WithClientTrace(ctx, clock.trace()), transport, to.Webhook.URL, headers, d.Body)
	a.Status, a.Answer, a.Failure = got.status, got.kept, got.failure
	a.Duration = time.Since(clock.started)
	a.Timing = clock.timing()
	return a, got.hold
}

func exchange(ctx context.Context, transport http.RoundTripper, url string, headers [][2]string, body []byte) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return outcome{failure: "the request could not be made: " + err.Error()}
	}
	req.GetBody = nil // the transport must not send it twice behind our back
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("Accept-Encoding", "identity")
	h.Set("User-Agent", "Paybell")
	for _, kv := range headers {
		h[kv[0]] = []string{kv[1]} // as it is written in the contracts
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return outcome{failure: explain(err)}
	}
	defer resp.Body.Close() // it was read, or we are done with the connection
	got := outcome{status: resp.StatusCode}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// Its body is the bare connection: no deadline of ctx ends a read of it.
		got.failure = "answered 101: nobody asked for another protocol"
		return got
	}
	got.kept, err = readAnswer(resp.Body)
	switch {
	case resp.StatusCode == http.StatusNotModified:
		got.failure = "answered 304"
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		got.failure = fmt.Sprintf("answered %d, a redirect; redirects are not followed, register the final URL", resp.StatusCode)
	case resp.StatusCode == http.StatusGone:
		got.failure = "answered 410: nothing is there any more, so the webhook is disabled"
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		got.failure = fmt.Sprintf("answered %d", resp.StatusCode)
	case err != nil:
		got.failure = fmt.Sprintf("answered %d, but the answer's body did not end: %s", resp.StatusCode, explain(err))
	}
	if resp.StatusCode >= 400 {
		got.hold = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return got
}

// retryAfter reads the header (RFC 9110, section 10.2.3): seconds, or a date. What
// is neither says nothing, and nobody is left alone for longer than MaxHold.
func retryAfter(text string, now time.Time) time.Time {
	until, err := http.ParseTime(text)
	if digits := strings.Trim(text, "0123456789"); text != "" && digits == "" {
		seconds, tooBig := strconv.ParseInt(text, 10, 32)
		if tooBig != nil {
			seconds = int64(paybell.MaxHold / time.Second)
		}
		until, err = now.Add(time.Duration(seconds)*time.Second), nil
	}
	if err != nil || !until.After(now) {
		return time.Time{}
	}
	if most := now.Add(paybell.MaxHold); until.After(most) {
		return most
	}
	return until
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

// clock takes the times of one attempt. A dial that this attempt began may go on
// after it has ended, for another.
type clock struct {
	mu                sync.Mutex
	started           time.Time
	dns, connect, tls time.Time // when each began
	took              paybell.Timing
}

func (c *clock) trace() *httptrace.ClientTrace {
	begin := func(at *time.Time) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if at.IsZero() { // the first of several addresses
			*at = time.Now()
		}
	}
	end := func(at *time.Time, took *time.Duration) {
		c.mu.Lock()
		defer c.mu.Unlock()
		*took = time.Since(*at)
	}
	return &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { begin(&c.dns) },
		DNSDone:              func(httptrace.DNSDoneInfo) { end(&c.dns, &c.took.DNS) },
		ConnectStart:         func(string, string) { begin(&c.connect) },
		ConnectDone:          func(string, string, error) { end(&c.connect, &c.took.Connect) },
		TLSHandshakeStart:    func() { begin(&c.tls) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { end(&c.tls, &c.took.TLS) },
		GotFirstResponseByte: func() { end(&c.started, &c.took.FirstByte) },
	}
}

func (c *clock) timing() paybell.Timing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.took
}
