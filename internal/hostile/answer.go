package hostile

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK"

	head200 = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

	bodyBound   = 8 << 20 // what may be taken of an endless body: 1 MiB, and what the sockets hold
	headerBound = 4 << 20 // the same for headers: 64 KiB, and what the sockets hold
	bombSize    = 48 << 20
)

// say answers with a text and keeps the connection.
func say(text string) func(*visit) {
	return func(v *visit) {
		v.readBody()
		v.say(text)
	}
}

// sayAndClose answers with a text and closes. The text must not be a whole
// answer, except where the case has its own port: else the next request of
// another case may meet the closed connection.
func sayAndClose(text string) func(*visit) {
	return func(v *visit) {
		v.readBody()
		v.say(text)
		v.hangUp = true
	}
}

// sayAndWait answers with a text and leaves the connection open, in silence.
func sayAndWait(text string) func(*visit) {
	return func(v *visit) {
		v.readBody()
		v.say(text)
		v.untilGone()
	}
}

// sayAndReset answers with a text and ends the connection with a RST.
func sayAndReset(text string) func(*visit) {
	return func(v *visit) {
		v.readBody()
		v.say(text)
		v.reset()
	}
}

// repeat answers with a text and then with a block again and again, until the
// sender leaves or enough bytes were sent; then with an end.
func repeat(text, block string, enough int64, end string) func(*visit) {
	return func(v *visit) {
		v.readBody()
		v.say(text)
		for sent := int64(0); sent < enough && !v.hangUp; sent += int64(len(block)) {
			v.say(block)
		}
		v.say(end)
	}
}

const endless = 1 << 60 // the connection's own bound comes first

