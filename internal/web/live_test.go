package web

import "testing"

// An event's lines end at every kind of line end, and nothing of the text is lost.
func TestEvent(t *testing.T) {
	for text, want := range map[string]string{
		"":             "\n",
		"<p>":          "data: <p>\n\n",
		"<p>\n</p>\n":  "data: <p>\ndata: </p>\n\n",
		"a\rb\r\nc":    "data: a\ndata: b\ndata: c\n\n",
		"a\n\ndata: b": "data: a\ndata: \ndata: data: b\n\n",
	} {
		if got := string(event([]byte(text))); got != want {
			t.Errorf("event(%q) is %q, want %q", text, got, want)
		}
	}
}
