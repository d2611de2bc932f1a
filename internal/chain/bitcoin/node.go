package bitcoin

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"github.com/paybell/paybell"
)

// Node is one full node, asked by JSON-RPC over HTTP. Only calls and forms of
// parameters are used that Bitcoin Core and btcd have both, raw hex instead of
// fields that differ. Nothing is kept between calls that a restart of the node would
// end. (The well-known client libraries cannot be cancelled by a context.)
type Node struct {
	url    string // without credentials
	user   string
	secret string
	cookie string // file that holds user:password, written anew at each start of the node; empty: none
	client *http.Client
}

const (
	callTime  = 30 * time.Second
	maxAnswer = 128 << 20 // a block of 4 MB is 8 MB of hex; the ids of a full mempool are 20 MB
	maxBatch  = 100
)

// NewNode reads where a node is: http://user:password@host:port, or without
// credentials and with the path of the node's cookie file.
func NewNode(address, cookie string) (*Node, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("a node's address looks like http://user:password@127.0.0.1:8332") // without the address: it may hold a password
	}
	n := &Node{cookie: cookie, client: &http.Client{
		Timeout: callTime, Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if u.User != nil {
		n.user = u.User.Username()
		n.secret, _ = u.User.Password()
	}
	u.User = nil
	n.url = u.String()
	if n.user == "" && cookie == "" {
		return nil, fmt.Errorf("the node at %s needs a user and password in its address, or a cookie file", n)
	}
	return n, nil
}

// String is the node's address without credentials.
func (n *Node) String() string { return n.url }

// rpcError is what a node answered instead of a result.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// Codes that both nodes use.
const (
	codeUnknown     = -5     // no such block, transaction or address
	codeNoMethod    = -32601 // and -1 of btcd for what it knows and does not do
	codeUnsupported = -1     // also, of btcd: no block of that height
	codeInvalid     = -8     // no block of that height, of Bitcoin Core
	codeMissing     = -25    // an input is unknown or spent
	codeRejected    = -26
	codeInChain     = -27
	codeWarmingUp   = -28
)

func codeOf(err error) int {
	var e *rpcError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

type rpcRequest struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

type rpcAnswer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *rpcError       `json:"error"`
}

// call asks one thing. An error of the node is an *rpcError.
func (n *Node) call(ctx context.Context, into any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := n.post(ctx, rpcRequest{"1.0", 1, method, params})
	if err != nil {
		return err
	}
	var answer rpcAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("the answer to %s is not JSON: %.60q", method, body)
	}
	return answer.read(into, method)
}

func (a *rpcAnswer) read(into any, method string) error {
	if a.Error != nil {
		return a.Error
	}
	if into == nil {
		return nil
	}
	read := func() error { return json.Unmarshal(a.Result, into) }
	if own, ok := into.(json.Unmarshaler); ok { // the whole answer was checked to be JSON
		read = func() error { return own.UnmarshalJSON(a.Result) }
	}
	if err := read(); err != nil {
		return fmt.Errorf("the result of %s is not as expected: %.60q", method, a.Result)
	}
	return nil
}

// hashes are ids in hex as nodes list them. A mempool has many: they are read without
// making a text of each.
type hashes []chainhash.Hash

// UnmarshalJSON reads an array of texts of 64 digits.
func (h *hashes) UnmarshalJSON(b []byte) error {
	bad := errors.New("not a list of ids")
	const width = 2 * chainhash.HashSize
	if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '[' {
		return bad
	}
	ids := make(hashes, 0, len(b)/(width+3)+1)
	for {
		before, rest, more := bytes.Cut(b, []byte{'"'})
		if len(bytes.Trim(before, "[], \t\r\n")) > 0 {
			return bad
		}
		if !more {
			break
		}
		b = rest
		if len(b) < width+1 || b[width] != '"' {
			return bad
		}
		var id chainhash.Hash
		if _, err := hex.Decode(id[:], b[:width]); err != nil {
			return bad
		}
		slices.Reverse(id[:]) // as people write them
		ids, b = append(ids, id), b[width+1:]
	}
	*h = ids
	return nil
}

