package btcd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Error is what a node answers instead of a result.
type Error struct {
	Method  string
	Code    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("btcd: %s: %s (%d)", e.Method, e.Message, e.Code) }

// Code is the number of the node's error in err, or 0 if the node did not say one.
func Code(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return 0
}

// maxAnswer bounds what is read of an answer: 2,000 blocks in one batch are less.
const maxAnswer = 256 << 20

type request struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

type response struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	ID int `json:"id"`
}

func (r *response) into(method string, result any) error {
	if r.Error != nil {
		return &Error{Method: method, Code: r.Error.Code, Message: r.Error.Message}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(r.Result, result); err != nil {
		return fmt.Errorf("btcd: %s: %w", method, err)
	}
	return nil
}

// Call asks the node. The result is decoded from JSON into result, which may be nil.
// What the node refuses is an [*Error].
func (n *Node) Call(ctx context.Context, method string, result any, params ...any) error {
	var answer response
	if err := n.post(ctx, newRequest(0, method, params...), &answer); err != nil {
		return fmt.Errorf("btcd: %s: %w", method, err)
	}
	return answer.into(method, result)
}

func newRequest(id int, method string, params ...any) request {
	if params == nil {
		params = []any{}
	}
	return request{Version: "2.0", ID: id, Method: method, Params: params}
}

// batch asks one method several times in one HTTP request; the results come in the
// order of the parameters. The first refusal is the error.
func batch[T any](ctx context.Context, n *Node, method string, params ...[]any) ([]T, error) {
	if len(params) == 0 {
		return nil, nil
	}
	requests := make([]request, len(params))
	for i, p := range params {
		requests[i] = newRequest(i, method, p...)
	}
	var answers []response
	if err := n.post(ctx, requests, &answers); err != nil {
		return nil, fmt.Errorf("btcd: %s: %w", method, err)
	}
	if len(answers) != len(params) {
		return nil, fmt.Errorf("btcd: %s: %d answers to %d questions", method, len(answers), len(params))
	}
	results := make([]T, len(params))
	for _, a := range answers {
		if a.ID < 0 || a.ID >= len(results) {
			return nil, fmt.Errorf("btcd: %s: an answer to no question", method)
		}
		if err := a.into(method, &results[a.ID]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (n *Node) post(ctx context.Context, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.rpc, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(n.User, n.Password)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %s: %s", res.Status, bytes.TrimSpace(text))
	}
	return json.Unmarshal(text, answer)
}

// client keeps no connection: btcd closes each after its answer. It takes no proxy
// from the environment: the nodes are on this machine.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
