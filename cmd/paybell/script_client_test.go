package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// clientSecrets are the clients of a script, by id.
type clientSecrets struct {
	mu     sync.Mutex
	secret map[string]string
}

func (c *clientSecrets) add(id, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.secret == nil {
		c.secret = map[string]string{}
	}
	c.secret[id] = secret
}

func (c *clientSecrets) of(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secret[id]
}

func (c *clientSecrets) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, s := range c.secret {
		all = append(all, s)
	}
	return all
}

// coinPaymentsSignature is the recipe of the contract, section 1.1, written from
// the contract and not from our code.
func coinPaymentsSignature(secret, method, url, client, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("\xEF\xBB\xBF" + method + url + client + timestamp))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// setup makes a merchant and a client as an operator does.
func (w *world) setup(ts *testscript.TestScript, args []string) {
	var merchant struct{ ID string }
	var client struct{ ClientID, ClientSecret string }
	runJSON(ts, &merchant, "merchant", "create", "--name", "Café Bell", "--data", "data", "--json")
	runJSON(ts, &client, "client", "create", "--merchant", merchant.ID, "--name", "Web shop",
		"--url", "https://cafe-bell.example", "--permissions", "all", "--data", "data", "--json")
	w.secrets.add(client.ClientID, client.ClientSecret)
	prefixes := []string{""}
	if len(args) > 0 {
		prefixes = append(prefixes, args[0]+"_")
	}
	for _, prefix := range prefixes {
		ts.Setenv(prefix+"MERCHANT", merchant.ID)
		ts.Setenv(prefix+"CLIENT", client.ClientID)
		ts.Setenv(prefix+"SECRET", client.ClientSecret)
	}
}

func runJSON(ts *testscript.TestScript, into any, args ...string) {
	if err := ts.Exec("paybell", args...); err != nil {
		ts.Fatalf("paybell %s: %v", strings.Join(args, " "), err)
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), into))
}

// as changes who signs.
func (w *world) as(ts *testscript.TestScript, args []string) {
	for _, name := range []string{"MERCHANT", "CLIENT", "SECRET"} {
		value := ts.Getenv(args[0] + "_" + name)
		if value == "" {
			ts.Fatalf("there was no `setup %s`", args[0])
		}
		ts.Setenv(name, value)
	}
}

// call is one request to the server.
type call struct {
	method, path string
	body         []byte
	base         string // of the URL that is signed; empty: of the one that is called
	unsigned     bool
	clock        time.Duration // how far the signer's clock is off
	headers      []string
}

// api makes the request of a script's line and judges the answer.
func (w *world) api(ts *testscript.TestScript, args []string) {
	var c call
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.base, "base", "", "")
	flags.BoolVar(&c.unsigned, "unsigned", false, "")
	flags.DurationVar(&c.clock, "clock", 0, "")
	flags.Func("header", "", func(h string) error { c.headers = append(c.headers, h); return nil })
	ts.Check(flags.Parse(args))
	args = flags.Args()
	if len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: api [flags] STATUS METHOD PATH [BODY]")
	}
	c.method, c.path = args[1], args[2]
	if len(args) == 4 {
		c.body = readBodyArgument(ts, args[3])
	}
	w.exchange(ts, args[0], c)
}

// readBodyArgument is JSON written in the line, or a file.
func readBodyArgument(ts *testscript.TestScript, arg string) []byte {
	if strings.ContainsAny(arg[:1], "{[") {
		return []byte(arg)
	}
	return []byte(os.Expand(ts.ReadFile(arg), ts.Getenv))
}

// exchange sends c, puts the answer to stdout and returns it. It must have this
// status.
func (w *world) exchange(ts *testscript.TestScript, status string, c call) []byte {
	if c.base == "" {
		c.base = ts.Getenv("URL")
	}
	req, err := http.NewRequest(c.method, ts.Getenv("URL")+c.path, bytes.NewReader(c.body))
	ts.Check(err)
	if len(c.body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.unsigned {
		client, timestamp := ts.Getenv("CLIENT"), time.Now().Add(c.clock).UTC().Format("2006-01-02T15:04:05")
		req.Header.Set("X-CoinPayments-Client", client)
		req.Header.Set("X-CoinPayments-Timestamp", timestamp)
		req.Header.Set("X-CoinPayments-Signature", coinPaymentsSignature(ts.Getenv("SECRET"), c.method, c.base+c.path, client, timestamp, c.body))
	}
	for _, h := range c.headers {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Set(name, strings.TrimSpace(value))
		if name == "Host" {
			req.Host = strings.TrimSpace(value)
		}
	}
	resp, err := web.Do(req)
	ts.Check(err)
	defer resp.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, _ = ts.Stdout().Write(answer)
	if got := strconv.Itoa(resp.StatusCode); got != status {
		ts.Fatalf("%s %s is answered %s, not %s", c.method, c.path, got, status)
	}
	if resp.StatusCode > 299 {
		ts.Check(judgeProblem(resp, answer))
	}
	for _, secret := range w.secrets.all() {
		if bytes.Contains(answer, []byte(secret)) {
			ts.Fatalf("the answer holds a client's secret")
		}
	}
	return answer
}

// judgeProblem holds an answer to RFC 9457, and to being of help.
func judgeProblem(resp *http.Response, answer []byte) error {
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("a problem has the content type application/problem+json, not %q", got)
	}
	var p struct {
		Type, Title, Detail, Instance string
		Status                        int
		Error                         any
	}
	if err := json.Unmarshal(answer, &p); err != nil {
		return err
	}
	switch {
	case p.Status != resp.StatusCode:
		return fmt.Errorf("the problem says status %d", p.Status)
	case p.Type == "" || p.Title == "" || p.Instance == "":
		return fmt.Errorf("the problem has no type, title or instance")
	case len(p.Detail) < 20:
		return fmt.Errorf("the problem's detail %q helps nobody", p.Detail)
	case p.Error != nil:
		return fmt.Errorf("the problem has a key error, which PHP clients read as something else")
	}
	return nil
}

// capture takes a value out of the last answer.
func (w *world) capture(ts *testscript.TestScript, args []string) {
	ts.Setenv(args[0], find(ts, []byte(ts.ReadFile("stdout")), args[1]))
}

// find reads what stands in a JSON text at a path like invoices.0.id.
func find(ts *testscript.TestScript, text []byte, path string) string {
	var at any
	ts.Check(json.Unmarshal(text, &at))
	for step := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				ts.Fatalf("%s: there is no element %s", path, step)
			}
			at = v[i]
		default:
			at = nil
		}
	}
	if at == nil {
		ts.Fatalf("there is nothing at %s", path)
	}
	return fmt.Sprint(at)
}

const tenDollars = `{"currency":"USD","invoiceId":"0067","items":[{"name":"A bag of coffee","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],` +
	`"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`

// invoice makes an invoice like any other.
func (w *world) invoice(ts *testscript.TestScript, args []string) {
	name := "INVOICE"
	if len(args) > 0 {
		name = args[0]
	}
	answer := w.exchange(ts, "201", call{method: "POST", path: "/api/v2/merchant/invoices", body: []byte(tenDollars)})
	ts.Setenv(name, find(ts, answer, "invoices.0.id"))
}
