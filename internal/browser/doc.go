// Package browser walks through the dashboard and the checkout as people do: in a
// real Chromium, against the real binary. Its tests share no code with the product.
// They need chromium and, for axe-core, `npm ci` in this folder; `make browser`
// does both.
package browser
