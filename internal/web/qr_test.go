package web

import (
	"fmt"
	"strings"
	"testing"

	"rsc.io/qr"
)

// TestQR draws the path of a code again and compares it with the code.
func TestQR(t *testing.T) {
	const text = "bitcoin:bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq?amount=0.01341234"
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	drawn := NewQR(text)
	if drawn.Size != code.Size+8 {
		t.Errorf("the code has %d modules with its border, want %d", drawn.Size, code.Size+8)
	}
	black := map[[2]int]bool{}
	for run := range strings.SplitSeq(strings.TrimSuffix(drawn.Path, "z"), "z") {
		var x, y, n, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &n, &back); err != nil || n != back || n < 1 {
			t.Fatalf("%q: %v", run, err)
		}
		for i := range n {
			black[[2]int{x + i, y}] = true
		}
	}
	for y := range drawn.Size {
		for x := range drawn.Size {
			if black[[2]int{x, y}] != code.Black(x-quiet, y-quiet) {
				t.Fatalf("module %d,%d differs", x, y)
			}
		}
	}
	if long := NewQR(strings.Repeat("x", 5000)); long.Size != 0 || long.Path != "" {
		t.Error("what is too long has a code")
	}
}
