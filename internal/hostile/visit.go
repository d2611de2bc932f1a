package hostile

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Visit is one request to a case, or a connection that brought none, or one
// question to the name server.
type Visit struct {
	Case    string
	N       int    // number of the request to this case, from 1; 0: there was none
	Method  string // empty where the request's head was not looked at
	Agent   string // the sender's User-Agent
	Started time.Time
	Ended   bool
	Took    time.Duration // until both sides were done with it
	Left    bool          // it was the sender who ended it
	Taken   int64         // bytes of the answer that the sender took
	Note    string        // what happened instead of a request

	digest string // of the body, as far as it was read
}

// hardCap is how many bytes one connection gives or takes.
const hardCap = 16 << 20

var errEnough = errors.New("this receiver has sent and read enough")

// conn is a connection that counts.
type conn struct {
	net.Conn // TLS as soon as there is one
	tcp      *net.TCPConn
	srv      *Server
	br       *bufio.Reader
	requests int // that came on it
	given    atomic.Int64
	read     atomic.Int64
}

func (c *conn) Write(p []byte) (int, error) {
	if c.given.Load() >= hardCap {
		return 0, errEnough
	}
	n, err := c.Conn.Write(p)
	c.given.Add(int64(n))
	return n, err
}

func (c *conn) Read(p []byte) (int, error) {
	if c.read.Load() >= hardCap {
		return 0, errEnough
	}
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// visit is what a case's handler works with: a request and the connection that
// it came on. The connection may serve another request after it unless hangUp
// is set.
type visit struct {
	*conn
	Visit
	of     *Case
	req    *http.Request // nil if its head was not read
	body   hash.Hash
	before int64  // bytes given on this connection earlier
	stored *Visit // as others see it
	hangUp bool
}

// readBody reads the request to its end.
func (v *visit) readBody() {
	if strings.EqualFold(v.req.Header.Get("Expect"), "100-continue") {
		v.say("HTTP/1.1 100 Continue\r\n\r\n")
	}
	v.body = sha256.New()
	if _, err := io.Copy(v.body, v.req.Body); err != nil {
		v.over(err)
	}
}

// say sends a text as it is, unless the sender has left.
func (v *visit) say(text string) {
	if v.hangUp {
		return
	}
	if _, err := io.WriteString(v.conn, text); err != nil {
		v.over(err)
	}
}

// over notes that the connection has come to its end: the sender has left,
// unless it was the receiver who had enough.
func (v *visit) over(err error) {
	v.hangUp = true
	v.Left = !errors.Is(err, errEnough) && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

// untilGone waits in silence until the sender leaves.
func (v *visit) untilGone() {
	if v.hangUp {
		return
	}
	_, err := io.Copy(io.Discard, v.br)
	v.over(err)
}

// sit reads nothing for as long as the sender may hold on, and then looks
// whether it still does: who does not read cannot know.
func (v *visit) sit() {
	enough := time.NewTimer(v.srv.within(v.of) + grace/2)
	defer enough.Stop()
	select {
	case <-enough.C:
	case <-v.srv.done:
	}
	v.untilGone()
}

// drip sends a text at 1 byte/s, again and again.
func (v *visit) drip(text string) {
	next := 0
	v.everySecond(func() string {
		next++
		return text[(next-1)%len(text):][:1]
	})
}

// everySecond sends what next returns until the sender leaves.
func (v *visit) everySecond(next func() string) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		v.untilGone()
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(v.conn, next()); err != nil {
			_ = v.Close() // ends untilGone, if the sender's leaving has not
		}
		select {
		case <-tick.C:
		case <-gone:
			return
		}
	}
}

// reset ends the connection with a RST.
func (v *visit) reset() {
	_ = v.tcp.SetLinger(0)
	_ = v.tcp.Close()
	v.hangUp = true
}
