package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// Where a receiver can be rung, on each of its ports.
const (
	Hook = "/hook" // answers 204
	Slow = "/slow" // does so SlowTime later
	Hang = "/hang" // takes the request and does not answer, see Silence; so does all below it
	Fail = "/fail" // answers 500
)

// SlowTime is how long Slow thinks before it answers.
const SlowTime = 50 * time.Millisecond

// Arrival is one notification at Hook or Slow: when it had come in whole, by the clock of
// this machine, and its invoice's number, as the merchant wrote it.
type Arrival struct {
	Number string
	At     int64 // nanoseconds since 1970
}

// Receiver is merchants' servers, all in one process of their own.
type Receiver struct {
	*Helper
	origins []string // http://host:port
}

// StartReceiver starts cmd, whose process runs Receive.
func StartReceiver(cmd *exec.Cmd) (*Receiver, error) {
	h, err := StartHelper(cmd)
	if err != nil {
		return nil, err
	}
	r, err := newReceiver(h)
	if err != nil {
		err = errors.Join(err, h.Close())
	}
	return r, err
}

func newReceiver(h *Helper) (*Receiver, error) {
	r := &Receiver{Helper: h}
	return r, r.Ask("origins", &r.origins)
}

// URL is where a path of a port is rung. Ports count from 0.
func (r *Receiver) URL(port int, path string) string { return r.origins[port] + path }

// Count is how many notifications have come to Hook and Slow so far.
func (r *Receiver) Count() (n int64, err error) { return n, r.Ask("count", &n) }

// Record forgets the arrivals that were recorded and begins to record.
func (r *Receiver) Record() error { return r.tell("record") }

// Arrivals lists what has come since Record.
func (r *Receiver) Arrivals() (all []Arrival, err error) { return all, r.Ask("arrivals", &all) }

// Silence says whether Hang holds requests, as it does from the start. If not, it
// answers 204, also to those that it has held.
func (r *Receiver) Silence(on bool) error {
	if on {
		return r.tell("hold")
	}
	return r.tell("let go")
}

func (r *Receiver) tell(what string) error {
	var done bool
	return r.Ask(what, &done)
}

// receiver is the other side of a Receiver.
type receiver struct {
	count     atomic.Int64
	recording atomic.Bool

	mu       sync.Mutex
	arrivals []Arrival
	letGo    chan struct{} // closed: Hang holds nothing
}

// Receive is the process of a Receiver: merchants' servers on so many ports. It
// returns when in ends.
func Receive(ports int, in io.Reader, out io.Writer) error {
	r := &receiver{letGo: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Hook, r.hook)
	mux.HandleFunc("POST "+Slow, r.slow)
	mux.HandleFunc("POST "+Hang, r.hang)
	mux.HandleFunc("POST "+Hang+"/", r.hang)
	mux.HandleFunc("POST "+Fail, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	server := &http.Server{Handler: mux}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer server.Close() // nobody listens any more
	origins := make([]string, ports)
	for i := range origins {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		origins[i] = "http://" + l.Addr().String()
		serving.Go(func() { _ = server.Serve(l) })
	}
	return Answer(in, out, func(question string) (any, error) {
		if question == "origins" {
			return origins, nil
		}
		return r.answer(question)
	})
}

func (r *receiver) answer(question string) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch question {
	case "count":
		return r.count.Load(), nil
	case "record":
		r.arrivals = nil
		r.recording.Store(true)
	case "arrivals":
		return r.arrivals, nil
	case "hold":
		r.letGo = make(chan struct{})
	case "let go":
		select {
		case <-r.letGo: // it is
		default:
			close(r.letGo)
		}
	default:
		return nil, fmt.Errorf("a receiver does not know %q", question)
	}
	return true, nil
}

func (r *receiver) hook(w http.ResponseWriter, req *http.Request) {
	r.take(req)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) slow(w http.ResponseWriter, req *http.Request) {
	r.take(req)
	time.Sleep(SlowTime)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) take(req *http.Request) {
	if r.recording.Load() {
		r.record(req.Body)
	} else {
		_, _ = io.Copy(io.Discard, req.Body) // the sender's loss
	}
	r.count.Add(1)
}

// record looks for the number in the text: to decode the JSON would cost more
// than all the rest.
func (r *receiver) record(body io.Reader) {
	text, err := io.ReadAll(body)
	at := time.Now().UnixNano()
	_, rest, found := bytes.Cut(text, []byte(`"invoiceNumber":"`))
	number, _, closed := bytes.Cut(rest, []byte(`"`))
	if err != nil || !found || !closed {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = append(r.arrivals, Arrival{Number: string(number), At: at})
}

func (r *receiver) hang(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	letGo := r.letGo
	r.mu.Unlock()
	select {
	case <-letGo:
		w.WriteHeader(http.StatusNoContent)
	case <-req.Context().Done(): // the sender has had enough
	}
}
