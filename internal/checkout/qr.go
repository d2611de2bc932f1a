package checkout

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the white border around a code, in modules (ISO/IEC 18004 asks for 4).
const quiet = 4

// qrCode is a QR code to be drawn as SVG: the black modules as one path, in a
// square of Size modules.
type qrCode struct {
	Size int // 0: there is no code
	Path string
}

// newQR draws text. What is too long for a code gives none: it stands beside in
// letters.
func newQR(text string) qrCode {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return qrCode{}
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			start := x
			for code.Black(x, y) {
				x++
			}
			if n := x - start; n > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", start+quiet, y+quiet, n, n)
			}
		}
	}
	return qrCode{Size: code.Size + 2*quiet, Path: path.String()}
}
