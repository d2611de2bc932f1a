package bitcoin

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"github.com/paybell/paybell"
)

// fakeChain is a regtest chain as a node tells it, or tells it wrong.
type fakeChain struct {
	blocks  []string // in hex
	hashes  []string
	answers map[string]string // what it says instead: the result as JSON, by method
	refuses map[string]int    // with which code, by method
}

func newFakeChain(blocks int) *fakeChain {
	c := &fakeChain{answers: map[string]string{}, refuses: map[string]int{}}
	last := chaincfg.RegressionNetParams.GenesisBlock
	for n := range blocks {
		var b bytes.Buffer
		_ = last.Serialize(&b)
		c.blocks, c.hashes = append(c.blocks, hex.EncodeToString(b.Bytes())), append(c.hashes, last.BlockHash().String())
		tx := payment(uint32(n), []byte{1}, 5)
		next := wire.NewMsgBlock(&wire.BlockHeader{Version: 1, PrevBlock: last.BlockHash(), MerkleRoot: tx.TxHash(), Timestamp: time.Unix(int64(n), 0), Bits: 0x207fffff})
		_ = next.AddTransaction(tx)
		last = next
	}
	return c
}

func (c *fakeChain) height(hash any) int {
	for i, h := range c.hashes {
		if h == hash {
			return i
		}
	}
	return 0
}

func (c *fakeChain) answer(method string, params []any) string {
	quote := func(s string) string { return `"` + s + `"` }
	if said, ok := c.answers[method]; ok {
		return said
	}
	switch method {
	case "getblockchaininfo":
		return fmt.Sprintf(`{"blocks": %d, "headers": %d}`, len(c.blocks)-1, len(c.blocks)-1)
	case "getblockhash":
		return quote(c.hashes[int(params[0].(float64))])
	case "getblockheader":
		return quote(c.blocks[c.height(params[0])][:160])
	case "getblock":
		return quote(c.blocks[c.height(params[0])])
	case "getbestblockhash":
		return quote(c.hashes[len(c.hashes)-1])
	case "getrawmempool":
		return "[]"
	}
	return "null"
}

func (c *fakeChain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	_ = json.NewDecoder(r.Body).Decode(&body)
	var all []rpcRequest
	one := json.Unmarshal(body, &all) != nil
	if one {
		all = make([]rpcRequest, 1)
		_ = json.Unmarshal(body, &all[0])
	}
	var answers []string
	for _, q := range all {
		if code, ok := c.refuses[q.Method]; ok {
			answers = append(answers, fmt.Sprintf(`{"result": null, "error": {"code": %d, "message": "No"}, "id": %d}`, code, q.ID))
			continue
		}
		answers = append(answers, fmt.Sprintf(`{"result": %s, "error": null, "id": %d}`, c.answer(q.Method, q.Params), q.ID))
	}
	text := strings.Join(answers, ",")
	if !one {
		text = "[" + text + "]"
	}
	says(http.StatusOK, text)(w, r)
}

