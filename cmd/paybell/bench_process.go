package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/bench"
)

// again is this program, started again as a part of a measurement.
func again(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "paybell" // a test binary is the program under this name only
	return cmd, nil
}

func startReceiver() (*bench.Receiver, error) {
	cmd, err := again("bench", "--as", "receiver")
	if err != nil {
		return nil, err
	}
	return bench.StartReceiver(cmd)
}

// benchServer starts a server that may ring receivers on this machine.
func benchServer(ctx context.Context, place dataFlags, roles []string) (*app, error) {
	return start(ctx, appConfig{
		dataFlags: place, roles: roles, listen: "127.0.0.1:0", allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
}

// usage is what a process has taken so far.
type usage struct {
	CPU  time.Duration
	Peak int64 // resident memory at its most, in bytes
}

// beServer is a server in a process of its own, which tells what it takes. It ends
// with its parent, and leaves the data as a crash would, unless it was asked to leave
// before.
func (c *benchCmd) beServer(ctx context.Context) error {
	a, err := benchServer(ctx, dataFlags{Data: c.Data, Database: c.Database}, c.Roles)
	if err != nil {
		return err
	}
	return bench.Answer(os.Stdin, os.Stdout, func(question string) (any, error) {
		switch question {
		case "url":
			return a.url, nil
		case "leave":
			return true, a.close()
		}
		peak, err := peakMemory()
		return usage{CPU: cpuTime(), Peak: peak}, err
	})
}

// serverProcess is such a server, seen from here.
type serverProcess struct {
	*bench.Helper
	url string // empty: it answers nobody
}

// startServer starts one on the data of a stand that is closed, or in PostgreSQL.
// Without roles it does everything.
func startServer(s *stand, roles ...string) (*serverProcess, error) {
	if len(roles) == 0 {
		roles = allRoles // said, or PAYBELL_ROLES would count
	}
	cmd, err := again("bench", "--as", "server", "--data", s.place.Data, "--roles", strings.Join(roles, ","))
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), "PAYBELL_DATABASE="+s.place.Database) // whoever lists processes sees no password
	h, err := bench.StartHelper(cmd)
	if err != nil {
		return nil, err
	}
	p := &serverProcess{Helper: h}
	if err := h.Ask("url", &p.url); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return p, nil
}

// leave ends the server in order: others take over what it served.
func (p *serverProcess) leave() error {
	var left bool
	return errors.Join(p.Ask("leave", &left), p.Close())
}

// serverUsage starts a server and asks it what it has taken after each of these times.
func serverUsage(ctx context.Context, s *stand, after ...time.Duration) (at []usage, err error) {
	p, err := startServer(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, p.Close()) }()
	for _, d := range append([]time.Duration{0}, after...) {
		if !bench.Sleep(ctx, d) {
			return nil, ctx.Err()
		}
		var u usage
		if err := p.Ask("usage", &u); err != nil {
			return nil, err
		}
		at = append(at, u)
	}
	return at, nil
}
