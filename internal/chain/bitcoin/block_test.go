package bitcoin

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// payment is a transaction with a witness that pays a script.
func payment(n uint32, script []byte, amounts ...int64) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(&wire.TxIn{PreviousOutPoint: wire.OutPoint{Hash: chainhash.Hash{1}, Index: n}, Sequence: 7, Witness: wire.TxWitness{{1, 2}, {3}}})
	for _, a := range amounts {
		tx.AddTxOut(wire.NewTxOut(a, script))
	}
	tx.LockTime = 9
	return tx
}

// blockOf is the hex of a block whose header commits to ids.
func blockOf(ids []chainhash.Hash, raws ...[]byte) string {
	h := wire.BlockHeader{Version: 1, MerkleRoot: merkleRoot(ids), Timestamp: time.Unix(1, 0), Bits: 0x207fffff}
	var b bytes.Buffer
	_ = h.Serialize(&b)
	_ = wire.WriteVarInt(&b, 0, uint64(len(raws)))
	for _, raw := range raws {
		b.Write(raw)
	}
	return hex.EncodeToString(b.Bytes())
}

func raw(tx *wire.MsgTx) []byte {
	b, _ := hex.DecodeString(encodeTx(tx))
	return b
}

// mweb is tx as Litecoin Core writes one that has to do with the extension block: the
// flag 8 (beside 1 for a witness), and behind the witness what of the extension is in
// it, or one zero byte: it is the last of its block, and names the extension block.
func mweb(tx *wire.MsgTx, extension ...byte) []byte {
	plain := tx.Copy()
	plain.TxIn[0].Witness = nil
	var stripped bytes.Buffer
	_ = plain.SerializeNoWitness(&stripped)
	body := stripped.Bytes()
	flag := byte(flagMWEB)
	var witness []byte
	if len(tx.TxIn[0].Witness) > 0 {
		flag |= flagWitness
		witness = append(witness, byte(len(tx.TxIn[0].Witness)))
		for _, w := range tx.TxIn[0].Witness {
			witness = append(append(witness, byte(len(w))), w...)
		}
	}
	return bytes.Join([][]byte{body[:4], {0, flag}, body[4 : len(body)-4], witness, extension, body[len(body)-4:]}, nil)
}

func TestGenesisBlocks(t *testing.T) {
	for _, p := range []*chaincfg.Params{&chaincfg.MainNetParams, &chaincfg.RegressionNetParams, &chaincfg.SimNetParams} {
		var b bytes.Buffer
		if err := p.GenesisBlock.Serialize(&b); err != nil {
			t.Fatal(err)
		}
		got, err := decodeBlock(hex.EncodeToString(b.Bytes()))
		if err != nil || got.header.BlockHash() != *p.GenesisHash || len(got.txs) != 1 || got.ids[0] != got.header.MerkleRoot {
			t.Errorf("%s: %+v, %v", p.Name, got, err)
		}
	}
}

func TestLitecoinBlock(t *testing.T) {
	ordinary := payment(1, []byte{1, 2, 3}, 5, 6)
	for name, tx := range map[string]*wire.MsgTx{
		"with a witness": payment(2, []byte{0x58, 0x02, 1, 2}, 1000, 20),
		"without":        func() *wire.MsgTx { tx := payment(2, []byte{0x58}, 1000); tx.TxIn[0].Witness = nil; return tx }(),
	} {
		hog := tx.Copy()
		text := blockOf([]chainhash.Hash{ordinary.TxHash(), hog.TxHash()}, raw(ordinary), mweb(hog, 0)) + "01abcdef" // the extension block
		b, err := decodeBlock(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(b.txs) != 2 || b.ids[0] != ordinary.TxHash() || b.ids[1] != hog.TxHash() {
			t.Errorf("%s: its transactions are %v", name, b.ids)
		}
		if got := encodeTx(b.txs[1]); got != encodeTx(hog) {
			t.Errorf("%s: it is\n%s\nand not\n%s", name, got, encodeTx(hog))
		}
	}
}

// A payment into the extension block, as it waits in the mempool.
func TestTransactionOfTheExtensionBlock(t *testing.T) {
	tx := payment(1, []byte{1, 2, 3}, 5)
	if got, err := decodeTx(hex.EncodeToString(mweb(tx, 1, 2, 3, 4, 5, 6, 7, 8))); err == nil {
		t.Errorf("was read as %+v", got)
	}
}

func TestBlockThatIsNotRight(t *testing.T) {
	one, two := payment(1, []byte{1}, 5), payment(2, []byte{2}, 6)
	ids := []chainhash.Hash{one.TxHash(), two.TxHash()}
	good := blockOf(ids, raw(one), raw(two))
	if _, err := decodeBlock(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":          "",
		"no hex":           "xyz",
		"half a byte":      good[:len(good)-1],
		"a header":         good[:160],
		"cut":              good[:len(good)-2],
		"too many":         good[:160] + "ffffffffffffffffff" + good[162:],
		"one is missing":   blockOf(ids, raw(one)),
		"another":          blockOf(ids, raw(one), raw(payment(2, []byte{2}, 7))),
		"in another order": blockOf(ids, raw(two), raw(one)),
		"one twice":        blockOf(ids, raw(one), raw(two), raw(two)),
		"none":             blockOf(nil),
	} {
		if b, err := decodeBlock(text); err == nil && name != "none" {
			t.Errorf("%s: was read as %d transactions", name, len(b.txs))
		}
	}
}

func FuzzDecodeBlock(f *testing.F) {
	one, hog := payment(1, []byte{1}, 5), payment(2, []byte{2}, 6)
	ids := []chainhash.Hash{one.TxHash(), hog.TxHash()}
	for _, text := range []string{blockOf(ids, raw(one), raw(hog)), blockOf(ids, raw(one), mweb(hog, 0)), blockOf(ids, raw(one), mweb(hog, 1, 2, 3))} {
		b, _ := hex.DecodeString(text)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBlock(hex.EncodeToString(data))
		if err != nil {
			return
		}
		if merkleRoot(b.ids) != b.header.MerkleRoot || len(b.txs) != len(b.ids) {
			t.Error("a block was read that its header does not commit to")
		}
		for i, tx := range b.txs {
			again, err := decodeTx(encodeTx(tx))
			if len(tx.TxIn) > 0 && (err != nil || again.TxHash() != b.ids[i]) {
				t.Errorf("transaction %d is another one when it is written and read: %v", i, err)
			}
		}
	})
}