// What is wrong with a node is said in plain words, and nothing it says is believed
// that its blocks do not bear out.
func TestScanOfAMisbehavingNode(t *testing.T) {
	for name, c := range map[string]struct {
		wrong func(*fakeChain)
		words string
	}{
		"well":                 {func(*fakeChain) {}, ""},
		"still starting":       {func(c *fakeChain) { c.refuses["getblockhash"] = codeWarmingUp }, "No (-28)"},
		"another network":      {func(c *fakeChain) { c.answers["getblockhash"] = `"` + chainhash.Hash{1}.String() + `"` }, "is not on bitcoin regtest"},
		"no hash":              {func(c *fakeChain) { c.answers["getblockhash"] = `"hello"` }, `names block 0 "hello"`},
		"fetching":             {func(c *fakeChain) { c.answers["getblockchaininfo"] = `{"blocks": 4, "headers": 900000}` }, "still fetching the chain: it has 4 of 900000 blocks"},
		"pruned":               {func(c *fakeChain) { c.refuses["getblock"] = codeUnsupported }, "a pruned node forgets"},
		"another block":        {func(c *fakeChain) { c.answers["getblock"] = `"` + c.blocks[1] + `"` }, "changed while it was read"},
		"a block cut off":      {func(c *fakeChain) { c.answers["getblock"] = `"` + c.blocks[4][:200] + `"` }, "block 4: "},
		"no block":             {func(c *fakeChain) { c.answers["getblock"] = "null" }, "block 4: "},
		"another transaction":  {func(c *fakeChain) { c.blocks[4] = c.blocks[4][:162] + c.blocks[3][162:] }, "not those of its header"},
		"always another tip":   {func(c *fakeChain) { c.answers["getbestblockhash"] = `"` + c.hashes[1] + `"` }, "changed while it was read"},
		"no mempool":           {func(c *fakeChain) { c.answers["getrawmempool"] = `[1]` }, "not as expected"},
		"names in the mempool": {func(c *fakeChain) { c.answers["getrawmempool"] = `["../../etc"]` }, "getrawmempool is not as expected"},
		"what nobody can read": {func(c *fakeChain) {
			c.answers["getrawmempool"] = `["` + c.hashes[0] + `"]`
			c.answers["getrawtransaction"] = `"0200000000080000"`
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := FindParams("bitcoin", "regtest")
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			w := paybell.Watch{
				Ours:         func([]string) ([]string, error) { asked++; return nil, nil },
				DecidedAbove: func(int64) ([]paybell.Transfer, error) { return nil, nil },
			}
			node := newFakeChain(5)
			from, err := New(p, fakeNode(t, newFakeChain(4).ServeHTTP)).Scan(t.Context(), "", w)
			if err != nil || from.Height != 3 {
				t.Fatalf("%+v, %v", from, err)
			}
			c.wrong(node)
			got, err := New(p, fakeNode(t, node.ServeHTTP)).Scan(t.Context(), from.Cursor, w)
			if c.words != "" {
				refused(t, err, c.words)
				return
			}
			if err != nil || got.Height != 4 || got.More || asked == 0 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// The cursor is read exactly as it was written, and nothing else.
func TestCursor(t *testing.T) {
	c := cursor{height: 9, blocks: []block{{chainhash.Hash{1}, 0x207fffff}, {chainhash.Hash{2}, 0x1d00ffff}}, again: true}
	got, err := parseCursor(c.String())
	if err != nil || got.String() != c.String() {
		t.Errorf("%+v, %v", got, err)
	}
	for range 3 * kept {
		c = c.with(block{chainhash.Hash{3}, 1})
	}
	if len(c.blocks) != kept || c.oldest() != c.height-kept+1 {
		t.Errorf("%d blocks are remembered, from %d on", len(c.blocks), c.oldest())
	}
	if b := c.back(c.height - 5); b.height != c.height-5 || b.oldest() != c.oldest() {
		t.Errorf("back by five is %d, from %d on", b.height, b.oldest())
	}
	if got, err := parseCursor(From(7)); err != nil || got.height != 7 || !got.again || len(got.blocks) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"x", "7", "from ", "from -1", "from 1x", "{}", `{"height": 1, "blocks": []}`, `{"height": 0, "blocks": ["a 1", "b 1"]}`,
		`{"height": 9, "blocks": ["00 20"]`, `{"height": 9, "blocks": ["zz 20"]}`, `{"height": 9, "blocks": ["` + chainhash.Hash{}.String() + ` xyz"]}`} {
		if got, err := parseCursor(text); err == nil {
			t.Errorf("%s was read as %+v", text, got)
		}
	}
}

// Work is as the protocol has it: the targets and works of well-known blocks.
func TestWork(t *testing.T) {
	for bits, want := range map[uint32]string{
		0x1d00ffff: "4295032833",               // of the first block
		0x207fffff: "2",                        // of regtest
		0x17034219: "371041696979166003650763", // of block 840,000
		0:          "0",
		0x1d80ffff: "0", // negative
		0xff00ffff: "0", // more than there are
	} {
		if got := work(bits).String(); got != want {
			t.Errorf("the work of %x is %s, want %s", bits, got, want)
		}
	}
}
