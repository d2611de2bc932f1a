package bitcoin

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/btcsuite/btcd/chainhash/v2"

	"github.com/paybell/paybell"
)

// kept is how many blocks are remembered: a reorg that goes deeper halts the
// watching, since what it takes back can no longer be told from what it does not.
const kept = paybell.MaxReorg

// cursor is how far the chain was followed: our own chain of headers, cut off at its
// old end.
type cursor struct {
	height int64 // of the newest
	blocks []block
	// again says that what is said to be mined above is looked for once more, block by
	// block up to the tip; without blocks, that the node is believed up to height.
	again bool
}

// block is what is remembered of one.
type block struct {
	hash chainhash.Hash
	bits uint32 // its target, as in its header
}

// From is the cursor that looks again at all blocks above a height.
func From(height int64) string { return "from " + strconv.FormatInt(height, 10) }

// parseCursor reads what From and String write; "" is the beginning.
func parseCursor(text string) (c cursor, err error) {
	bad := fmt.Errorf("%.60q is not a place in this chain", text)
	if text == "" {
		return c, nil
	}
	if height, ok := strings.CutPrefix(text, "from "); ok {
		c.again = true
		if c.height, err = strconv.ParseInt(height, 10, 64); err != nil || c.height < 0 {
			return c, bad
		}
		return c, nil
	}
	var kept struct {
		Height int64    `json:"height"`
		Blocks []string `json:"blocks"`
		Again  bool     `json:"again"`
	}
	if err := json.Unmarshal([]byte(text), &kept); err != nil || len(kept.Blocks) == 0 || kept.Height < int64(len(kept.Blocks))-1 {
		return c, bad
	}
	c.height, c.again = kept.Height, kept.Again
	for _, b := range kept.Blocks {
		hash, bits, _ := strings.Cut(b, " ")
		h, err := chainhash.NewHashFromStr(hash)
		n, err2 := strconv.ParseUint(bits, 16, 32)
		if err != nil || err2 != nil {
			return c, bad
		}
		c.blocks = append(c.blocks, block{*h, uint32(n)})
	}
	return c, nil
}

// String is what is stored: the newest block last.
func (c cursor) String() string {
	blocks := make([]string, len(c.blocks))
	for i, b := range c.blocks {
		blocks[i] = b.hash.String() + " " + strconv.FormatUint(uint64(b.bits), 16)
	}
	text, err := json.Marshal(map[string]any{"height": c.height, "blocks": blocks, "again": c.again})
	if err != nil {
		panic(err) // numbers and texts
	}
	return string(text)
}

// at is the block at a height; ok is false for those that are not remembered.
func (c cursor) at(height int64) (b block, ok bool) {
	i := int64(len(c.blocks)) - 1 - (c.height - height)
	if i < 0 || i >= int64(len(c.blocks)) {
		return b, false
	}
	return c.blocks[i], true
}

// oldest is the height of the oldest block that is remembered.
func (c cursor) oldest() int64 { return c.height - int64(len(c.blocks)) + 1 }

// back is the cursor with nothing above a height, which is remembered.
func (c cursor) back(height int64) cursor {
	return cursor{height: height, blocks: c.blocks[:int64(len(c.blocks))-(c.height-height)], again: c.again}
}

// with is the cursor with one more block on top.
func (c cursor) with(b block) cursor {
	blocks := append(c.blocks[:len(c.blocks):len(c.blocks)], b)
	return cursor{height: c.height + 1, blocks: blocks[max(0, len(blocks)-kept):], again: c.again}
}

// work is how many hashes it takes on average to find a block with a target: 2^256
// divided by one more than the target.
func work(bits uint32) *big.Int {
	mantissa, exponent := int64(bits&0x007fffff), uint(bits>>24)
	if bits&0x00800000 != 0 || mantissa == 0 || exponent > 34 {
		return new(big.Int) // no target that a block could have
	}
	target := big.NewInt(mantissa)
	if exponent <= 3 {
		target.Rsh(target, 8*(3-exponent))
	} else {
		target.Lsh(target, 8*(exponent-3))
	}
	all := new(big.Int).Lsh(big.NewInt(1), 256)
	return all.Div(all, target.Add(target, big.NewInt(1)))
}
