package btcd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

func start(t *testing.T, config Config) *Node {
	t.Helper()
	began := time.Now()
	n, err := Start(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	return n
}

func fund(t *testing.T, n *Node) *Wallet {
	t.Helper()
	began := time.Now()
	w := NewWallet(n, t.Name())
	must(t, w.Fund(t.Context()))
	t.Logf("funded in %s", time.Since(began).Round(time.Millisecond))
	if w.Coins() < coins {
		t.Fatalf("%d coins after Fund, want %d", w.Coins(), coins)
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get is the value of a call that may not fail.
func get[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// wantMempool fails the test unless exactly txs wait in the mempool.
func wantMempool(t *testing.T, n *Node, txs ...*Tx) {
	t.Helper()
	var have, want []string
	for _, tx := range get[[]*wire.MsgTx](t)(n.Mempool(t.Context())) {
		have = append(have, tx.TxHash().String())
	}
	for _, tx := range txs {
		want = append(want, tx.ID.String())
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("the mempool holds %q, want %q", have, want)
	}
}

// wantIn fails the test unless the block holds exactly txs.
func wantIn(t *testing.T, n *Node, hash chainhash.Hash, txs ...*Tx) {
	t.Helper()
	block := get[*wire.MsgBlock](t)(n.Block(t.Context(), hash))
	var have, want []chainhash.Hash
	for _, tx := range block.Transactions[1:] {
		have = append(have, tx.TxHash())
	}
	for _, tx := range txs {
		want = append(want, tx.ID)
	}
	if !slices.Equal(have, want) {
		t.Errorf("block %s holds %v, want %v", hash, have, want)
	}
}

func height(t *testing.T, n *Node) int64 {
	t.Helper()
	h, _, err := n.Tip(t.Context())
	must(t, err)
	return h
}

func somewhere(w *Wallet) Output { return Output{Address: w.NewAddress(), Sats: bitcoin} }

func TestPayToEachKindOfAddress(t *testing.T) {
	n := start(t, Config{})
	w := fund(t, n)
	key := w.derive(1000).PubKey()
	hash := address.Hash160(key.SerializeCompressed())
	program := chainhash.HashB([]byte{txscript.OP_TRUE})
	taproot := txscript.ComputeTaprootKeyNoScript(key).X().Bytes()
	p := n.Params()
	encode := func(a address.Address, err error) string {
		t.Helper()
		must(t, err)
		return a.EncodeAddress()
	}
	pkh, err := address.NewAddressPubKeyHash(hash, p)
	p2pkh := encode(pkh, err)
	sh, err := address.NewAddressScriptHash([]byte{txscript.OP_TRUE}, p)
	p2sh := encode(sh, err)
	wsh, err := address.NewAddressWitnessScriptHash(program, p)
	p2wsh := encode(wsh, err)
	tr, err := address.NewAddressTaproot(taproot, p)
	p2tr := encode(tr, err)

	outputs := []Output{
		{Address: p2pkh, Sats: 1e6},
		{Address: p2sh, Sats: 2e6},
		{Address: w.NewAddress(), Sats: 3e6},
		{Address: p2wsh, Sats: 4e6},
		{Address: p2tr, Sats: 5e6},
		{Script: []byte{txscript.OP_RETURN, 3, 'a', 'b', 'c'}},
		{Address: p2tr, Sats: 7}, // dust
	}
	began := time.Now()
	tx := get[*Tx](t)(w.Pay(t.Context(), outputs...))
	wantMempool(t, n, tx)
	hashes := get[[]chainhash.Hash](t)(n.Mine(t.Context(), 2))
	t.Logf("paid and mined in %s", time.Since(began).Round(time.Microsecond))
	wantIn(t, n, hashes[0], tx)
	wantIn(t, n, hashes[1])
	wantMempool(t, n)
	if len(tx.TxOut) != len(outputs)+1 {
		t.Fatalf("%d outputs, want %d and change", len(tx.TxOut), len(outputs))
	}
	for i, o := range outputs {
		if tx.TxOut[i].Value != o.Sats {
			t.Errorf("output %d is %d satoshis, want %d", i, tx.TxOut[i].Value, o.Sats)
		}
	}
	if least := tx.VSize() * FeeRate; tx.Fee < least || tx.Fee > least+3*FeeRate {
		t.Errorf("the fee is %d, want about %d", tx.Fee, least)
	}

	many := get[*Tx](t)(w.Pay(t.Context(), Output{Address: w.NewAddress(), Sats: 12 * bitcoin})) // more than two coins
	if len(many.Spends) != 3 {
		t.Errorf("%d coins were spent, want 3", len(many.Spends))
	}
	if _, err := w.Pay(t.Context(), Output{Address: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Sats: 1e6}); err == nil {
		t.Error("an address of another network was paid")
	}
	if _, err := w.Pay(t.Context(), Output{Address: p2tr, Sats: 10_000 * bitcoin}); err == nil {
		t.Error("more was paid than the wallet has")
	}
	get[[]chainhash.Hash](t)(n.Mine(t.Context(), 1))

	began = time.Now()
	get[[]chainhash.Hash](t)(n.Mine(t.Context(), 500))
	t.Logf("500 blocks in %s", time.Since(began).Round(time.Millisecond))
}

func TestReplaceAndConflict(t *testing.T) {
	n := start(t, Config{})
	w := fund(t, n)
	ctx := t.Context()
	use := get[*Tx](t)

	first := use(w.Pay(ctx, somewhere(w)))
	second := use(w.Replace(ctx, first, somewhere(w)))
	third := use(w.Replace(ctx, second)) // back to the wallet
	wantMempool(t, n, third)
	if first.Spends[0] != third.Spends[0] {
		t.Error("a replacement spends another coin")
	}
	if err := n.Broadcast(ctx, first); Code(err) != -26 {
		t.Errorf("the replaced transaction: %v, want the error -26", err)
	}

	// The mempool says one thing, the block another.
	parent := use(w.Pay(ctx, somewhere(w)))
	child := use(w.Child(ctx, parent, somewhere(w)))
	wantMempool(t, n, third, parent, child)
	rival := use(w.Conflict(parent, somewhere(w)))
	block := get[chainhash.Hash](t)(n.MineTxs(ctx, rival))
	wantIn(t, n, block, rival)
	wantMempool(t, n, third)

	// Parents first, whatever the order of their ids.
	last := use(w.Pay(ctx, somewhere(w)))
	for range 10 {
		last = use(w.Child(ctx, last, Output{Address: w.NewAddress(), Sats: 1e6}))
	}
	get[[]chainhash.Hash](t)(n.Mine(ctx, 1))
	wantMempool(t, n)

	// One that does not signal is not replaced, but a block may hold its rival.
	final := use(w.Build(Spend{Outputs: []Output{somewhere(w)}, Final: true}))
	must(t, n.Broadcast(ctx, final))
	rival = use(w.Conflict(final, somewhere(w)))
	if err := n.Broadcast(ctx, rival); Code(err) != -26 {
		t.Errorf("a rival of one that is final: %v, want the error -26", err)
	}
	wantMempool(t, n, final)
	get[chainhash.Hash](t)(n.MineTxs(ctx, rival))
	wantMempool(t, n)

	if _, err := n.MineTxs(ctx, final); err == nil {
		t.Error("a block with a coin that is spent was taken")
	}
}

func TestForget(t *testing.T) {
	n := start(t, Config{})
	w := fund(t, n)
	ctx := t.Context()
	use := get[*Tx](t)

	kept := use(w.Pay(ctx, somewhere(w)))
	gone := use(w.Pay(ctx, somewhere(w)))
	big := use(w.Pay(ctx, Output{Address: w.NewAddress(), Sats: 12 * bitcoin}))
	use(w.Child(ctx, gone, somewhere(w)))
	must(t, w.Forget(ctx, gone, big))
	wantMempool(t, n, kept)
	must(t, n.Broadcast(ctx, gone))
	wantMempool(t, n, kept, gone)
	if err := n.ForgetMempool(ctx); err == nil {
		t.Error("a node on regtest lost its mempool and not its chain")
	}
}

func TestReorg(t *testing.T) {
	n := start(t, Config{})
	w := fund(t, n)
	ctx := t.Context()
	use := get[*Tx](t)

	parent := use(w.Pay(ctx, somewhere(w)))
	get[[]chainhash.Hash](t)(n.Mine(ctx, 1))
	child := use(w.Child(ctx, parent, somewhere(w)))
	moved := use(w.Pay(ctx, somewhere(w)))
	spent := use(w.Pay(ctx, somewhere(w)))
	heir := use(w.Child(ctx, spent, somewhere(w)))
	old := get[[]chainhash.Hash](t)(n.Mine(ctx, 2))
	before := height(t, n)
	wantIn(t, n, old[1])
	wantMempool(t, n)

	// All go back to the mempool but what the new blocks hold and what they conflict
	// with, with its heirs.
	rival := use(w.Conflict(spent, somewhere(w)))
	blocks := get[[]chainhash.Hash](t)(n.Reorg(ctx, 3, moved, rival))
	if got := height(t, n); got != before+1 {
		t.Errorf("the height is %d, want %d", got, before+1)
	}
	wantIn(t, n, blocks[0], moved, rival)
	wantMempool(t, n, parent, child)
	if err := n.Broadcast(ctx, heir); Code(err) != -25 {
		t.Errorf("a child of a transaction that is no more: %v, want the error -25", err)
	}

	// Surely not back, and surely back.
	must(t, w.Forget(ctx, parent))
	wantMempool(t, n)
	must(t, n.Broadcast(ctx, parent))
	must(t, n.Rebroadcast(ctx, parent, child))
	wantMempool(t, n, parent, child)
	if err := n.Rebroadcast(ctx, spent); Code(err) != -25 {
		t.Errorf("a transaction whose coin is spent: %v, want the error -25", err)
	}

	// A branch that is not longer changes nothing.
	_, tip, err := n.Tip(ctx)
	must(t, err)
	block := get[*wire.MsgBlock](t)(n.Block(ctx, tip))
	side := get[chainhash.Hash](t)(n.MineOn(ctx, block.Header.PrevBlock, parent))
	if _, now, err := n.Tip(ctx); err != nil || now != tip {
		t.Errorf("the tip is %s (%v), want the first of two equal ones, %s", now, err, tip)
	}
	get[chainhash.Hash](t)(n.MineOn(ctx, side))
	wantMempool(t, n, child)

	if _, err := n.Reorg(ctx, 100000); err == nil {
		t.Error("a reorganisation deeper than the chain was made")
	}
}

func TestShorten(t *testing.T) {
	n := start(t, Config{})
	w := fund(t, n)
	ctx := t.Context()
	tx := get[*Tx](t)(w.Pay(ctx, somewhere(w)))
	get[[]chainhash.Hash](t)(n.Mine(ctx, 3))
	before, tip, err := n.Tip(ctx)
	must(t, err)
	first := get[chainhash.Hash](t)(n.Shorten(ctx, 3))
	if got := height(t, n); got != before-3 {
		t.Errorf("the height is %d, want %d", got, before-3)
	}
	wantMempool(t, n, tx)
	must(t, n.Lengthen(ctx, first))
	if _, now, err := n.Tip(ctx); err != nil || now != tip {
		t.Errorf("the tip is %s (%v), want %s again", now, err, tip)
	}
	wantMempool(t, n)
	get[chainhash.Hash](t)(n.Shorten(ctx, 2))
	get[[]chainhash.Hash](t)(n.Mine(ctx, 1)) // it goes on from there
	if got := height(t, n); got != before-1 {
		t.Errorf("the height is %d, want %d", got, before-1)
	}
}

func TestTwoNodesAndAFork(t *testing.T) {
	ctx := t.Context()
	use := get[*Tx](t)
	a, b := start(t, Config{}), start(t, Config{})
	w := fund(t, a)
	must(t, a.Connect(ctx, b))
	must(t, Sync(ctx, a, b))

	// What one gets the other hears of.
	tx := use(w.Pay(ctx, somewhere(w)))
	must(t, poll(ctx, "the other node to hear of it", func() (bool, error) {
		txs, err := b.Mempool(ctx)
		return len(txs) == 1 && txs[0].TxHash() == tx.ID, err
	}))
	get[[]chainhash.Hash](t)(b.Mine(ctx, 1))
	must(t, Sync(ctx, a, b))

	must(t, a.Disconnect(ctx, b))
	inA := use(w.Pay(ctx, somewhere(w)))
	inB := use(w.Conflict(inA, somewhere(w)))
	get[[]chainhash.Hash](t)(a.Mine(ctx, 1))
	get[chainhash.Hash](t)(b.MineTxs(ctx, inB))
	get[[]chainhash.Hash](t)(b.MineEmpty(ctx, 1))
	before, _, err := a.Tip(ctx)
	must(t, err)
	must(t, b.Connect(ctx, a))
	must(t, Sync(ctx, a, b))
	if got := height(t, a); got != before+1 {
		t.Errorf("the height is %d, want %d", got, before+1)
	}
	// btcd keeps what a block contradicts when it catches up; Mine leaves it out.
	t.Logf("%d transactions are left in the mempool of the node that changed over", len(get[[]*wire.MsgTx](t)(a.Mempool(ctx))))
	must(t, a.Disconnect(ctx, b))
	next := use(w.Pay(ctx, somewhere(w)))
	wantIn(t, a, get[[]chainhash.Hash](t)(a.Mine(ctx, 1))[0], next)
	get[[]chainhash.Hash](t)(b.MineEmpty(ctx, 1))

	// Of two branches of one length each keeps its own, until one is longer.
	get[[]chainhash.Hash](t)(a.MineEmpty(ctx, 2))
	get[[]chainhash.Hash](t)(b.MineEmpty(ctx, 2))
	must(t, a.Connect(ctx, b))
	get[[]chainhash.Hash](t)(a.MineEmpty(ctx, 1))
	must(t, Sync(ctx, a, b))
}

func TestSimnetLasts(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "node")
	n := start(t, Config{Dir: dir, Network: "simnet"})
	w := fund(t, n)
	var info struct {
		Forks map[string]struct {
			Status string `json:"status"`
		} `json:"bip9_softforks"`
	}
	must(t, n.Call(ctx, "getblockchaininfo", &info))
	for _, fork := range []string{"csv", "segwit", "taproot"} {
		if s := info.Forks[fork].Status; s != "active" {
			t.Errorf("%s is %s, want active", fork, s)
		}
	}
	tx := get[*Tx](t)(w.Pay(ctx, somewhere(w)))
	get[[]chainhash.Hash](t)(n.Mine(ctx, 5))
	waits := get[*Tx](t)(w.Pay(ctx, somewhere(w)))
	_, tip, err := n.Tip(ctx)
	must(t, err)

	must(t, n.ForgetMempool(ctx))
	if _, now, err := n.Tip(ctx); err != nil || now != tip {
		t.Errorf("the tip is %s (%v) after a restart, want %s", now, err, tip)
	}
	wantMempool(t, n)
	must(t, n.Broadcast(ctx, waits))
	get[[]chainhash.Hash](t)(n.Mine(ctx, 1))

	// A kill takes the blocks since the last polite end, here three.
	must(t, n.Restart(ctx))
	before, tip, err := n.Tip(ctx)
	must(t, err)
	get[[]chainhash.Hash](t)(n.Mine(ctx, 3))
	pid := n.Pid()
	n.Kill()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) || n.Pid() != 0 {
		t.Errorf("the process lives after it was killed: %v", err)
	}
	if err := n.Call(ctx, "getblockcount", nil); err == nil {
		t.Error("a node that was killed answers")
	}
	must(t, n.Restart(ctx))
	if now, hash, err := n.Tip(ctx); err != nil || hash != tip {
		t.Errorf("after a kill at height %d the node has %d (%v), want %d", before+3, now, err, before)
	}
	n.Stop()

	// Another process later: the wallet finds its coins.
	n = start(t, Config{Dir: dir, Network: "simnet"})
	w = NewWallet(n, t.Name())
	grown := height(t, n)
	must(t, w.Fund(ctx))
	if got := height(t, n); got != grown {
		t.Errorf("the chain grew from %d to %d for coins that the wallet has", grown, got)
	}
	if slices.ContainsFunc(w.fresh, func(c Coin) bool { return c == tx.Spends[0] }) {
		t.Error("a coin that was spent was found")
	}
	get[*Tx](t)(w.Pay(ctx, somewhere(w)))
	get[[]chainhash.Hash](t)(n.Mine(ctx, 1))
}

func TestNoNodeOutlivesItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n, err := Start(ctx, Config{})
	must(t, err)
	defer n.Close()
	cancel()
	<-n.process().life.Done()
	if err := n.Restart(t.Context()); err == nil {
		t.Error("a node whose context has ended was started again")
	}
}

func TestStartSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"an option that does not exist", Config{ExtraArgs: []string{"--nonsense"}}, "nonsense"},
		{"a binary that is not there", Config{Binary: "/nowhere/btcd"}, "/nowhere/btcd"},
		{"a network for real money", Config{Network: "mainnet"}, "regtest or simnet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := Start(t.Context(), c.config)
			if err == nil {
				n.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %q, want it to say %q", err, c.want)
			}
		})
	}
}

