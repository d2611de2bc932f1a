package bitcoin

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// wholeBlock is a block with the ids of its transactions.
type wholeBlock struct {
	header wire.BlockHeader
	txs    []*wire.MsgTx
	ids    []chainhash.Hash
}

// decodeHeader reads the header of a block of a node's hex.
func decodeHeader(text string, h *wire.BlockHeader) error {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	return h.Deserialize(bytes.NewReader(raw))
}

// decodeBlock reads a whole block of a node's hex. Its transactions are those that
// its header commits to.
func decodeBlock(text string) (b wholeBlock, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return b, err
	}
	r := bytes.NewReader(raw)
	if err := b.header.Deserialize(r); err != nil {
		return b, err
	}
	n, err := wire.ReadVarInt(r, 0)
	if err != nil {
		return b, err
	}
	if n > uint64(r.Len())/minTx {
		return b, fmt.Errorf("says that it has %d transactions", n)
	}
	b.txs, b.ids = make([]*wire.MsgTx, n), make([]chainhash.Hash, n)
	for i := range b.txs {
		if b.txs[i], err = readTx(r); err != nil {
			return b, fmt.Errorf("transaction %d: %w", i, err)
		}
		b.ids[i] = b.txs[i].TxHash()
	}
	if merkleRoot(b.ids) != b.header.MerkleRoot {
		return b, errors.New("its transactions are not those of its header")
	}
	return b, nil // what follows is an extension (Litecoin)
}

// decodeTx reads a transaction of a node's hex.
func decodeTx(text string) (*wire.MsgTx, error) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return readTx(bytes.NewReader(raw))
}

// encodeTx writes what decodeTx reads.
func encodeTx(tx *wire.MsgTx) string {
	var b bytes.Buffer
	b.Grow(tx.SerializeSize())
	if err := tx.Serialize(&b); err != nil {
		panic(err) // memory
	}
	return hex.EncodeToString(b.Bytes())
}

const (
	minTx = 10 // bytes of the smallest transaction
	// The flag of a Litecoin transaction that has to do with the MWEB (LIP 2): the last
	// of every block since May 2022 is one.
	flagMWEB    = 8
	flagWitness = 1
)

// readTx reads a transaction, also one with Litecoin's flag, which the library does
// not know: then without what the flag announces.
func readTx(r *bytes.Reader) (*wire.MsgTx, error) {
	start, _ := r.Seek(0, io.SeekCurrent)
	var head [6]byte
	if _, err := r.ReadAt(head[:], start); err == nil && head[4] == 0 && head[5]&flagMWEB != 0 {
		return readMWEB(r)
	}
	tx := &wire.MsgTx{}
	return tx, tx.Deserialize(r)
}

// readMWEB reads the transaction at the end of a Litecoin block that links to its
// extension block.
func readMWEB(r *bytes.Reader) (*wire.MsgTx, error) {
	in := &reader{r: r}
	tx := &wire.MsgTx{Version: int32(in.u32())}
	in.u8() // the marker
	flag := in.u8()
	for range in.count(41) {
		i := &wire.TxIn{}
		in.full(i.PreviousOutPoint.Hash[:])
		i.PreviousOutPoint.Index = in.u32()
		i.SignatureScript = in.bytes()
		i.Sequence = in.u32()
		tx.TxIn = append(tx.TxIn, i)
	}
	for range in.count(9) {
		tx.TxOut = append(tx.TxOut, &wire.TxOut{Value: int64(in.u64()), PkScript: in.bytes()})
	}
	if flag&flagWitness != 0 {
		for _, i := range tx.TxIn {
			for range in.count(1) {
				i.Witness = append(i.Witness, in.bytes())
			}
		}
	}
	if in.u8() != 0 {
		return nil, errors.New("holds a transaction of the extension block")
	}
	tx.LockTime = in.u32()
	return tx, in.err
}

// reader reads numbers and texts until something is wrong.
type reader struct {
	r   *bytes.Reader
	err error
}

func (r *reader) full(b []byte) {
	if r.err == nil {
		_, r.err = io.ReadFull(r.r, b)
	}
}

func (r *reader) u8() byte {
	var b [1]byte
	r.full(b[:])
	return b[0]
}

func (r *reader) u32() uint32 {
	var b [4]byte
	r.full(b[:])
	return binary.LittleEndian.Uint32(b[:])
}

func (r *reader) u64() uint64 {
	var b [8]byte
	r.full(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// count is how many things follow, each of at least size bytes.
func (r *reader) count(size int) int {
	if r.err != nil {
		return 0
	}
	var n uint64
	if n, r.err = wire.ReadVarInt(r.r, 0); r.err == nil && n > uint64(r.r.Len()/size) {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	b := make([]byte, r.count(1))
	r.full(b)
	return b
}

// merkleRoot is what a header says of its transactions.
func merkleRoot(hashes []chainhash.Hash) chainhash.Hash {
	if len(hashes) == 0 {
		return chainhash.Hash{}
	}
	level := slices.Clone(hashes)
	for len(level) > 1 {
		if len(level)%2 == 1 {
			level = append(level, level[len(level)-1])
		}
		for i := 0; i < len(level); i += 2 {
			level[i/2] = chainhash.DoubleHashH(append(append(make([]byte, 0, 64), level[i][:]...), level[i+1][:]...))
		}
		level = level[:len(level)/2]
	}
	return level[0]
}
