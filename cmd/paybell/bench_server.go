package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/paybell/paybell/internal/bench"
)

// benchServer starts a server that may ring receivers on this machine.
func benchServer(ctx context.Context, dir string) (*app, error) {
	return start(ctx, appConfig{
		dataFlags: dataFlags{Data: dir}, listen: "127.0.0.1:0", allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
}

// usage is what a process has taken so far.
type usage struct {
	CPU  time.Duration
	Peak int64 // resident memory at its most, in bytes
}

// beServer is a server in a process of its own, which tells what it takes. It ends
// with its parent, and leaves the data as a crash would: they are thrown away.
func (c *benchCmd) beServer(ctx context.Context) error {
	if _, err := benchServer(ctx, c.Data); err != nil {
		return err
	}
	return bench.Answer(os.Stdin, os.Stdout, func(string) (any, error) {
		peak, err := peakMemory()
		return usage{CPU: cpuTime(), Peak: peak}, err
	})
}

// serverUsage starts such a server and asks it after each of these times.
func serverUsage(ctx context.Context, dir string, after ...time.Duration) (at []usage, err error) {
	cmd, err := again("bench", "--as", "server", "--data", dir)
	if err != nil {
		return nil, err
	}
	h, err := bench.StartHelper(cmd)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	for _, d := range append([]time.Duration{0}, after...) {
		if !bench.Sleep(ctx, d) {
			return nil, ctx.Err()
		}
		var u usage
		if err := h.Ask("usage", &u); err != nil {
			return nil, err
		}
		at = append(at, u)
	}
	return at, nil
}
