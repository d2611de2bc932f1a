// Package sandbox is a chain of test coins inside the process: every merchant
// has a ledger of their own, with a mempool, blocks, replacements and reorgs,
// and makes everything on it happen. No node is needed and nothing happens by
// itself, so what a test sees today it sees tomorrow.
//
// What is kept is a journal of operations. The state is their fold, a pure
// function (book.go), so a restarted process, or another one beside it, comes
// to the very same chain by reading the journal.
package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/paybell/paybell"
)

// Journal is where the operations are kept. Several processes may share one.
//
// The journal must grow at its end only: an entry may not become visible to
// Load after one with a greater N was, or a process that has passed its place
// never sees it. A database that hands out numbers before it commits must hold
// a lock from the one to the other.
//
// Both functions are called with no lock held that the other, or Scan, needs.
type Journal struct {
	// Load returns the next entries with N > after, in order of N, at most some
	// thousand of them; none means that there are no more.
	Load func(ctx context.Context, after int64) ([]Entry, error)
	// Append keeps one more operation and returns its number, which is above 0.
	// It is durable, and Load shows it, when Append returns.
	Append func(ctx context.Context, merchantID string, op string) (n int64, err error)
}

// Entry is one operation in the journal.
type Entry struct {
	N          int64
	MerchantID string
	Op         string // JSON
}

// newest, given to catchUp, asks for all that is in the journal.
const newest = math.MaxInt64

// Chain is the sandbox. Its methods may be called from any goroutine.
//
// Every operation is checked against the ledger first, and refused with an
// *paybell.Error that says why. Then it is appended to the journal, and what it
// came to there is the answer: another process may have been quicker, and then
// it changed nothing and the error says what was in its way. When the error is
// not Invalid, NotFound or Conflict, the operation may or may not have happened.
type Chain struct {
	journal Journal
	reading chan struct{} // holds a token while one goroutine reads the journal; not a mutex, so that waiting can be cancelled

	// mu is never held while the journal is called.
	mu      sync.Mutex
	book    *book
	waiting int              // operations that may be in the journal and have no answer yet
	answers map[int64]answer // by N; kept only while somebody is waiting
}

// New returns the chain that the journal tells of. The journal is first read
// when the chain is first used.
func New(j Journal) *Chain {
	return &Chain{
		journal: j,
		reading: make(chan struct{}, 1),
		book:    newBook(),
		answers: make(map[int64]answer),
	}
}

// Network is the name of the chain in transfers and payments.
func (c *Chain) Network() string { return paybell.SandboxNetwork }

// Pay sends amount to one of the merchant's addresses: a transaction with one
// output, index 0, in the mempool. An address of another merchant is refused,
// because their money would then hang on this merchant's reorgs.
func (c *Chain) Pay(ctx context.Context, merchantID, address string, amount paybell.Units) (txID string, err error) {
	a, err := c.do(ctx, merchantID, op{Do: "pay", Address: address, Amount: amount})
	return a.txID, err
}

// Mine adds 1 to 1000 blocks and returns the new height. The first holds the
// whole mempool, the rest are empty.
func (c *Chain) Mine(ctx context.Context, merchantID string, blocks int) (height int64, err error) {
	a, err := c.do(ctx, merchantID, op{Do: "mine", Blocks: blocks})
	return a.height, err
}

// Replace spends the inputs of a transaction in the mempool once more. The new
// transaction pays the same amount to the same address (toInvoice) or to
// somebody else, and can itself be replaced, also back to the invoice.
func (c *Chain) Replace(ctx context.Context, merchantID, txID string, toInvoice bool) (newTxID string, err error) {
	a, err := c.do(ctx, merchantID, op{Do: "replace", TxID: txID, ToInvoice: toInvoice})
	return a.txID, err
}

// Drop makes a transaction in the mempool forgotten.
func (c *Chain) Drop(ctx context.Context, merchantID, txID string) error {
	_, err := c.do(ctx, merchantID, op{Do: "drop", TxID: txID})
	return err
}

// Return brings a dropped transaction back to the mempool.
func (c *Chain) Return(ctx context.Context, merchantID, txID string) error {
	_, err := c.do(ctx, merchantID, op{Do: "return", TxID: txID})
	return err
}

// Reorg takes the last depth blocks back, 1 to 100 and no more than there are.
// A rival chain of depth+1 empty blocks takes their place; their transactions
// are in the mempool again, marked Reorged until they are mined again.
func (c *Chain) Reorg(ctx context.Context, merchantID string, depth int) error {
	_, err := c.do(ctx, merchantID, op{Do: "reorg", Depth: depth})
	return err
}

