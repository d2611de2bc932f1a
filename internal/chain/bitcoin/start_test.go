package bitcoin_test

import (
	"context"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/chain/bitcoin"
	"github.com/paybell/paybell/internal/watch"
)

// BenchmarkStart is from the opening of a store with 100,000 addresses and 1,000 open
// transfers to the end of the first look at the chain.
func BenchmarkStart(b *testing.B) {
	node, _, err := shared.start()
	if err != nil {
		b.Fatal(err)
	}
	params, err := bitcoin.FindParams("bitcoin", "regtest")
	if err != nil {
		b.Fatal(err)
	}
	dir := bitcoin.WatchedStore(b, params, 100_000, 1000)
	for b.Loop() {
		db := bitcoin.OpenStore(b, dir)
		n, err := bitcoin.NewNode(node.URL(), "")
		if err != nil {
			b.Fatal(err)
		}
		w := &watch.Watcher{DB: db, Chain: bitcoin.New(params, n), Every: time.Hour}
		if wait, err := w.Step(context.Background()); err != nil || wait <= 0 {
			b.Fatalf("not ready: wait %v, %v", wait, err)
		}
		b.StopTimer()
		_ = db.Close()
		b.StartTimer()
	}
}
