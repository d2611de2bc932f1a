package bitcoin

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// script is the output script of address n: taproot, segwit, nested, legacy.
func script(n int) []byte {
	key := chainhash.HashB(strconv.AppendInt(nil, int64(n), 10))
	switch n % 4 {
	case 0:
		return witnessScript(txscript.OP_1, key)
	case 1:
		return payToScriptHash(key[:20])
	case 2:
		return payToPubKeyHash(key[:20])
	}
	return witnessScript(txscript.OP_0, key[:20])
}

// WatchedStore makes a store that watches n addresses on p's network, and has as many
// transfers as told that are not settled; it returns its directory.
func WatchedStore(tb testing.TB, p *Params, n, open int) string {
	tb.Helper()
	dir := tb.TempDir()
	storetest.Blank(tb, dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "paybell.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=foreign_keys(OFF)")
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	pay, err := tx.Prepare(`INSERT INTO payments (id, invoice_id, currency, network, address, due, tolerance, rate, refund_email, paid_after, completed_after,
		opened_at, expires_at, timed_out_at, seen, counted, accepted) VALUES ($1, $2, $3, $4, $5, '100000', '0', '1', '', 0, 3, 0, 0, 1, '0', '0', '0')`)
	if err != nil {
		tb.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range n {
		if _, err := pay.Exec(paybell.NewUUID(at), paybell.NewUUID(at), p.Asset, p.Network, p.Address(script(i))); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range open {
		raw := payment(uint32(i), script(i), 100_000)
		if _, err := tx.Exec(`INSERT INTO transfers (network, txid, position, asset, invoice_id, payment_id, address, amount, status, confirmations, height, reorged, replaces, seen_at, absent_at, settled, raw)
			VALUES ($1, $2, 0, $3, 'i', 'p', $4, '100000', 'dropped', 0, 0, 0, '', 1, 1, 0, $5)`, p.Network, raw.TxHash().String(), p.Asset, p.Address(script(i)), encodeTx(raw)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// OpenStore opens a store in a directory. Close it.
func OpenStore(tb testing.TB, dir string) *store.DB {
	tb.Helper()
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		tb.Fatal(err)
	}
	db, err := store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

// memory is a line of what the kernel knows of this process, in MB; 0 where it is not
// told.
func memory(line string) int {
	text, _ := os.ReadFile("/proc/self/status")
	for l := range strings.Lines(string(text)) {
		var kb int
		if n, _ := fmt.Sscanf(l, line+": %d kB", &kb); n == 1 {
			return kb >> 10
		}
	}
	return 0
}

// emptied is the memory of the process with nothing in it, from where its highest is
// counted anew.
func emptied() int {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // VmHWM begins again
	return memory("VmRSS")
}

// BenchmarkBlock reads blocks of 4,000 transactions with 10,000 outputs, of which 50
// pay an address of ours: from the node's hex to what is ours.
func BenchmarkBlock(b *testing.B) {
	p, err := FindParams("bitcoin", "mainnet")
	if err != nil {
		b.Fatal(err)
	}
	const txs, outputs = 4000, 10_000
	var ids []chainhash.Hash
	var raws [][]byte
	for i := range txs {
		tx := payment(uint32(i), nil)
		tx.TxIn[0].Witness = wire.TxWitness{make([]byte, 72), make([]byte, 33)}
		for j := i * outputs / txs; j < (i+1)*outputs/txs; j++ {
			n := j
			if j%200 != 0 {
				n += 1_000_000_000 // somebody else's
			}
			tx.AddTxOut(wire.NewTxOut(1000, script(n)))
		}
		ids, raws = append(ids, tx.TxHash()), append(raws, raw(tx))
	}
	text := blockOf(ids, raws...)
	for _, watched := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("addresses=%d", watched), func(b *testing.B) {
			dir := WatchedStore(b, p, watched, 0)
			before := emptied()
			db := OpenStore(b, dir)
			defer db.Close()
			l := &look{ctx: b.Context(), params: p, watch: paybell.Watch{Ours: func(addresses []string) ([]string, error) {
				return store.View(b.Context(), db, func(tx *store.Tx) ([]string, error) { return tx.PaidTo(p.Network, addresses) })
			}}}
			for b.Loop() {
				block, err := decodeBlock(text)
				if err != nil {
					b.Fatal(err)
				}
				paid, err := l.paid(block.txs)
				if err != nil || len(paid) != outputs/200 {
					b.Fatalf("%d of our addresses, %v", len(paid), err)
				}
			}
			b.ReportMetric(float64(memory("VmHWM")-before), "MB-more")
		})
	}
}

// BenchmarkIdleLook is a look at which nothing is new, with 150,000 transactions in the
// mempool: the main network on a busy day.
func BenchmarkIdleLook(b *testing.B) {
	p, err := FindParams("bitcoin", "regtest")
	if err != nil {
		b.Fatal(err)
	}
	node := newFakeChain(5)
	known := newPool()
	var ids []string
	for i := range 150_000 {
		id := chainhash.HashH(strconv.AppendInt(nil, int64(i), 10))
		known.seen[id] = 0
		ids = append(ids, id.String())
	}
	node.answers["getrawmempool"] = `["` + strings.Join(ids, `","`) + `"]`
	n, err := NewNode(strings.Replace(serve(b, node), "http://", "http://user:hunter2@", 1), "")
	if err != nil {
		b.Fatal(err)
	}
	c := New(p, n)
	c.pool = known
	w := paybell.Watch{Ours: func([]string) ([]string, error) { return nil, nil }}
	cursor := ""
	for b.Loop() {
		batch, err := c.Scan(b.Context(), cursor, w)
		if err != nil || batch.More {
			b.Fatalf("%+v, %v", batch, err)
		}
		cursor = batch.Cursor
	}
}
