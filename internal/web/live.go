package web

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// Live keeps a page true while somebody looks at it: it sends the changing part of
// the page again whenever that has changed, as server-sent events (WHATWG HTML,
// section 9.2). Its fields are set once.
type Live struct {
	// Changed is closed when something may have changed that is worth a look.
	Changed func() <-chan struct{}
	// Stopping is closed when the server is about to stop: streams end then.
	Stopping <-chan struct{}
}

const (
	liveLooks  = 2 * time.Second        // without being told: somebody else may have changed something
	livePause  = 250 * time.Millisecond // between two looks at least
	liveBeats  = 15 * time.Second       // a comment at least so often: proxies close what is silent
	liveWrites = 20 * time.Second       // how long one write may take
	liveLife   = 30 * time.Minute       // then the browser asks again, and is who it is then
)

// WantsLive reports whether a request is for the stream of a page, not the page.
func WantsLive(r *http.Request) bool { return r.Header.Get("Accept") == "text/event-stream" }

// Serve sends what render returns, and again whenever that is another. An error of
// the first render is returned with nothing written; a later one ends the stream.
func (l *Live) Serve(w http.ResponseWriter, r *http.Request, render func(ctx context.Context) ([]byte, error)) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // nothing more is to be read
	ctx, stop := context.WithTimeout(r.Context(), liveLife)
	defer stop()
	send := func(text []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(liveWrites))
		if _, err := w.Write(text); err != nil {
			return err
		}
		return control.Flush()
	}
	var before []byte
	var beat time.Time // of the last write; zero: nothing was written yet
	for {
		changed := l.Changed() // before looking: what comes later is told
		now, err := render(ctx)
		if err != nil {
			if beat.IsZero() {
				return err
			}
			return nil
		}
		if beat.IsZero() {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Accel-Buffering", "no")
			w.WriteHeader(http.StatusOK)
		}
		switch {
		case beat.IsZero() || !bytes.Equal(before, now):
			err = send(event(now))
			before, beat = now, time.Now()
		case time.Since(beat) >= liveBeats:
			err = send([]byte(":\n\n"))
			beat = time.Now()
		}
		if err != nil || !pause(ctx, livePause, nil, l.Stopping) || !pause(ctx, liveLooks, changed, l.Stopping) {
			return nil // the browser is gone, or we go
		}
	}
}

// event is one message with text as its data. A carriage return would end a line,
// too; HTML reads it as a line feed.
func event(text []byte) []byte {
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		b.WriteString("data: ")
		b.Write(bytes.TrimSuffix(line, []byte("\n")))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// pause waits until time is over, or early comes; false: for nothing more.
func pause(ctx context.Context, d time.Duration, early, stopping <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-stopping:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}
