// Package chaintest is what every chain must do, whichever network it is: money
// comes, goes and is confirmed on it, and invoices follow. Each scenario goes the
// whole way, from a transaction to the events that a merchant is told. A new chain is
// done when it passes Run; one of real nodes when it passes RunNodes.
package chaintest

import "github.com/paybell/paybell/internal/watch"

// World is a chain that a scenario can act on. What it does is done when the call
// returns, and a Scan that begins then sees it. It fails its own test when it cannot.
type World interface {
	Chain() watch.Chain // as a process has it that has just started
	Asset() string      // the currency id of its coin

	// From is the cursor that looks at all above a height again.
	From(height int64) string
	Height() int64
	// HeightOf is that of the block of the best chain which holds a transaction, as far
	// back as the scenario began; 0: none does.
	HeightOf(txID string) int64

	Address() string                   // one that was never given before
	Pay(outputs ...Output) (id string) // by a transaction in the mempool
	// PayUnsure is Pay by a transaction that a network can forget: see Drop.
	PayUnsure(output Output) (id string)
	// Replace spends the coins of a transaction in the mempool again, for a higher fee;
	// without outputs the money goes to somebody else.
	Replace(id string, outputs ...Output) (other string)
	Drop(id string)   // makes the network forget what PayUnsure made
	Return(id string) // broadcasts it again
	Mine(blocks int)  // of which the first holds the mempool
	// Reorg puts depth+1 empty blocks in the place of the last depth; what those held
	// is in the mempool again.
	Reorg(depth int)
}

// Output is an amount in the smallest unit of the coin to an address. Not all worlds
// know transactions with several.
type Output struct {
	Address string
	Amount  uint64
}

// Need is what a scenario asks of the nodes that it is given.
type Need struct {
	Alone bool // nobody else uses them: the scenario does what others would not survive
	Two   bool // nodes, connected with each other, both known to the chain
	Lasts bool // the chain survives a restart
}

// Node is a World of real nodes, in which more can happen.
type Node interface {
	World
	// WrongNetwork is a chain of another network on this node, and WrongPassword one
	// whose node refuses us.
	WrongNetwork() watch.Chain
	WrongPassword() (c watch.Chain, secret string)

	Kinds() []string                              // an address of each kind that money can be paid to
	Own() string                                  // an address whose money Spend can spend
	Spend(id string) string                       // spends what a transaction paid to an Own address
	Other() Output                                // pays somebody else
	Data() Output                                 // pays nobody: an OP_RETURN
	Child(id string, outputs ...Output) string    // spends the change of a transaction
	Conflict(id string, outputs ...Output) string // spends the same coins as another; is not broadcast
	Forget(ids ...string)                         // makes the node forget transactions, and all that is built on them
	Knows(id string) bool                         // whether the node has a transaction in its mempool
	MineTxs(ids ...string)                        // one block with exactly these
	ReorgTo(depth int, ids ...string)             // Reorg with exactly these in the first block
	Shorten(depth int)                            // takes the last blocks away, with none in their place
	Lengthen()                                    // takes Shorten back

	Use(node int) // 0 or 1: which node is acted upon from here on
	Together()    // the two nodes are connected, and have one best block when it returns
	Apart()       // they are not
	Kill()        // as a power cut does
	Restart()     // in the same place; politely, if it runs
}