// Height is that of a merchant's ledger: each has its own blocks. With no merchant
// it is that of the longest.
func (c *Chain) Height(ctx context.Context, merchantID string) (height int64, err error) {
	if err := c.catchUp(ctx, newest); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.book.height(merchantID), nil
}

// do checks o, appends it and returns what it came to.
func (c *Chain) do(ctx context.Context, merchantID string, o op) (answer, error) {
	if err := c.catchUp(ctx, newest); err != nil {
		return answer{}, err
	}
	if err := c.check(merchantID, o); err != nil {
		return answer{}, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return answer{}, fmt.Errorf("sandbox: write operation: %w", err)
	}
	c.await()
	defer c.awaited()
	n, err := c.journal.Append(ctx, merchantID, string(text))
	if err != nil {
		return answer{}, fmt.Errorf("sandbox: append to the journal: %w", err)
	}
	if err := c.catchUp(ctx, n); err != nil {
		return answer{}, err
	}
	return c.answer(n)
}

// check says why o cannot be done now, nil if it can.
func (c *Chain) check(merchantID string, o op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.book.plan(c.book.ledger(merchantID), o)
	return err
}

// await asks for the answers of all entries folded from here on to be kept: the
// caller is about to append one, and cannot know its number before somebody
// else may have folded it.
func (c *Chain) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting++
}

func (c *Chain) awaited() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if c.waiting == 0 {
		clear(c.answers)
	}
}

// answer takes what entry n came to.
func (c *Chain) answer(n int64) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[n]
	if !ok {
		return answer{}, fmt.Errorf("sandbox: the journal took entry %d and did not show it in its place", n)
	}
	delete(c.answers, n)
	return a, a.err
}

// catchUp folds what the journal has and we do not, at least up to entry until
// if there is one.
func (c *Chain) catchUp(ctx context.Context, until int64) error {
	select {
	case c.reading <- struct{}{}:
		defer func() { <-c.reading }()
	case <-ctx.Done():
		return fmt.Errorf("sandbox: wait for the journal: %w", ctx.Err())
	}
	for {
		last := c.folded()
		if last >= until {
			return nil
		}
		page, err := c.journal.Load(ctx, last)
		if err != nil {
			return fmt.Errorf("sandbox: read the journal after entry %d: %w", last, err)
		}
		if len(page) == 0 {
			return nil
		}
		if err := c.fold(page); err != nil {
			return err
		}
	}
}

// folded is the number of the last entry folded.
func (c *Chain) folded() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.book.last
}

// fold folds a page. An entry that cannot be read stops the chain there, for
// good: a state guessed past it would differ from what other processes have.
func (c *Chain) fold(page []Entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range page {
		a, err := c.book.fold(e)
		if err != nil {
			return fmt.Errorf("sandbox: journal entry %d: %w", e.N, err)
		}
		if c.waiting > 0 {
			c.answers[e.N] = a
		}
	}
	return nil
}

// The alphabet of bech32 (BIP 173). There is no valid checksum behind it, so
// that a real wallet refuses to send to a sandbox address.
const addressAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

var addressEncoding = base32.NewEncoding(addressAlphabet).WithPadding(base32.NoPadding)

// Address is what the function Address gives.
func (c *Chain) Address(merchantID string, index int64) string { return Address(merchantID, index) }

// Address is the merchant's sandbox address number index. It looks like one of
// the Litecoin testnet: "tltc1", a part that is the same in all addresses of
// the merchant, and a part that is different in each.
func Address(merchantID string, index int64) string {
	return addressPrefix(merchantID) + encodeHash(15, "address", merchantID, index)
}

func addressPrefix(merchantID string) string {
	return "tltc1" + encodeHash(10, "merchant", merchantID, 0)
}

// ownsAddress reports whether Address can have made address for the merchant.
func ownsAddress(merchantID, address string) bool {
	rest, ok := strings.CutPrefix(address, addressPrefix(merchantID))
	return ok && len(rest) == addressEncoding.EncodedLen(15) && strings.Trim(rest, addressAlphabet) == ""
}

func encodeHash(size int, kind, merchantID string, n int64) string {
	sum := hash(kind, merchantID, n)
	return addressEncoding.EncodeToString(sum[:size])
}

// hash is different for every kind, merchant and number.
func hash(kind, merchantID string, n int64) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "paybell sandbox %s %q %d", kind, merchantID, n))
}
