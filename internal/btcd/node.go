package btcd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
)

const (
	startTimeout = 60 * time.Second // a loaded machine; usual is 0.2 s
	stopTimeout  = 30 * time.Second
	pollTimeout  = 30 * time.Second
	pollEvery    = 5 * time.Millisecond
)

// Config says what node to start. Its zero value is a regtest node in a temporary
// directory.
type Config struct {
	Dir       string   // where the node keeps all its files; "" is a temporary directory that Close removes
	Network   string   // "regtest" (wiped at every start; the default) or "simnet" (lasts)
	Binary    string   // the btcd to run; "" is the one that Find returns
	NoIndex   bool     // without the indexes of transactions and addresses, as most nodes are
	ExtraArgs []string // more options of btcd, after ours
}

// Node is a btcd on this machine's loopback interface. All methods may be called by several goroutines.
type Node struct {
	User, Password string // of its RPC

	life      context.Context // of Start: the process is killed when it ends
	config    Config
	temporary bool
	params    *chaincfg.Params
	rpc, p2p  string // host:port, the same for the node's whole life

	mu   sync.Mutex // guards proc
	proc *process   // nil if the node was never started

	mining sync.Mutex // one block after another
	known  headers
}

// Start starts a node and returns when its RPC answers. The node is killed when ctx
// ends, so ctx is that of the node's life; when this process ends, however it ends (on
// Linux); and by Close.
func Start(ctx context.Context, config Config) (*Node, error) {
	n := &Node{User: "paybell", Password: rand.Text(), life: ctx, config: config}
	switch config.Network {
	case "regtest", "":
		n.params = &chaincfg.RegressionNetParams
	case "simnet":
		n.params = &chaincfg.SimNetParams
	default:
		return nil, fmt.Errorf("btcd: the network is regtest or simnet, not %q", config.Network)
	}
	if n.config.Binary == "" {
		path, err := Find(ctx)
		if err != nil {
			return nil, err
		}
		n.config.Binary = path
	}
	if config.Dir == "" {
		dir, err := os.MkdirTemp("", "paybell-btcd-")
		if err != nil {
			return nil, fmt.Errorf("btcd: make a directory: %w", err)
		}
		n.config.Dir, n.temporary = dir, true
	} else if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("btcd: make a directory: %w", err)
	}
	var err error
	for range 5 { // a free port may be taken by somebody else before the node has it
		if n.rpc, n.p2p, err = freePorts(); err != nil {
			break
		}
		if err = n.launch(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

var errPortTaken = errors.New("a port of the node is in use")

func freePorts() (rpc, p2p string, err error) {
	for _, addr := range []*string{&rpc, &p2p} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return "", "", fmt.Errorf("btcd: find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // after both are chosen, so that they differ
		*addr = l.Addr().String()
	}
	return rpc, p2p, nil
}

// Params are those of the node's network.
func (n *Node) Params() *chaincfg.Params { return n.params }

// URL is that of the node's JSON-RPC, with user and password.
func (n *Node) URL() string { return "http://" + n.User + ":" + n.Password + "@" + n.rpc }

// P2P is the host:port at which other nodes reach this one.
func (n *Node) P2P() string { return n.p2p }

// Pid is the node's process, or 0 if it does not run.
func (n *Node) Pid() int {
	if p := n.process(); p != nil && p.running() {
		return p.cmd.Process.Pid
	}
	return 0
}

func (n *Node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

func (n *Node) args() []string {
	dir := n.config.Dir
	args := []string{
		"--" + n.params.Name,
		"--datadir=" + filepath.Join(dir, "data"),
		"--logdir=" + filepath.Join(dir, "logs"),
		"--debuglevel=warn",
		"--listen=" + n.p2p,
		"--rpclisten=" + n.rpc,
		"--rpcuser=" + n.User,
		"--rpcpass=" + n.Password,
		"--rpcmaxclients=200", // ten by default; more get HTTP 503
		"--rpcmaxconcurrentreqs=200",
		"--notls",
		"--nodnsseed",
		"--noonion",
		"--nobanning",
		"--nostalldetect",
		"--nocfilters",
		"--utxocachemaxsize=16",
		"--trickleinterval=50ms", // how long a transaction waits before it is told to a peer; 10 s by default
	}
	if !n.config.NoIndex {
		args = append(args, "--txindex", "--addrindex")
	}
	return append(args, n.config.ExtraArgs...)
}

// launch starts the process and waits until it answers.
func (n *Node) launch(ctx context.Context) error {
	p, err := run(n.life, n.config.Binary, n.args(), n.config.Dir)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.proc = p
	n.mu.Unlock()
	if err := n.awaitAnswer(ctx, p); err != nil {
		p.kill()
		return err
	}
	return nil
}

func (n *Node) awaitAnswer(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// Somebody else's port may take our question and never answer.
	defer context.AfterFunc(p.life, cancel)()
	for {
		err := n.Call(ctx, "getblockcount", nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
			continue
		}
		if p.running() {
			return fmt.Errorf("btcd: the node does not answer: %w: %w: %s", ctx.Err(), err, p.said())
		}
		if said := p.said(); strings.Contains(said, "address already in use") {
			return fmt.Errorf("btcd: %w: %s", errPortTaken, said)
		}
		return fmt.Errorf("btcd: the node stopped as it started: %w: %s", p.err, p.said())
	}
}

// Kill ends the process as a power cut would (SIGKILL) and returns when it has ended.
// On simnet too the node then comes back without the blocks that it got since its
// last polite end, or in the last five minutes: btcd writes its database that seldom.
func (n *Node) Kill() {
	if p := n.process(); p != nil {
		p.kill()
	}
}

// Stop ends the process politely and returns when it has ended; a node that does not
// end within half a minute is killed.
func (n *Node) Stop() {
	if p := n.process(); p != nil {
		p.stop()
	}
}

// Restart stops the node if it runs and starts it again in the same directory and at
// the same ports. Its mempool is lost; on regtest its chain as well.
func (n *Node) Restart(ctx context.Context) error {
	n.Stop()
	return n.launch(ctx)
}

// ForgetMempool restarts a node on simnet, which keeps its chain then and loses its
// mempool. On regtest the chain would be lost too, so it is an error there: see
// [Wallet.Forget].
func (n *Node) ForgetMempool(ctx context.Context) error {
	if n.params.Name == "regtest" {
		return errors.New("btcd: a node on regtest loses its chain with its mempool; use Wallet.Forget, or simnet")
	}
	return n.Restart(ctx)
}

// Close kills the node and removes its directory if it was a temporary one.
func (n *Node) Close() {
	n.Kill()
	if n.temporary {
		_ = os.RemoveAll(n.config.Dir)
	}
}

// Tip is the height and the hash of the best block.
func (n *Node) Tip(ctx context.Context) (height int64, hash chainhash.Hash, err error) {
	var best struct {
		Height int64          `json:"height"`
		Hash   chainhash.Hash `json:"hash"`
	}
	err = n.Call(ctx, "getbestblock", &best)
	return best.Height, best.Hash, err
}

// Connect makes n and other peers of each other, and returns when they are. They
// stay so until one of them ends or Disconnect is called. Being connected is not
// being in step: see Sync.
func (n *Node) Connect(ctx context.Context, other *Node) error {
	if connected, err := n.hasPeer(ctx, other); err != nil || connected {
		return err
	}
	if err := n.Call(ctx, "node", nil, "connect", other.p2p, "temp"); err != nil {
		return err
	}
	return poll(ctx, "the nodes to be connected", func() (bool, error) { return n.hasPeer(ctx, other) })
}

// Disconnect parts n and other, and returns when they are parted.
func (n *Node) Disconnect(ctx context.Context, other *Node) error {
	for _, side := range [][2]*Node{{n, other}, {other, n}} {
		a, b := side[0], side[1]
		err := poll(ctx, "the nodes to be parted", func() (bool, error) {
			connected, err := a.hasPeer(ctx, b)
			if err != nil || !connected {
				return !connected, err
			}
			_ = a.Call(ctx, "node", nil, "disconnect", b.p2p) // refused if it has just gone
			return false, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hasPeer says whether n has connected to other; not the other way round, when n
// knows only a port of passage.
func (n *Node) hasPeer(ctx context.Context, other *Node) (bool, error) {
	var peers []struct {
		Addr    string `json:"addr"`
		Version uint32 `json:"version"` // 0 before the handshake
	}
	if err := n.Call(ctx, "getpeerinfo", &peers); err != nil {
		return false, err
	}
	for _, p := range peers {
		if p.Addr == other.p2p && p.Version != 0 {
			return true, nil
		}
	}
	return false, nil
}

// Sync returns when the best blocks of all nodes are the same, or fails after half a
// minute. Nodes with two branches of one length do not come together before one of
// them gets a longer one. A node's tip is there a moment before its mempool follows.
func Sync(ctx context.Context, nodes ...*Node) error {
	return poll(ctx, "the nodes to have one best block", func() (bool, error) {
		var first chainhash.Hash
		for i, n := range nodes {
			_, tip, err := n.Tip(ctx)
			if err != nil {
				return false, err
			}
			if i == 0 {
				first = tip
			} else if tip != first {
				return false, nil
			}
		}
		return true, nil
	})
}

// poll asks until the answer is yes, an error comes, ctx ends or half a minute is over.
func poll(ctx context.Context, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	for {
		if yes, err := ask(); err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("btcd: waited for %s: %w", what, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

// process is one run of btcd.
type process struct {
	cmd  *exec.Cmd
	log  string          // the file that its output goes to
	life context.Context // ends when it has ended
	err  error           // why it ended; to be read after that
}

// run starts a process that is killed when ctx ends.
func run(ctx context.Context, binary string, args []string, dir string) (*process, error) {
	life, ended := context.WithCancel(context.Background())
	p := &process{log: filepath.Join(dir, "output.log"), life: life}
	out, err := os.Create(p.log)
	if err != nil {
		ended()
		return nil, fmt.Errorf("btcd: make the log: %w", err)
	}
	p.cmd = exec.CommandContext(ctx, binary, args...)
	p.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")} // no settings of the user's
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = dieWithParent()

	started := make(chan error, 1)
	go func() {
		// The thread that starts the process is its parent for the kernel, so it
		// stays until the process has ended; see dieWithParent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer ended()
		defer func() { _ = out.Close() }()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("btcd: start the node: %w", err)
	}
	return p, nil
}

func (p *process) running() bool { return p.life.Err() == nil }

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails if it has ended
	<-p.life.Done()
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.life.Done():
	case <-time.After(stopTimeout):
		p.kill()
	}
}

// said is the end of what the process wrote.
func (p *process) said() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return "no log: " + err.Error()
	}
	return tail(bytes.TrimSpace(text), 2000)
}
