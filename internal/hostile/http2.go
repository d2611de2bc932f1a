package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
)

// HTTP/2 as far as a misbehaving receiver needs it (RFC 9113). Frames are written
// by hand: a good implementation does not let one do this.

const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9

	flagEndStream  = 0x1 // of DATA and HEADERS
	flagAck        = 0x1 // of SETTINGS and PING
	flagEndHeaders = 0x4

	codeInternal = 0x2
	codeRefused  = 0x7

	firstWindow = 65535 // of a connection and of each stream, unless SETTINGS say otherwise
)

func http2Cases() []Case {
	status200 := "\x88" // HPACK: index 8 of the static table
	field := func(name, value string) string {
		return "\x00" + hpackText(name) + hpackText(value)
	}
	cases := []Case{
		{Name: "h2-ok", What: "answers 200 over HTTP/2: the control", Outcome: Delivered, streams: func(st *stream) {
			st.headers(status200, flagEndHeaders)
			st.send("OK", flagEndStream)
		}},
		{Name: "h2-goaway", What: "reads the request and sends GOAWAY, as if it had not come", Outcome: Failed, streams: func(st *stream) {
			st.goAway(0)
		}},
		{Name: "h2-goaway-and-answer", What: "sends GOAWAY and then its answer to the request", Outcome: Delivered, Notifications: 2, streams: func(st *stream) {
			st.goAway(st.id)
			st.headers(status200, flagEndHeaders)
			st.send("OK", flagEndStream)
		}},
		{Name: "h2-refused-stream", What: "reads the request and resets its stream with REFUSED_STREAM", Outcome: Failed, streams: func(st *stream) {
			st.reset(codeRefused)
		}},
		{Name: "h2-reset-in-body", What: "answers 200 and resets the stream in the middle of the body", Outcome: Failed, streams: func(st *stream) {
			st.headers(status200, flagEndHeaders)
			st.send("OK", 0)
			st.reset(codeInternal)
		}},
		{Name: "h2-silent", What: "reads the request and never says anything again, not even to a ping", Outcome: Failed, Within: Patience, streams: func(st *stream) {
			st.silence()
			st.untilGone()
		}},
		{Name: "h2-stalled-body", What: "answers 200 with a part of the body, and goes on answering pings", Outcome: Failed, Within: Patience, streams: func(st *stream) {
			st.headers(status200, flagEndHeaders)
			st.send("OK", 0)
			st.untilGone()
		}},
		{Name: "h2-endless-body", What: "answers 200 with a body that never ends", Outcome: Delivered, MaxTaken: bodyBound, streams: func(st *stream) {
			st.headers(status200, flagEndHeaders)
			for !st.over() {
				st.send(strings.Repeat("x", 16<<10), 0)
			}
		}},
		{Name: "h2-headers-10mb", What: "sends 10 MB of headers", Outcome: Failed, MaxTaken: headerBound, streams: func(st *stream) {
			part := strings.Repeat(field("x-filler", strings.Repeat("x", 1000)), 16)
			st.headers(status200, 0)
			for sent := 0; sent < 10<<20 && !st.over(); sent += len(part) {
				st.say(frameContinuation, 0, part)
			}
			st.say(frameContinuation, flagEndHeaders, "")
			st.send("OK", flagEndStream)
		}},
		{Name: "h2-informational-flood", What: "sends 103 again and again and never its answer", Outcome: Failed, MaxTaken: headerBound, streams: func(st *stream) {
			for !st.over() {
				st.headers("\x08"+hpackText("103")+field("link", "</>"), flagEndHeaders)
			}
		}},
	}
	for i := range cases {
		cases[i].Scheme = "https"
	}
	return cases
}

// hpackText is a string literal of RFC 7541, not Huffman coded.
func hpackText(s string) string {
	if n := len(s) - 127; n >= 0 {
		return "\x7f" + string(binary.AppendUvarint(nil, uint64(n))) + s
	}
	return string(rune(len(s))) + s
}

// http2 is one connection.
type http2 struct {
	srv *Server
	of  *Case
	c   *conn

	writing sync.Mutex

	mu      sync.Mutex
	more    *sync.Cond // the windows have grown, or something has ended
	window  int64
	first   int64 // window of a new stream
	streams map[uint32]*stream
	dead    bool // nothing is to be written any more
	ended   bool
}

// stream is one request on it. Its handler ends when over says so.
type stream struct {
	*http2
	id     uint32
	visit  *visit
	window int64
	full   bool // the request is complete
	gone   bool // the sender has reset it
}

// serveHTTP2 reads frames until the connection ends, and waits for the handlers.
func (s *Server) serveHTTP2(of *Case, c *conn) {
	h := &http2{srv: s, of: of, c: c, window: firstWindow, first: firstWindow, streams: map[uint32]*stream{}}
	h.more = sync.NewCond(&h.mu)
	hello := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(c.br, hello); err != nil || !bytes.HasPrefix(hello, []byte("PRI * HTTP/2.0")) {
		return
	}
	h.write(frameSettings, 0, 0, "")
	var handlers sync.WaitGroup
	for {
		f, err := h.read()
		if err != nil {
			break
		}
		if st := h.take(f); st != nil {
			handlers.Go(func() {
				of.streams(st)
				st.finish()
			})
		}
	}
	h.mu.Lock()
	h.ended = true
	h.more.Broadcast()
	left := h.streams
	h.mu.Unlock()
	handlers.Wait()
	for _, st := range left { // requests that did not come to their end
		st.finish()
	}
}

