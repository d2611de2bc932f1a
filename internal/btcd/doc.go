// Package btcd runs real Bitcoin nodes with test money: btcd processes on the loopback
// interface, a wallet that pays from coins which only we know, and a miner that makes
// blocks by hand, so that a caller decides what stands in which block of which branch.
// Tests use it and the demo does. It is no part of what receives money.
//
//	n, err := btcd.Start(ctx, btcd.Config{})
//	defer n.Close()
//	w := btcd.NewWallet(n, "seed")
//	err = w.Fund(ctx)
//	tx, err := w.Pay(ctx, btcd.Output{Address: "bcrt1...", Sats: 150_000})
//	blocks, err := n.Mine(ctx, 2)                                      // tx and one block on top
//	rival, err := w.Conflict(tx, btcd.Output{Address: w.NewAddress(), Sats: 150_000})
//	blocks, err = n.Reorg(ctx, 2, rival)                               // tx is gone for good
//
// A node answers after 0.1 s and is funded after another 0.1 s, so each test can have
// its own. The binary is found, or built once: see [Find].
//
// # Networks
//
// On regtest everything is allowed from the first block on, and each start wipes the
// chain. On simnet the chain lasts, and segwit and taproot begin at block 300, which
// [Wallet.Fund] sees to. Both relay what is not standard: dust, any OP_RETURN.
//
// Blocks carry the clock's time or the least that the rules allow. That is ahead of
// the clock by a second for each six blocks that are made at once, and may be so by
// two hours. Coinbases take no fees.
//
// # Reorganisations
//
// What btcd 0.26 does was tried. It puts the transactions of the blocks that it leaves
// back into its mempool by itself, children and parents, without asking for a fee;
// then the new blocks take out what they hold and what they conflict with, with all
// that is built on it. Its answers in the middle of this show the middle of it: a
// shorter chain, half a mempool. So after [Node.Reorg]
//
//   - a transaction waits again, if the new blocks do not conflict with it;
//     [Node.Rebroadcast] makes sure;
//   - it is confirmed again, if Reorg was given it;
//   - it is gone for good, if Reorg was given its [Wallet.Conflict];
//   - it is gone for now, and may be broadcast again, after [Wallet.Forget], which
//     costs one more reorganisation of one block.
//
// [Node.Shorten] takes blocks away with no others in their place. [Node.MineOn] builds
// any branch, and two nodes that were not connected when they mined have a real fork.
//
// A node that catches up with a peer does not clear its mempool of what the blocks
// hold or contradict. Such transactions stay there until a restart; [Node.Mine] leaves
// them out.
//
// # Restarts
//
// A node that is stopped politely and started again has its chain on simnet and no
// mempool ([Node.ForgetMempool]). One that is killed has also lost the blocks since it
// was last stopped politely, if that is less than five minutes ago. So, on simnet:
// Restart, mine n, Kill, Restart is a chain that got shorter by n; Restart, Kill,
// Restart is one that did not.
package btcd