// each asks the same of many, a batch at a time. got is called once for each, in
// order, with the node's error if there was one.
func each[T any](ctx context.Context, n *Node, method string, params [][]any, got func(i int, result T, err error) error) error {
	for from := 0; from < len(params); from += maxBatch {
		part := params[from:min(len(params), from+maxBatch)]
		requests := make([]rpcRequest, len(part))
		for i, p := range part {
			requests[i] = rpcRequest{"1.0", i, method, p}
		}
		body, err := n.post(ctx, requests)
		if err != nil {
			return err
		}
		var answers []rpcAnswer
		if err := json.Unmarshal(body, &answers); err != nil {
			return fmt.Errorf("the answer to a batch of %s is not a list: %.60q", method, body)
		}
		byID := make([]*rpcAnswer, len(part))
		for i := range answers {
			if id := answers[i].ID; id >= 0 && id < len(byID) {
				byID[id] = &answers[i]
			}
		}
		for i, a := range byID {
			if a == nil {
				return fmt.Errorf("the answer to a batch of %s lacks some", method)
			}
			var result T
			err := a.read(&result, method)
			if err := got(from+i, result, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// post sends a request. What the node says in its body counts before its status:
// nodes differ in which they give with an error.
func (n *Node) post(ctx context.Context, request any) ([]byte, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	user, secret, err := n.credentials()
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(user, secret)
	r.Header.Set("Content-Type", "application/json")
	resp, err := n.client.Do(r)
	if err != nil {
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err
		}
		return nil, fmt.Errorf("cannot be reached: %w", err)
	}
	defer resp.Body.Close() // read to its end below
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("broke off its answer: %w", err)
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("answers with more than %d MB", maxAnswer>>20)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return nil, errors.New("refuses the user and password, or this machine's address (rpcallowip)")
	case len(bytes.TrimSpace(answer)) == 0 || answer[0] != '{' && answer[0] != '[':
		return nil, fmt.Errorf("answers %s, not JSON", resp.Status)
	}
	return answer, nil
}

func (n *Node) credentials() (user, secret string, err error) {
	if n.cookie == "" {
		return n.user, n.secret, nil
	}
	text, err := os.ReadFile(n.cookie)
	if err != nil {
		return "", "", fmt.Errorf("its cookie file cannot be read; is it running? %w", err)
	}
	user, secret, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
	if !ok {
		return "", "", fmt.Errorf("its cookie file %s does not hold user:password", n.cookie)
	}
	return user, secret, nil
}

// used asks which of some addresses were ever paid, if the node can tell: btcd with
// --addrindex knows all that was; Bitcoin Core what is there unspent, when it gets
// the time to look through it all.
func (n *Node) used(ctx context.Context, addresses []string) ([]bool, error) {
	found := make([]bool, len(addresses))
	for i, address := range addresses {
		err := n.call(ctx, nil, "searchrawtransactions", address, 0, 0, 1)
		switch code := codeOf(err); {
		case err == nil:
			found[i] = true
		case code == codeNoMethod:
			return n.unspent(ctx, addresses)
		case code == codeUnsupported:
			return nil, paybell.Errorf(paybell.Unavailable, "the node keeps no index of addresses")
		case code != codeUnknown:
			return nil, err
		}
	}
	return found, nil
}

// unspent is used as Bitcoin Core can tell it.
func (n *Node) unspent(ctx context.Context, addresses []string) ([]bool, error) {
	var scan []string
	for _, a := range addresses {
		scan = append(scan, "addr("+a+")")
	}
	var result struct {
		Unspents []struct {
			Desc string `json:"desc"`
		} `json:"unspents"`
	}
	if err := n.call(ctx, &result, "scantxoutset", "start", scan); err != nil {
		return nil, paybell.Errorf(paybell.Unavailable, "the node could not look through its coins")
	}
	found := make([]bool, len(addresses))
	for _, u := range result.Unspents {
		for i, a := range addresses {
			found[i] = found[i] || strings.HasPrefix(u.Desc, "addr("+a+")")
		}
	}
	return found, nil
}
