package bitcoin

import "strings"

const (
	descriptorChars = "0123456789()[],'/*abcdefgh@:$%{}" +
		"IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~" +
		"ijklmnopqrstuvwxyzABCDEFGH`#\"\\ "
	bech32Chars = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
)

// descriptorChecksum is the checksum of a descriptor, eight characters, as
// BIP 380 has it. It is not ok when the descriptor has a character that the
// checksum does not know.
func descriptorChecksum(descriptor string) (sum string, ok bool) {
	c := uint64(1)
	groups := uint64(0)
	for i := range len(descriptor) {
		v := strings.IndexByte(descriptorChars, descriptor[i])
		if v < 0 {
			return "", false
		}
		c = descriptorStep(c, uint64(v&31))
		groups = groups*3 + uint64(v>>5)
		if i%3 == 2 {
			c = descriptorStep(c, groups)
			groups = 0
		}
	}
	if len(descriptor)%3 != 0 {
		c = descriptorStep(c, groups)
	}
	for range 8 {
		c = descriptorStep(c, 0)
	}
	c ^= 1
	var b [8]byte
	for i := range b {
		b[i] = bech32Chars[c>>(5*(7-i))&31]
	}
	return string(b[:]), true
}

// descriptorStep takes one more symbol into the checksum.
func descriptorStep(c, symbol uint64) uint64 {
	top := c >> 35
	c = c&0x7ffffffff<<5 ^ symbol
	for i, g := range [5]uint64{0xf5dee51989, 0xa9fdca3312, 0x1bab10e32d, 0x3706b1677a, 0x644d626ffd} {
		if top>>i&1 == 1 {
			c ^= g
		}
	}
	return c
}
