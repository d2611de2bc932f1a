package paybell

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
)

func TestNewAccountToken(t *testing.T) {
	form, seen := regexp.MustCompile(`^pbt_[A-Z2-7]{52}$`), map[string]bool{}
	for range 1000 {
		token := NewAccountToken()
		half := token[len("pbt_"):][:26]
		if !form.MatchString(token) || seen[token] || strings.Count(token, half) != 1 {
			t.Fatalf("token %q", token)
		}
		seen[token] = true
		hash, ok := HashAccountToken(token)
		if raw, err := hex.DecodeString(hash); !ok || err != nil || len(raw) != 32 || seen[hash] {
			t.Fatalf("%q has the hash %q, %v", token, hash, ok)
		}
		seen[hash] = true
	}
}

// Tokens that were given out go on being good.
func TestHashAccountToken(t *testing.T) {
	const token = "pbt_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST" // by sha256sum
	if hash, ok := HashAccountToken(token); !ok || hash != "b26655e0952092ba769d6c92496e930193728bc0ff773311e7cb8ac15af7e105" {
		t.Errorf("%q, %v", hash, ok)
	}
	for _, text := range []string{
		"", "pbt_", token[:len(token)-1], token + "A", token[4:], token[1:], "PBT_" + token[4:], "pbt-" + token[4:], " " + token, token + "\n", " " + token[:len(token)-1],
		strings.Repeat("A", len(token)), strings.Repeat("pbt_", 1<<20), "Bearer " + token,
	} {
		if hash, ok := HashAccountToken(text); ok || hash != "" {
			t.Errorf("%.80q: %q, %v", text, hash, ok)
		}
	}
}
