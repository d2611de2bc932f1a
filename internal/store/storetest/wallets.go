package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var walletTests = map[string]func(*testing.T, *store.DB){
	"Wallet/RoundTrip":        testWallet,
	"Wallet/Replaced":         testWalletReplaced,
	"Wallet/ReplacedAtOnce":   testWalletReplacedAtOnce,
	"Wallet/TakeIndex":        testTakeIndex,
	"Wallet/TakeIndexFailing": testTakeIndexFailing,
	"Wallet/SkipTo":           testSkipTo,
	"Wallet/SkipToAtOnce":     testSkipToAtOnce,
	"Wallet/Gap":              testGap,
	"Wallet/TestCoin":         testTestCoin,
}

// wallet is the merchant's number n, not written yet.
func (s *Shop) wallet(n int) paybell.Wallet {
	return paybell.Wallet{
		ID: paybell.NewUUID(t0), MerchantID: s.Merchant.ID, Network: paybell.BitcoinNetwork, Key: fmt.Sprintf("wpkh([00ff]xpub'%d/<0;1>/*)#ü", n), Fingerprint: fmt.Sprint("key ", n),
		Policy: paybell.Policy{Paid: 1, Completed: []paybell.Tier{{Confirmations: 2}, {From: most, Confirmations: 100}}}, CreatedAt: after(n),
	}
}

func (s *Shop) createWallet(t testing.TB, w paybell.Wallet) paybell.Wallet {
	t.Helper()
	do(t, s.DB, func(tx *store.Tx) error { return tx.CreateWallet(w) })
	return w
}

func (s *Shop) wantWallets(t testing.TB, want ...paybell.Wallet) {
	t.Helper()
	got := view(t, s.DB, func(tx *store.Tx) ([]paybell.Wallet, error) { return tx.Wallets(s.Merchant.ID) })
	wantSame(t, "the live wallets", append([]paybell.Wallet{}, got...), append([]paybell.Wallet{}, want...))
}

func (s *Shop) wantWallet(t testing.TB, want paybell.Wallet) {
	t.Helper()
	wantSame(t, "the wallet", view(t, s.DB, func(tx *store.Tx) (paybell.Wallet, error) { return tx.Wallet(want.ID) }), want)
}

func (s *Shop) wantHadWallet(t testing.TB, want bool) {
	t.Helper()
	if had := view(t, s.DB, func(tx *store.Tx) (bool, error) { return tx.HadWallet(s.Merchant.ID) }); had != want {
		t.Errorf("the merchant had a wallet: %v, want %v", had, want)
	}
}

func testWallet(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	s.wantWallets(t)
	s.wantHadWallet(t, false)
	w := s.wallet(1)
	w.Policy.Completed[0].From = paybell.NewUnits(1)
	for _, set := range []any{w.Policy, w.Policy.Completed[0]} {
		requireSet(t, set)
	}
	s.createWallet(t, w)
	s.wantWallet(t, w)
	s.wantWallets(t, w)
	s.wantHadWallet(t, true)
	other.wantWallets(t)
	other.wantHadWallet(t, false)

	for _, p := range []paybell.Policy{{}, {Paid: 100, Completed: []paybell.Tier{{Confirmations: 7}}}} {
		w.Policy = p
		do(t, db, func(tx *store.Tx) error { return tx.SetPolicy(w.ID, p) })
		s.wantWallet(t, w)
	}
	w.RemovedAt = after(50)
	do(t, db, func(tx *store.Tx) error { return tx.RemoveWallet(w.ID, after(50)) })
	do(t, db, func(tx *store.Tx) error { return tx.RemoveWallet(w.ID, after(60)) }) // it was removed already
	s.wantWallet(t, w)
	s.wantWallets(t)
	s.wantHadWallet(t, true)

	_, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Wallet, error) { return tx.Wallet(paybell.NewUUID(t0)) })
	wantCode(t, err, paybell.NotFound)
}

