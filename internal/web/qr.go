package web

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the white border around a code, in modules (ISO/IEC 18004 asks for 4).
const quiet = 4

// QR is a QR code to be drawn as SVG: the black modules as one path, in a
// square of Size modules.
type QR struct {
	Size int // 0: there is no code
	Path string
}

// NewQR draws text. What is too long for a code gives none: it stands beside in
// letters.
func NewQR(text string) QR {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return QR{}
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
	return QR{Size: code.Size + 2*quiet, Path: path.String()}
}