// frame is one unit of the protocol.
type frame struct {
	kind, flags byte
	id          uint32 // of the stream; 0: the connection
	payload     []byte
}

func (h *http2) read() (f frame, err error) {
	var head [9]byte
	if _, err := io.ReadFull(h.c.br, head[:]); err != nil {
		return f, err
	}
	n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if n > 16<<10 {
		return f, errors.New("a frame longer than we have said we take")
	}
	f = frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), make([]byte, n)}
	_, err = io.ReadFull(h.c.br, f.payload)
	return f, err
}

// take does what a frame asks for. It returns the stream whose request is
// complete with it.
func (h *http2) take(f frame) *stream {
	switch f.kind {
	case frameSettings:
		if f.flags&flagAck == 0 {
			h.settings(f.payload)
			h.write(frameSettings, flagAck, 0, "")
		}
	case framePing:
		if f.flags&flagAck == 0 {
			h.write(framePing, flagAck, 0, string(f.payload))
		}
	case frameWindow:
		if len(f.payload) == 4 {
			h.grow(f.id, int64(binary.BigEndian.Uint32(f.payload)))
		}
	case frameReset:
		h.mu.Lock()
		if st := h.streams[f.id]; st != nil {
			st.gone = true
		}
		h.more.Broadcast()
		h.mu.Unlock()
	case frameHeaders:
		return h.stream(f.id).until(f.flags)
	case frameData:
		return h.data(f)
	}
	return nil
}

// data takes a part of a request's body and makes room for more.
func (h *http2) data(f frame) *stream {
	h.mu.Lock()
	st := h.streams[f.id]
	h.mu.Unlock()
	if st == nil || st.full {
		return nil
	}
	st.visit.body.Write(f.payload)
	if n := uint32(len(f.payload)); n > 0 {
		more := string(binary.BigEndian.AppendUint32(nil, n))
		h.write(frameWindow, 0, 0, more)
		h.write(frameWindow, 0, f.id, more)
	}
	return st.until(f.flags)
}

// stream finds a stream, or begins it.
func (h *http2) stream(id uint32) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	st := h.streams[id]
	if st == nil {
		h.c.extend()
		st = &stream{http2: h, id: id, visit: h.srv.begin(h.of, h.c, nil), window: h.first}
		st.visit.body = sha256.New()
		h.streams[id] = st
	}
	return st
}

// until returns the stream if a frame with these flags completes its request.
func (st *stream) until(flags byte) *stream {
	if st.full || flags&flagEndStream == 0 {
		return nil
	}
	st.full = true
	return st
}

// settings takes over the sender's SETTINGS_INITIAL_WINDOW_SIZE.
func (h *http2) settings(payload []byte) {
	for ; len(payload) >= 6; payload = payload[6:] {
		if binary.BigEndian.Uint16(payload) == 0x4 {
			h.mu.Lock()
			h.first = int64(binary.BigEndian.Uint32(payload[2:]))
			h.mu.Unlock()
		}
	}
}

func (h *http2) grow(id uint32, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if st := h.streams[id]; st != nil {
		st.window += n
	} else if id == 0 {
		h.window += n
	}
	h.more.Broadcast()
}

// write writes one frame, unless the connection has come to its end.
func (h *http2) write(kind, flags byte, id uint32, payload string) {
	h.mu.Lock()
	stop := h.dead || h.ended
	h.mu.Unlock()
	if stop {
		return
	}
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	h.writing.Lock()
	_, err := h.c.Write(append(binary.BigEndian.AppendUint32(head, id), payload...))
	h.writing.Unlock()
	if err != nil {
		h.mu.Lock()
		h.dead = true
		h.more.Broadcast()
		h.mu.Unlock()
		_ = h.c.tcp.Close() // ends the reading
	}
}

func (st *stream) say(kind, flags byte, payload string) { st.write(kind, flags, st.id, payload) }

func (st *stream) headers(block string, flags byte) { st.say(frameHeaders, flags, block) }

func (st *stream) reset(code uint32) {
	st.say(frameReset, 0, string(binary.BigEndian.AppendUint32(nil, code)))
}

// goAway says which stream was the last one that was looked at.
func (st *stream) goAway(last uint32) {
	st.write(frameGoAway, 0, 0, string(append(binary.BigEndian.AppendUint32(nil, last), 0, 0, 0, 0)))
}

// send sends a part of the body as soon as the sender has room for it.
func (st *stream) send(text string, flags byte) {
	n := int64(len(text))
	st.mu.Lock()
	for !st.stopped() && (st.window < n || st.http2.window < n) {
		st.more.Wait()
	}
	st.window -= n
	st.http2.window -= n
	st.mu.Unlock()
	st.say(frameData, flags, text)
}

// silence ends all writing.
func (st *stream) silence() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.dead = true
}

func (st *stream) untilGone() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for !st.gone && !st.ended {
		st.more.Wait()
	}
}

// over says whether the sender has left.
func (st *stream) over() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.stopped()
}

func (st *stream) stopped() bool { return st.gone || st.dead || st.ended }

// finish notes that both sides are done with the request.
func (st *stream) finish() {
	st.mu.Lock()
	_, open := st.streams[st.id]
	delete(st.streams, st.id)
	st.visit.Left = st.gone || st.ended
	st.mu.Unlock()
	if open {
		st.srv.end(st.visit)
	}
}