// A wallet takes the place of the merchant's live one on its network, and of no
// other. What it replaced is kept.
func testWalletReplaced(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	first := s.createWallet(t, s.wallet(1))
	litecoin := s.wallet(2)
	litecoin.Network = paybell.LitecoinNetwork
	s.createWallet(t, litecoin)
	theirs := other.createWallet(t, other.wallet(1)) // with the same key
	second := s.createWallet(t, s.wallet(3))
	s.wantWallets(t, litecoin, second)
	first.RemovedAt = second.CreatedAt
	s.wantWallet(t, first)
	other.wantWallets(t, theirs)
	again := s.wallet(4) // back to the first key
	again.Fingerprint, again.Key = first.Fingerprint, first.Key
	s.createWallet(t, again)
	s.wantWallets(t, litecoin, again)
	s.wantWallet(t, first) // was removed before, and stays so
	second.RemovedAt = again.CreatedAt
	s.wantWallet(t, second)
}

func testWalletReplacedAtOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	const n = 8
	var all [n]paybell.Wallet
	for i := range n {
		all[i] = s.wallet(i)
	}
	if err := atOnce(n, func(i int) error {
		return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateWallet(all[i]) })
	}); err != nil {
		t.Fatal(err)
	}
	if live := view(t, db, func(tx *store.Tx) ([]paybell.Wallet, error) { return tx.Wallets(s.Merchant.ID) }); len(live) != 1 {
		t.Errorf("%d wallets of one network are live", len(live))
	}
	for _, w := range all {
		_ = view(t, db, func(tx *store.Tx) (paybell.Wallet, error) { return tx.Wallet(w.ID) })
	}
}

