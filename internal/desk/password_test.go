package desk

import (
	"context"
	"strings"
	"testing"
)

// What is kept of a password is in the form that other programs read, and each
// time another.
func TestPasswordHash(t *testing.T) {
	ctx := context.Background()
	hash, err := hashPassword(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := hashPassword(ctx, "correct horse"); again == hash || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the hashes are %s and %s", hash, again)
	}
	for text, want := range map[string]bool{"correct horse": true, "correct horse ": false, "": false} {
		if got, err := samePassword(ctx, hash, text); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if same, err := samePassword(ctx, "", ""); same || err != nil {
		t.Errorf("no password: %v, %v", same, err)
	}
	for _, bad := range []string{"x", "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA", strings.Replace(hash, "t=2", "t=0", 1), hash[:40], hash + "$", strings.Replace(hash, "v=19", "v=16", 1)} {
		if same, err := samePassword(ctx, bad, "correct horse"); same || err == nil {
			t.Errorf("%s: %v, %v", bad, same, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for range cap(hashing) {
		hashing <- struct{}{}
	}
	if _, err := samePassword(gone, hash, "correct horse"); err == nil {
		t.Error("who has left is waited for")
	}
	for range cap(hashing) {
		<-hashing
	}
}