func bodyCases() []Case {
	chunk := "8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n"
	return []Case{
		{Name: "ok", What: "answers 200: the control", Outcome: Delivered},
		{Name: "accepts-never-reads", What: "accepts the connection and reads nothing, not even the request's head",
			Outcome: Failed, Within: Patience, connect: (*visit).sit, Body: 1 << 20},
		{Name: "never-reads-the-body", What: "reads the request's head and nothing of its body",
			Outcome: Failed, Within: Patience, answer: (*visit).sit, Body: 1 << 20, own: true},
		{Name: "reads-never-answers", What: "reads the request and never answers",
			Outcome: Failed, Within: Patience, answer: sayAndWait("")},
		{Name: "endless-body", What: "answers 200 with a body that never ends",
			Outcome: Delivered, MaxTaken: bodyBound, answer: repeat(head200+"Transfer-Encoding: chunked\r\n\r\n", chunk, endless, "")},
		{Name: "endless-body-of-an-error", What: "answers 500 with a body that never ends",
			Outcome: Failed, MaxTaken: bodyBound, answer: repeat("HTTP/1.1 500 No\r\n\r\n", strings.Repeat("x", 32<<10), endless, "")},
		{Name: "dripping-body", What: "answers 200 with a body of 1 byte/s that never ends",
			Outcome: Failed, Within: Patience, answer: func(v *visit) {
				v.readBody()
				v.say(head200 + "Transfer-Encoding: chunked\r\n\r\n")
				v.drip("1\r\nx\r\n")
			}},
		{Name: "stalled-body", What: "answers 200 with a part of the body that Content-Length promises, and then nothing",
			Outcome: Failed, Within: Patience, answer: sayAndWait(head200 + "Content-Length: 10\r\n\r\nOK")},
		{Name: "stalled-chunks", What: "answers 200 with one chunk, and then nothing",
			Outcome: Failed, Within: Patience, answer: sayAndWait(head200 + "Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n")},
		{Name: "bomb-gzip", What: "answers 200 with a gzip body of 49 KB that unpacks to 48 MiB",
			Outcome: Delivered, answer: bomb("gzip", gzipBomb)},
		{Name: "bomb-br", What: "answers 200 with a brotli body of 40 bytes that unpacks to 48 MiB",
			Outcome: Delivered, answer: bomb("br", brotliBomb)},
		{Name: "bomb-zstd", What: "answers 200 with a zstd body of 1.5 KB that unpacks to 48 MiB",
			Outcome: Delivered, answer: bomb("zstd", zstdBomb)},
		{Name: "length-too-long", What: "answers 200, promises 100 bytes, sends 2 and closes",
			Outcome: Failed, answer: sayAndClose(head200 + "Content-Length: 100\r\n\r\nOK")},
		{Name: "length-too-short", What: "answers 200, promises 2 bytes, sends 100 and keeps the connection",
			Outcome: Delivered, Notifications: 2, own: true, answer: say(head200 + "Content-Length: 2\r\n\r\n" + strings.Repeat("OK", 50))},
		{Name: "length-twice", What: "answers 200 with two different Content-Lengths",
			Outcome: Failed, answer: sayAndClose(head200 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nOK!")},
		{Name: "length-negative", What: "answers 200 with Content-Length: -1",
			Outcome: Failed, answer: sayAndClose(head200 + "Content-Length: -1\r\n\r\nOK")},
		{Name: "chunks-broken", What: "answers 200 with a chunk whose size is not a number",
			Outcome: Failed, answer: sayAndClose(head200 + "Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\nzz\r\n")},
		{Name: "chunks-cut", What: "answers 200 with chunks, and closes before the last one",
			Outcome: Failed, answer: sayAndClose(head200 + "Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n")},
		{Name: "chunks-huge", What: "answers 200 with a chunk that says it is 2^64 - 1 bytes long",
			Outcome: Failed, answer: sayAndClose(head200 + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nOK")},
		{Name: "reset-in-body", What: "answers 200 and sends a RST in the middle of the body",
			Outcome: Failed, answer: sayAndReset(head200 + "Content-Length: 100\r\n\r\nOK")},
	}
}

func headerCases() []Case {
	line := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
	return []Case{
		{Name: "slow-headers", What: "sends its headers at 1 byte/s",
			Outcome: Failed, Within: Patience, answer: func(v *visit) {
				v.readBody()
				v.drip(head200 + line)
			}},
		{Name: "headers-10mb", What: "sends 10 MB of headers",
			Outcome: Failed, MaxTaken: headerBound, answer: repeat(head200, line, 10<<20, "Content-Length: 2\r\n\r\nOK")},
		{Name: "header-10mb", What: "sends one header of 10 MB",
			Outcome: Failed, MaxTaken: headerBound, answer: repeat(head200+"X-Filler: ", strings.Repeat("x", 1000), 10<<20, "\r\nContent-Length: 2\r\n\r\nOK")},
		{Name: "informational", What: "sends 100, 102 and 103 before its 200",
			Outcome: Delivered, answer: say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + ok)},
		{Name: "informational-flood", What: "sends 103 again and again and never its answer",
			Outcome: Failed, MaxTaken: headerBound, answer: repeat("", "HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n", endless, "")},
		{Name: "informational-drip", What: "sends a 100 every second and never its answer",
			Outcome: Failed, Within: Patience, answer: func(v *visit) {
				v.readBody()
				v.everySecond(func() string { return "HTTP/1.1 100 Continue\r\n\r\n" })
			}},
	}
}

func connectionCases() []Case {
	second := func(end func(*visit)) func(*visit) {
		return func(v *visit) {
			if v.requests == 1 {
				say(ok)(v)
				return
			}
			v.readBody()
			end(v)
		}
	}
	return []Case{
		{Name: "close-on-accept", What: "closes the connection as soon as it is there",
			Outcome: Failed, connect: func(v *visit) { v.hangUp = true }},
		{Name: "close-before-headers", What: "reads the request and closes without an answer",
			Outcome: Failed, answer: sayAndClose("")},
		{Name: "close-in-headers", What: "closes in the middle of its headers",
			Outcome: Failed, answer: sayAndClose("HTTP/1.1 200 OK\r\nContent-Ty")},
		{Name: "close-after-headers", What: "closes after its headers, which promise a body",
			Outcome: Failed, answer: sayAndClose(head200 + "Content-Length: 2\r\n\r\n")},
		{Name: "reset-before-headers", What: "reads the request and sends a RST",
			Outcome: Failed, answer: sayAndReset("")},
		{Name: "reuse-closed", What: "closes a kept connection at the moment of reuse: after the second request, without an answer to it",
			Outcome: Delivered, Notifications: 2, own: true, answer: second(func(v *visit) { v.hangUp = true })},
		{Name: "reuse-reset", What: "the same with a RST",
			Outcome: Delivered, Notifications: 2, own: true, answer: second((*visit).reset)},
		{Name: "idle-closed", What: "closes every connection right after its answer, without saying so",
			Outcome: Delivered, Notifications: 2, own: true, answer: sayAndClose(ok)},
	}
}

func statusCases() []Case {
	return []Case{
		{Name: "switch-101", What: "answers 101 without having been asked, and keeps the connection open",
			Outcome: Failed, Within: Patience, answer: sayAndWait("HTTP/1.1 101 Switching Protocols\r\n\r\n")},
		{Name: "switch-101-upgrade", What: "answers 101 with the headers of an upgrade, and keeps the connection open",
			Outcome: Failed, Within: Patience, answer: sayAndWait("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")},
		{Name: "switch-101-drip", What: "the same, and sends 1 byte/s",
			Outcome: Failed, Within: Patience, answer: func(v *visit) {
				v.readBody()
				v.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				v.drip("x")
			}},
		{Name: "status-099", What: "answers 099", Outcome: Failed, answer: say("HTTP/1.1 099 What\r\nContent-Length: 2\r\n\r\nOK")},
		{Name: "status-600", What: "answers 600", Outcome: Failed, answer: say("HTTP/1.1 600 What\r\nContent-Length: 2\r\n\r\nOK")},
		{Name: "status-garbage", What: "answers with a status that is not a number", Outcome: Failed, answer: sayAndClose("HTTP/1.1 OK 200\r\nContent-Length: 2\r\n\r\nOK")},
		{Name: "status-long", What: "answers with a status of four digits", Outcome: Failed, answer: sayAndClose("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nOK")},
		{Name: "not-http", What: "answers with another protocol", Outcome: Failed, answer: sayAndClose("SSH-2.0-OpenSSH_9.9\r\n")},
		{Name: "body-with-204", What: "answers 204 with a body, and keeps the connection",
			Outcome: Delivered, Notifications: 2, own: true, answer: say("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello")},
		{Name: "not-modified-304", What: "answers 304", Outcome: Failed, answer: say("HTTP/1.1 304 Not Modified\r\n\r\n")},
		{Name: "gone-410", What: "answers 410", Outcome: Failed, answer: say("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")},
	}
}

// redirectCases answer with a redirect whose target counts whoever comes.
func redirectCases() []Case {
	var cases []Case
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []struct{ name, what, scheme, location string }{
			{"other", "another host", "http", "http://{other}/{name}/followed"},
			{"itself", "itself", "http", "http://{addr}/{name}"},
			{"metadata", "a metadata address", "http", "http://169.254.169.254/latest/meta-data/"},
			{"downgrade", "the same host, from https to http", "https", "http://{addr}/{name}/followed"},
		} {
			cases = append(cases, Case{
				Name: fmt.Sprintf("redirect-%d-%s", code, to.name), What: fmt.Sprintf("answers %d to %s", code, to.what),
				Outcome: Failed, Scheme: to.scheme, answer: func(v *visit) {
					v.readBody()
					v.say(fmt.Sprintf("HTTP/1.1 %d %s\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", code, http.StatusText(code), v.srv.fill(to.location, v.of.Name)))
				},
			})
		}
	}
	return cases
}

const maxHoldOff = 24 * time.Hour

func retryCases() []Case {
	var cases []Case
	for _, code := range []int{429, 503} {
		for _, after := range []struct {
			name, what string
			value      func() string
			holdOff    time.Duration
		}{
			{"seconds", "in seconds", func() string { return "120" }, 2 * time.Minute},
			{"date", "as a date", func() string { return time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat) }, 119 * time.Second},
			{"negative", "that is negative", func() string { return "-1" }, 0},
			{"huge", "that is huge", func() string { return "99999999999999999999" }, maxHoldOff},
			{"nonsense", "that is nonsense", func() string { return "soon" }, 0},
		} {
			cases = append(cases, Case{
				Name: fmt.Sprintf("retry-after-%d-%s", code, after.name), What: fmt.Sprintf("answers %d with a Retry-After %s", code, after.what),
				Outcome: Failed, HoldOff: after.holdOff, answer: func(v *visit) {
					v.readBody()
					v.say(fmt.Sprintf("HTTP/1.1 %d %s\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", code, http.StatusText(code), after.value()))
				},
			})
		}
	}
	return append(cases, Case{
		Name: "comes-back", What: "answers 503 to the first request and 200 to those after it", Outcome: Delivered, least: 2,
		answer: func(v *visit) {
			if v.N == 1 {
				say("HTTP/1.1 503 Not Now\r\nContent-Length: 0\r\n\r\n")(v)
				return
			}
			say(ok)(v)
		},
	})
}

func bomb(encoding string, packed func() []byte) func(*visit) {
	return func(v *visit) {
		v.readBody()
		v.say(fmt.Sprintf("%sContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", head200, encoding, len(packed()), packed()))
	}
}

// The bombs unpack to the letter A, bombSize times.

// gzipBomb repeats one block of a deflate stream (RFC 1951), which stands for
// 1 MiB and ends at a byte.
var gzipBomb = sync.OnceValue(func() []byte {
	plain := bytes.Repeat([]byte("A"), 1<<20)
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression) // errors: only for a level that does not exist
	_, _ = w.Write(plain)
	_ = w.Flush()
	block := bytes.Clone(packed.Bytes())
	_ = w.Close()
	last := packed.Bytes()[len(block):]
	sum := crc32.NewIEEE()
	bomb := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255} // RFC 1952
	for range bombSize / len(plain) {
		bomb = append(bomb, block...)
		_, _ = sum.Write(plain)
	}
	bomb = binary.LittleEndian.AppendUint32(append(bomb, last...), sum.Sum32())
	return binary.LittleEndian.AppendUint32(bomb, bombSize)
})

// brotliBomb was made by zlib.brotliCompressSync of Node.js 20.
func brotliBomb() []byte {
	packed, err := hex.DecodeString("cfffff7ff82582e2b14020f7fe9ffffffff04b00c4610180eefd7ffeffffe3970088c32200ddfb7f")
	if err != nil {
		panic(err)
	}
	return packed
}

// zstdBomb is a frame of run-length blocks, 4 bytes for 128 KiB each (RFC 8878).
func zstdBomb() []byte {
	const block = 128 << 10
	packed := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3} // no checksum, no size, a window of 128 KiB
	for left := bombSize; left > 0; left -= block {
		header := block<<3 | 1<<1 // run-length
		if left == block {
			header |= 1 // the last
		}
		packed = append(packed, byte(header), byte(header>>8), byte(header>>16), 'A')
	}
	return packed
}