// TestDifficultyChanges is about simnet's rule that difficulty rises when 2016 blocks
// come too fast.
func TestDifficultyChanges(t *testing.T) {
	ctx := t.Context()
	n := start(t, Config{Network: "simnet"})
	began := time.Now()
	// The first change comes after the second 2016: the first began with the genesis block, years ago.
	get[[]chainhash.Hash](t)(n.MineEmpty(ctx, 2*2016+3))
	t.Logf("mined in %s", time.Since(began).Round(time.Millisecond))
	_, tip, err := n.Tip(ctx)
	must(t, err)
	n.known = headers{} // as another process, which did not make them
	get[[]chainhash.Hash](t)(n.MineEmpty(ctx, 1))
	block := get[*wire.MsgBlock](t)(n.Block(ctx, tip))
	if block.Header.Bits == n.Params().PowLimitBits {
		t.Error("the difficulty did not change")
	}
}

func TestPortsInUse(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		name  string
		ports func(n *Node) *string
	}{
		{"rpc", func(n *Node) *string { return &n.rpc }},
		{"p2p", func(n *Node) *string { return &n.p2p }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := start(t, Config{})
			n.Stop()
			*c.ports(n) = taken.Addr().String()
			if err := n.launch(t.Context()); !errors.Is(err, errPortTaken) {
				t.Errorf("the error is %v, want %v", err, errPortTaken)
			}
		})
	}
}

// TestMain is, in a process that TestNoNodeOutlivesItsParent starts, that parent.
func TestMain(m *testing.M) {
	if os.Getenv("BTCD_TEST_PARENT") == "" {
		os.Exit(m.Run())
	}
	n, err := Start(context.Background(), Config{Dir: os.Getenv("BTCD_TEST_PARENT")})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(n.Pid())
	select {}
}

func TestNoNodeOutlivesItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the parent death signal is of Linux")
	}
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), "BTCD_TEST_PARENT="+t.TempDir())
	out, err := parent.StdoutPipe()
	must(t, err)
	must(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	must(t, syscall.Kill(pid, 0))
	must(t, parent.Process.Kill())
	_ = parent.Wait()
	must(t, poll(t.Context(), "the node to end", func() (bool, error) {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH), nil
	}))
}
