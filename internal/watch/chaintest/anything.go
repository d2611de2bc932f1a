package chaintest

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/paybell/paybell"
)

// chance plays a story that nobody wrote. It remembers which transactions spend the
// same coins: of each family at most one is in the chain.
type chance struct {
	nodeRig
	*rand.Rand
	families [][]member
}

type member struct {
	id   string
	pays *bill // nil: somebody else
}

// anything plays stories by chance, and compares what is known at their end with what
// is in the chain and the mempool.
func anything(r nodeRig) {
	for range 12 {
		seed := uint64(time.Now().UnixNano())
		c := &chance{nodeRig: r, Rand: rand.New(rand.NewPCG(seed, 0))}
		for range 30 {
			c.act()
		}
		r.look()
		c.compare()
		if r.Failed() {
			r.Fatalf("the seed was %d", seed)
		}
	}
}

func (c *chance) act() {
	switch c.IntN(10) {
	case 0, 1:
		b := c.bill(func(d *draft) { d.completedAfter = 1 + 100*c.IntN(2) })
		c.families = append(c.families, []member{{c.world.Pay(Output{b.address, due}), b}})
	case 2: // replaced in the mempool
		if f, m := c.waiting(); m != nil {
			b := c.rival(*m)
			c.families[f] = append(c.families[f], member{c.world.Replace(m.id, c.output(b)), b})
		}
	case 3: // a rival that is only in blocks
		if len(c.families) > 0 {
			f := c.IntN(len(c.families))
			m := c.families[f][0]
			b := c.rival(m)
			c.families[f] = append(c.families[f], member{c.world.Conflict(m.id, c.output(b)), b})
		}
	case 4:
		if _, m := c.waiting(); m != nil {
			c.world.Forget(m.id)
		}
	case 5:
		c.world.Mine(1 + c.IntN(3))
	case 6:
		c.world.MineTxs(c.some(c.world.Height())...)
	case 7:
		depth := min(1+c.IntN(5), int(c.world.Height()-c.first))
		if depth > 0 {
			c.world.ReorgTo(depth, c.some(c.world.Height()-int64(depth))...)
		}
	case 8:
		c.look()
	case 9:
		c.restart()
	}
}

// rival is whom a transaction pays that spends the coins of m again.
func (c *chance) rival(m member) *bill {
	if c.IntN(2) == 0 {
		return nil
	}
	return m.pays
}

func (c *chance) output(b *bill) Output {
	if b == nil {
		return c.world.Other()
	}
	return Output{b.address, due}
}

// waiting picks a transaction in the mempool; nil: there is none.
func (c *chance) waiting() (family int, m *member) {
	for _, f := range c.Perm(len(c.families)) {
		for _, m := range c.families[f] {
			if c.world.Knows(m.id) {
				return f, &m
			}
		}
	}
	return 0, nil
}

// some picks transactions for a block on top of that at a height.
func (c *chance) some(height int64) (ids []string) {
	for _, f := range c.families {
		mined := slices.ContainsFunc(f, func(m member) bool { h := c.world.HeightOf(m.id); return h > 0 && h <= height })
		if !mined && c.IntN(2) == 0 {
			ids = append(ids, f[c.IntN(len(f))].id)
		}
	}
	return ids
}

func (c *chance) compare() {
	for _, f := range c.families {
		alive := slices.ContainsFunc(f, func(m member) bool { return c.world.HeightOf(m.id) > 0 || c.world.Knows(m.id) })
		for i, m := range f {
			if m.pays == nil {
				continue
			}
			all := c.invoice(m.pays).Transfers
			at := slices.IndexFunc(all, func(t paybell.Transfer) bool { return t.TxID == m.id })
			var is paybell.Transfer
			if at >= 0 {
				is = all[at]
			}
			height := c.world.HeightOf(m.id)
			switch {
			case height > 0 && (is.Status != paybell.Mined || is.Height != height):
				c.Errorf("member %d of %d is in block %d, and said to be %q in %d", i, len(f), height, is.Status, is.Height)
			case height == 0 && c.world.Knows(m.id) && is.Status != paybell.Mempool:
				c.Errorf("member %d of %d is in the mempool, and said to be %q", i, len(f), is.Status)
			case height == 0 && !c.world.Knows(m.id) && (is.Status == paybell.Mined || is.Status == paybell.Mempool):
				c.Errorf("member %d of %d is nowhere, and said to be %q", i, len(f), is.Status)
			case is.Status == paybell.Dropped && !is.Reorged && !alive:
				c.Errorf("member %d of %d was not broadcast again", i, len(f))
			}
		}
	}
}
