package bitcoin

import "testing"

// The vectors of BIP 380.
func TestDescriptorChecksum(t *testing.T) {
	for _, tt := range []struct {
		descriptor, sum string
		fits            bool
	}{
		{"raw(deadbeef)", "89f8spxm", true},
		{"raw(deadbeef)", "", false},
		{"raw(deadbeef)", "89f8spxmx", false},
		{"raw(deadbeef)", "89f8spx", false},
		{"raw(deedbeef)", "89f8spxm", false},
		{"raw(deedbeef)", "#9f8spxm", false},
		{"raw(Ü)", "00000000", false},
		// From the tests of Bitcoin Core.
		{"sh(multi(2,[00000000/111'/222]xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxFLJ8HFsTjSyQbLYnMpCqE2VbFWc,xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L/0))", "ggrsrxfy", true},
		{"sh(multi(2,[00000000/111'/222]xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL,xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDaPPLPxSb7gwQN3ih19Zm4Y/0))", "tjg09x5t", true},
		// What the program in BIP 380 gives for other lengths.
		{"raw(deadbe) ", "nns8dmjw", true},
		{"raw(deadbeef)Z", "vlveekg3", true},
		{"raw(deadbeef)Zz", "nn4zxfc9", true},
		{"", "7h0w2xvg", true},
	} {
		sum, ok := descriptorChecksum(tt.descriptor)
		if fits := ok && sum == tt.sum; fits != tt.fits {
			t.Errorf("%s: the checksum is %q, %v; %q fits: %v, want %v", tt.descriptor, sum, ok, tt.sum, fits, tt.fits)
		}
	}
}
