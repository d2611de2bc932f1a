package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/paybell/paybell/internal/pgtest"
)

// patience is how long something may take to be seen. It takes milliseconds.
const patience = 15 * time.Second

// tab is a page in a browser of its own: nobody else's cookies are in it.
type tab struct {
	*testing.T
	ctx  context.Context
	base string
}

// chrome is the one process that all tabs are in.
var chrome context.Context

func TestMain(m *testing.M) {
	pgtest.Durable = false // these tests never take the machine's power away
	// They wait for pages more than they compute; who says -parallel has the last word.
	_ = flag.Set("test.parallel", "4")
	ctx, stop := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(chromedp.ExecPath("chromium")))
	chrome = ctx
	if err := chromedp.Do(ctx); err != nil { // starts it
		fmt.Fprintln(os.Stderr, "cannot start Chromium (apt-get install chromium):", err)
		os.Exit(1)
	}
	code := pgtest.Run(m)
	stop()
	os.Exit(code)
}

// newTab opens a window, as wide as a desk's screen.
func newTab(t *testing.T, base string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(chrome, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // opens it, for as long as ctx lasts
		t.Fatal(err)
	}
	b := &tab{t, ctx, base}
	b.size(1280, 900)
	return b
}

func (b *tab) size(width, height int64) {
	b.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// dark says that the viewer likes it dark, or light.
func (b *tab) dark(on bool) {
	b.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
		})
		return err
	}))
}

// yes answers every question that the page asks.
func (b *tab) yes() {
	b.Helper()
	if err := chromedp.Listen(b.ctx, func(ev any) {
		if _, asks := ev.(*page.EventJavascriptDialogOpening); asks {
			go func() {
				_ = chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
					_, err := cdp.Call(ctx, t, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
					return err
				}))
			}()
		}
	}); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// open goes to a path of the server, or to a whole address.
func (b *tab) open(path string) {
	b.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.base + path
	}
	b.do(chromedp.Navigate(path))
}

//go:embed page.js
var pageScript string

// ask evaluates an expression of JavaScript that may be a promise, with the
// functions of page.js. While a page gives way to the next it is asked again.
func ask[T any](b *tab, expression string, args ...any) T {
	b.Helper()
	texts := make([]any, len(args))
	for i, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			b.Fatal(err)
		}
		texts[i] = string(text)
	}
	expression = fmt.Sprintf(expression, texts...)
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		v, err := chromedp.Run(ctx, chromedp.Evaluate[T](pageScript+"\n"+expression, chromedp.EvalAwaitPromise))
		switch {
		case err == nil:
			return v
		case ctx.Err() != nil || !isGone(err):
			b.Fatalf("%s: %v\n%s", expression, err, b.text())
		}
	}
}

// isGone says that the page went away while it was asked.
func isGone(err error) bool {
	text := err.Error()
	return strings.Contains(text, "context was destroyed") || strings.Contains(text, "navigated or closed") || strings.Contains(text, "Cannot find context")
}

// text is all that can be read on the page, for failures.
func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	return text
}

// see waits until each of the texts can be read on the page.
func (b *tab) see(texts ...string) {
	b.Helper()
	for _, text := range texts {
		if !ask[bool](b, "paybell.until(() => paybell.reads(%s))", text) {
			b.Fatalf("%q is not to be seen:\n%s", text, b.text())
		}
	}
}

// click presses the button, link or label that says a text: with the mouse, where
// it is.
func (b *tab) click(text string) {
	b.Helper()
	b.clickAt(ask[[]float64](b, "paybell.at(() => paybell.control(%s))", text), text)
}

// clickOn presses what a CSS selector finds first.
func (b *tab) clickOn(selector string) {
	b.Helper()
	b.clickAt(ask[[]float64](b, "paybell.at(() => document.querySelector(%s))", selector), selector)
}

func (b *tab) clickAt(at []float64, what string) {
	b.Helper()
	if len(at) != 2 {
		b.Fatalf("there is no %q to click:\n%s", what, b.text())
	}
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// press presses a key, like "Escape" or "Tab".
func (b *tab) press(key string) {
	b.Helper()
	b.do(chromedp.KeyEvent(key))
}

// fill types a value into the field with a label.
func (b *tab) fill(label, value string) {
	b.Helper()
	if !ask[bool](b, "paybell.until(() => paybell.focus(%s))", label) {
		b.Fatalf("there is no field %q:\n%s", label, b.text())
	}
	b.do(chromedp.KeyEvent(value))
}

// value is what an expression of JavaScript comes to, as text.
func (b *tab) value(expression string) string {
	b.Helper()
	return ask[string](b, expression)
}

// copied is the text that the copy button beside a word would copy.
func (b *tab) copied(near string) string {
	b.Helper()
	return ask[string](b, "paybell.copied(%s)", near)
}

// sound reports what axe-core has against the page that is serious.
func (b *tab) sound(what string) {
	b.Helper()
	for _, finding := range ask[[]string](b, axe(b)+"\npaybell.sound()") {
		b.Errorf("%s: %s", what, finding)
	}
}

var axeScript string

func axe(b *tab) string {
	b.Helper()
	if axeScript == "" {
		text, err := os.ReadFile("node_modules/axe-core/axe.min.js")
		if err != nil {
			b.Fatalf("axe-core is not there, run `npm ci` in internal/browser: %v", err)
		}
		axeScript = strings.ReplaceAll(string(text), "%", "%%")
	}
	return axeScript
}

// shot is a picture of what is seen.
func (b *tab) shot() []byte {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}
	return png
}
