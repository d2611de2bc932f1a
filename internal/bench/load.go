package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/paybell/paybell"
)

// Connections is how many requests are under way at a time in a closed loop: as
// many as one endpoint gets at most.
const Connections = 64

// Target is where signed requests go, and who signs them.
type Target struct{ URL, ClientID, Secret string }

// NewClient makes a client for Post, with room for Connections to each host.
func NewClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: Connections}}
}

// Post makes one signed POST; an answer that is no success is an error.
func Post(ctx context.Context, c *http.Client, to Target, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for _, h := range paybell.SignedHeaders([]string{to.Secret}, to.Secret, to.ClientID, to.URL, "bench", time.Now(), body) {
		req.Header[http.CanonicalHeaderKey(h[0])] = []string{h[1]}
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // read below
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode > 299 {
		return fmt.Errorf("POST %s answered %d", to.URL, resp.StatusCode)
	}
	return nil
}

// Together calls do on so many goroutines, again and again, until it says that
// there is no more to do, or fails. It returns the first error.
func Together(workers int, do func() (more bool, err error)) error {
	var wg sync.WaitGroup
	failed := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for more := true; more && len(failed) == 0; {
				var err error
				if more, err = do(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// Poisson calls do at random moments, so many in a second on average, each on a
// goroutine of its own: it does not wait for answers, as the world does not. do is
// told the moment that was meant: what comes later than that has waited already, and
// who measures from when it came leaves that out. The moments are the same every time.
// It returns when time is over, or ctx, and every call has returned.
func Poisson(ctx context.Context, perSecond float64, d time.Duration, do func(i int, at time.Time)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	gaps := rand.New(rand.NewPCG(1, 2))
	start, at := time.Now(), time.Duration(0)
	for i := 0; ; i++ {
		at += time.Duration(gaps.ExpFloat64() / perSecond * float64(time.Second))
		meant := start.Add(at)
		if at > d || !Sleep(ctx, time.Until(meant)) {
			return
		}
		wg.Go(func() { do(i, meant) })
	}
}

// Sleep pauses. It reports false, at once, when ctx ends.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
