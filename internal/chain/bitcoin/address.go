package bitcoin

import (
	"bytes"

	"github.com/btcsuite/btcd/address/v2/base58"
	"github.com/btcsuite/btcd/address/v2/bech32"
	"github.com/btcsuite/btcd/txscript/v2"

	"github.com/paybell/paybell"
)

// Address is the address that an output with this script pays, in the one way
// that we write it: P2PKH, P2SH, P2WPKH, P2WSH or P2TR. It is "" for everything
// else: bare keys and multisig, OP_RETURN, witness versions not in use.
//
// It is called for every output of every block, so the scripts are told apart
// and written by hand.
func (p *Params) Address(pkScript []byte) string {
	s := pkScript
	switch len(s) {
	case 22:
		if s[0] == txscript.OP_0 && s[1] == 20 {
			return p.segwitAddress(0, s[2:])
		}
	case 23:
		if s[0] == txscript.OP_HASH160 && s[1] == 20 && s[22] == txscript.OP_EQUAL {
			return base58.CheckEncode(s[2:22], p.scriptHash)
		}
	case 25:
		if s[0] == txscript.OP_DUP && s[1] == txscript.OP_HASH160 && s[2] == 20 &&
			s[23] == txscript.OP_EQUALVERIFY && s[24] == txscript.OP_CHECKSIG {
			return base58.CheckEncode(s[3:23], p.pubKeyHash)
		}
	case 34:
		switch {
		case s[1] != 32:
		case s[0] == txscript.OP_0:
			return p.segwitAddress(0, s[2:])
		case s[0] == txscript.OP_1:
			return p.segwitAddress(1, s[2:])
		}
	}
	return ""
}

// Script is the output script that pays an address: the way back from Address.
// It reads also what Address does not write, SegWit addresses in capitals and
// the P2SH addresses that Litecoin had first, and refuses addresses of other
// networks.
func (p *Params) Script(address string) ([]byte, error) {
	if s := p.segwitScript(address); s != nil {
		return s, nil
	}
	// Longer text takes base58 long, and is no address.
	if len(address) <= 40 {
		hash, version, err := base58.CheckDecode(address)
		switch {
		case err != nil || len(hash) != 20:
		case version == p.pubKeyHash:
			return payToPubKeyHash(hash), nil
		case version == p.scriptHash || version == p.oldScriptHash:
			return payToScriptHash(hash), nil
		}
	}
	return nil, paybell.InvalidField("address", "This is not an address of %s. Copy it again, and look whether it is of another network.", p.title())
}

func (p *Params) segwitScript(address string) []byte {
	hrp, data, encoding, err := bech32.DecodeGeneric(address)
	if err != nil || hrp != p.hrp || len(data) == 0 {
		return nil
	}
	program, err := bech32.ConvertBits(data[1:], 5, 8, false)
	if err != nil {
		return nil
	}
	switch {
	case data[0] == 0 && encoding == bech32.Version0 && (len(program) == 20 || len(program) == 32):
		return witnessScript(txscript.OP_0, program)
	case data[0] == 1 && encoding == bech32.VersionM && len(program) == 32:
		return witnessScript(txscript.OP_1, program)
	}
	return nil
}

func payToPubKeyHash(hash []byte) []byte {
	return bytes.Join([][]byte{
		{txscript.OP_DUP, txscript.OP_HASH160, 20}, hash, {txscript.OP_EQUALVERIFY, txscript.OP_CHECKSIG},
	}, nil)
}

func payToScriptHash(hash []byte) []byte {
	return bytes.Join([][]byte{{txscript.OP_HASH160, 20}, hash, {txscript.OP_EQUAL}}, nil)
}

func witnessScript(version byte, program []byte) []byte {
	return append([]byte{version, byte(len(program))}, program...)
}

// bech32Sums is what the bits that fall out at the top do to the checksum.
var bech32Sums = func() (sums [32]uint32) {
	for top := range sums {
		for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sums[top] ^= g
			}
		}
	}
	return sums
}()

// bech32Step takes one more symbol into the checksum of BIP 173.
func bech32Step(c uint32, symbol byte) uint32 {
	return c&0x1ffffff<<5 ^ uint32(symbol) ^ bech32Sums[c>>25]
}

// bech32Prefix is the checksum after the part before the 1.
func bech32Prefix(hrp string) uint32 {
	c := uint32(1)
	for i := range len(hrp) {
		c = bech32Step(c, hrp[i]>>5)
	}
	c = bech32Step(c, 0)
	for i := range len(hrp) {
		c = bech32Step(c, hrp[i]&31)
	}
	return c
}

// segwitAddress writes the address of a witness program of 20 or 32 bytes:
// BIP 173 for version 0, BIP 350 for version 1.
func (p *Params) segwitAddress(version byte, program []byte) string {
	var buf [80]byte
	text := append(buf[:0], p.hrp...)
	text = append(text, '1', bech32Chars[version])
	sum := bech32Step(p.hrpSum, version)
	put := func(symbol byte) {
		text = append(text, bech32Chars[symbol])
		sum = bech32Step(sum, symbol)
	}
	var bits, n uint
	for _, b := range program {
		bits = bits<<8 | uint(b)
		for n += 8; n >= 5; {
			n -= 5
			put(byte(bits >> n & 31))
		}
	}
	if n > 0 {
		put(byte(bits << (5 - n) & 31))
	}
	for range 6 {
		sum = bech32Step(sum, 0)
	}
	if version == 0 {
		sum ^= 1
	} else {
		sum ^= 0x2bc830a3
	}
	for i := range 6 {
		text = append(text, bech32Chars[sum>>(5*(5-i))&31])
	}
	return string(text)
}
