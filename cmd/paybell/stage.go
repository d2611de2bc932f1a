package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// stage prints what happens for a person who watches.
type stage struct {
	out   io.Writer
	color bool
	asked time.Time // when the last request began
}

func newStage(f *os.File) stage {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return stage{out: f, color: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// The few colours, as ANSI codes (ECMA-48 SGR).
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	amber = "33"
)

func (s *stage) paint(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *stage) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

func (s *stage) title(name, line string) {
	s.say("\n  %s  %s\n", s.paint(bold, name), s.paint(dim, line))
}

// done is one thing that was set up.
func (s *stage) done(who, format string, args ...any) {
	s.say("  %s %s %s", s.paint(green, "✓"), s.paint(bold, fmt.Sprintf("%-9s", who)), fmt.Sprintf(format, args...))
}

// begin is one thing that somebody does.
func (s *stage) begin(who, what string) {
	s.asked = time.Now()
	s.say("\n  %s %s %s", s.paint(amber, "→"), s.paint(bold, fmt.Sprintf("%-9s", who)), what)
}

// request shows a request that was answered.
func (s *stage) request(method, path string, status int) {
	s.say("    %-9s %s", "", s.paint(dim, fmt.Sprintf("%s %s  %d", method, path, status)))
}

func (s *stage) note(format string, args ...any) {
	s.say("    %-9s %s", "", fmt.Sprintf(format, args...))
}

// ring is a notification that came.
func (s *stage) ring(event, sequence, meaning string, at time.Time) {
	after := ""
	if !at.IsZero() {
		after = fmt.Sprintf("%.1f ms after it was asked for, ", float64(at.Sub(s.asked).Microseconds())/1000)
	}
	s.say("  %s %s %s", s.paint(green, "🔔"), s.paint(bold, fmt.Sprintf("%-17s", event)), meaning)
	s.say("    %-9s %s", "", s.paint(dim, after+"number "+sequence+", both signatures good"))
}

// failed shows an error and returns it.
func (s *stage) failed(err error) error {
	s.say("  %s %v", s.paint(red, "✗"), err)
	return err
}

func (s *stage) finale(line string) { s.say("\n  %s %s\n", s.paint(green, "✓"), s.paint(bold, line)) }