// Whoever asks for a key, and however many at once, gets the next index alone.
func testTakeIndex(t *testing.T, db *store.DB) {
	const goroutines, each = 16, 8
	var taken [goroutines][each]int64
	next := func(fingerprint string) (int64, error) {
		return store.Update(context.Background(), db, func(tx *store.Tx) (int64, error) { return tx.TakeIndex(fingerprint) })
	}
	if err := atOnce(goroutines, func(i int) (err error) {
		for j := range each {
			if taken[i][j], err = next("key"); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, some := range taken {
		for _, index := range some {
			if seen[index] || index < 0 || index >= goroutines*each {
				t.Errorf("index %d was given twice, or after a gap", index)
			}
			seen[index] = true
		}
	}
	if index, err := next("other"); err != nil || index != 0 {
		t.Errorf("the first index of another key is %d, %v", index, err)
	}
}

// An index that a failed body took was shown to nobody and may be given again,
// but never to two.
func testTakeIndexFailing(t *testing.T, db *store.DB) {
	take := func(fail error) (index int64, err error) {
		err = store.Do(context.Background(), db, func(tx *store.Tx) error {
			var err error
			index, err = tx.TakeIndex("key")
			return errors.Join(err, fail)
		})
		return index, err
	}
	for want := range int64(3) {
		if _, err := take(errGivenUp); !errors.Is(err, errGivenUp) {
			t.Fatal(err)
		}
		if index, err := take(nil); err != nil || index != want {
			t.Errorf("got index %d, %v, want %d", index, err, want)
		}
	}
}

func nextIndex(t testing.TB, db *store.DB, fingerprint string) int64 {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (int64, error) { return tx.NextIndex(fingerprint) })
}

// What is skipped is never given, and what was given is never given again.
func testSkipTo(t *testing.T, db *store.DB) {
	take := func(want int64) {
		t.Helper()
		if next := nextIndex(t, db, "key"); next != want {
			t.Errorf("the next index is said to be %d, want %d", next, want)
		}
		if got := update(t, db, func(tx *store.Tx) (int64, error) { return tx.TakeIndex("key") }); got != want {
			t.Errorf("got index %d, want %d", got, want)
		}
	}
	skip := func(fingerprint string, to int64) {
		t.Helper()
		do(t, db, func(tx *store.Tx) error { return tx.SkipTo(fingerprint, to) })
	}
	skip("key", 0)
	take(0)
	skip("key", 5)
	skip("key", 5)
	take(5)
	skip("key", 3)
	skip("key", 0)
	take(6)
	skip("other", 1000)
	take(7)
	if next := nextIndex(t, db, "other"); next != 1000 {
		t.Errorf("the next index of a key that begins later is %d", next)
	}
	if next := nextIndex(t, db, "never seen"); next != 0 {
		t.Errorf("the next index of a new key is %d", next)
	}
}

// Who skips beside those who take: nothing is given twice, and nothing below the
// greatest skip after it.
func testSkipToAtOnce(t *testing.T, db *store.DB) {
	const goroutines, each = 12, 10
	var taken [goroutines][each]int64
	if err := atOnce(goroutines, func(i int) error {
		for j := range each {
			index, err := store.Update(context.Background(), db, func(tx *store.Tx) (int64, error) {
				if i%3 == 0 {
					return -1, tx.SkipTo("key", int64(10*i+j))
				}
				return tx.TakeIndex("key")
			})
			if err != nil {
				return err
			}
			taken[i][j] = index
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, some := range taken {
		last := int64(-1)
		for _, index := range some {
			if index < 0 {
				continue
			}
			if seen[index] || index <= last {
				t.Errorf("index %d was given twice, or after %d", index, last)
			}
			seen[index], last = true, index
		}
	}
	const greatest = 10*(goroutines-3) + each - 1
	if next := nextIndex(t, db, "key"); next < greatest || seen[next] {
		t.Errorf("the next index is %d", next)
	}
}

// openAt opens a payment at an address of a wallet.
func (s *Shop) openAt(t testing.TB, w paybell.Wallet, index int64) (invoiceID string, tr paybell.Transfer) {
	t.Helper()
	open := pay(fmt.Sprint(w.Fingerprint, " ", index))
	open.Payment.Network, open.Payment.WalletID, open.Payment.Index = w.Network, w.ID, index
	changes := next(t, s.create(t, t0), paybell.Input{Do: open}, t0)
	s.apply(t, changes...)
	return changes[0].Invoice.ID, paybell.Transfer{
		Network: w.Network, TxID: open.Payment.Address, Asset: paybell.LTCT, Address: open.Payment.Address, Amount: paybell.NewUnits(1),
		Status: paybell.Mempool, PaymentID: open.Payment.ID, SeenAt: t0,
	}
}

// A gap is of a key: of all wallets that ever had it, whoever's they are.
func testGap(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	w := s.createWallet(t, s.wallet(1))
	want := func(why string, most, want int) {
		t.Helper()
		if got := view(t, db, func(tx *store.Tx) (int, error) { return tx.Gap(w.Fingerprint, most) }); got != want {
			t.Errorf("%s: the gap is %d, want %d", why, got, want)
		}
	}
	want("nothing was opened", 21, 0)
	for i := range int64(3) {
		s.openAt(t, w, i)
	}
	want("none was paid", 21, 3)
	want("at most two", 2, 2)
	id, money := s.openAt(t, w, 7)
	want("indexes that were skipped do not count", 21, 4)
	money.Status = paybell.Dropped // it was there, and other wallet programs may know of it
	recordTransfer(t, db, id, money, false)
	want("the newest was paid", 21, 0)
	s.openAt(t, w, 8)
	s.openAt(t, w, 9)
	want("one in the middle was paid", 21, 2)
	second := s.wallet(2) // of another key
	second.Network = paybell.LitecoinNetwork
	s.createWallet(t, second)
	s.openAt(t, second, 10)
	want("beside another key", 21, 2)

	shared := other.wallet(1)
	other.createWallet(t, shared)
	id, money = other.openAt(t, shared, 20)
	want("another merchant has the key", 21, 3)
	output := money
	output.Index = 1
	recordTransfer(t, db, id, money, true)
	recordTransfer(t, db, id, output, true)
	want("and was paid", 21, 0)
	do(t, db, func(tx *store.Tx) error { return tx.RemoveWallet(w.ID, after(99)) })
	s.openAt(t, w, 21) // in the very moment
	want("of a wallet that was removed", 21, 1)
	if got := view(t, db, func(tx *store.Tx) (int, error) { return tx.Gap("never seen", 21) }); got != 0 {
		t.Errorf("the gap of a key that nobody has is %d", got)
	}
}

func testTestCoin(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	offers := func(merchantID string) bool {
		return view(t, db, func(tx *store.Tx) (bool, error) { return tx.OffersTestCoin(merchantID) })
	}
	for _, offer := range []bool{false, true, true, false} {
		do(t, db, func(tx *store.Tx) error { return tx.OfferTestCoin(s.Merchant.ID, offer) })
		if offers(s.Merchant.ID) != offer || offers(other.Merchant.ID) || offers("nobody") {
			t.Errorf("after %v: %v, and others %v", offer, offers(s.Merchant.ID), offers(other.Merchant.ID))
		}
	}
}
