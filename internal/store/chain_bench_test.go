package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// manyPayments is a store in dir in which invoices wait for payments to n addresses
// of a network, which manyAddress names; every third is of one wallet.
func manyPayments(t testing.TB, dir string, n int) *DB {
	t.Helper()
	db := openSQLite(t, dir)
	do := func(body func(*Tx) error) {
		t.Helper()
		if err := Do(context.Background(), db, body); err != nil {
			t.Fatal(err)
		}
	}
	do(func(tx *Tx) error {
		if err := tx.CreateMerchant(paybell.Merchant{ID: "m", Name: "m", CreatedAt: time1}); err != nil {
			return err
		}
		if err := tx.CreateWallet(paybell.Wallet{ID: "w", MerchantID: "m", Network: paybell.BitcoinNetwork, Fingerprint: "f", CreatedAt: time1}); err != nil {
			return err
		}
		return tx.CreateClient(paybell.Client{ID: "c", MerchantID: "m", Name: "c", State: paybell.ClientActive, CreatedAt: time1, Terms: paybell.DefaultTerms}, "secret")
	})
	for from := 0; from < n; from += 1000 {
		do(func(tx *Tx) error {
			for i := from; i < min(n, from+1000); i++ {
				inv := paybell.Invoice{
					ID: fmt.Sprintf("invoice-%032d", i), MerchantID: "m", ClientID: "c", Version: 2, State: paybell.Pending,
					CreatedAt: time1, ExpiresAt: time1.Add(7 * 24 * time.Hour), Window: time.Hour,
				}
				p := paybell.Payment{
					ID: fmt.Sprintf("payment-%032d", i), Currency: "1", Network: paybell.BitcoinNetwork, Address: manyAddress(i), Index: int64(i), Due: paybell.NewUnits(1000),
					CompletedAfter: 2, OpenedAt: time1, ExpiresAt: time1.Add(time.Hour),
				}
				if i%3 == 0 {
					p.WalletID = "w"
				}
				inv.Payments = []paybell.Payment{p}
				if err := tx.saveInvoice(inv, 0); err != nil {
					return err
				}
				if err := tx.savePayment(inv.ID, p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return db
}

// manyAddress is as long as most are, and like the next in nothing but its prefix.
func manyAddress(i int) string { return fmt.Sprintf("bc1q%038x", uint64(i+1)*0x9e3779b97f4a7c15) }

const (
	watchedAddresses = 100_000
	blockAddresses   = 10_000 // of the outputs of about 4,000 transactions
)

// BenchmarkPaidTo finds what a full block pays to 100,000 watched addresses: five.
func BenchmarkPaidTo(b *testing.B) {
	db := manyPayments(b, b.TempDir(), watchedAddresses)
	defer closeSQLite(b, db)
	addresses := make([]string, blockAddresses)
	for i := range addresses {
		addresses[i] = manyAddress(watchedAddresses + i)
		if i%(blockAddresses/5) == 0 {
			addresses[i] = manyAddress(i)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		ours, err := View(b.Context(), db, func(tx *Tx) ([]string, error) { return tx.PaidTo(paybell.BitcoinNetwork, addresses) })
		if err != nil || len(ours) != 5 {
			b.Fatalf("%d are ours, %v", len(ours), err)
		}
	}
}

// BenchmarkOpenMany opens a store of 100,000 payments and reads what a watcher
// begins with.
func BenchmarkOpenMany(b *testing.B) {
	dir := b.TempDir()
	closeSQLite(b, manyPayments(b, dir, watchedAddresses))
	for b.Loop() {
		db := openSQLite(b, dir)
		if _, err := View(b.Context(), db, func(tx *Tx) ([]paybell.Transfer, error) {
			if _, err := tx.Cursor(paybell.BitcoinNetwork); err != nil {
				return nil, err
			}
			if _, err := tx.NextTimer(paybell.BitcoinNetwork); err != nil {
				return nil, err
			}
			return tx.OpenTransfers(paybell.BitcoinNetwork)
		}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		closeSQLite(b, db)
		b.StartTimer()
	}
}

// BenchmarkExtendMany gives 100,000 who wait their time back, as after an outage.
func BenchmarkExtendMany(b *testing.B) {
	db := manyPayments(b, b.TempDir(), watchedAddresses)
	defer closeSQLite(b, db)
	for b.Loop() {
		if err := Do(b.Context(), db, func(tx *Tx) error { return tx.Extend(paybell.BitcoinNetwork, time1, time.Second) }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGap looks for the gap of a wallet of 33,333 payments.
func BenchmarkGap(b *testing.B) {
	db := manyPayments(b, b.TempDir(), watchedAddresses)
	defer closeSQLite(b, db)
	for b.Loop() {
		if gap, err := View(b.Context(), db, func(tx *Tx) (int, error) { return tx.Gap("f", paybell.MaxGap+1) }); err != nil || gap != paybell.MaxGap+1 {
			b.Fatalf("a gap of %d, %v", gap, err)
		}
	}
}
