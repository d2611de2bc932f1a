package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

type serveCmd struct {
	dataFlags
	chainFlags
	Roles             []string       `help:"What this process does, of several that share a PostgreSQL: ${enum}." default:"api,watch,deliver,prune" enum:"api,watch,deliver,prune"`
	Listen            string         `help:"Address to serve on." default:"127.0.0.1:8080"`
	Metrics           string         `name:"metrics-listen" help:"Address to serve /metrics on, for Prometheus, like 127.0.0.1:9464; and /healthz and /readyz, for who watches a process without the role api. Default: nowhere."`
	PublicURL         []string       `name:"public-url" help:"Base URL under which clients reach this server, as they sign it; repeatable. Default: http:// and the address of --listen."`
	AllowCIDR         []netip.Prefix `name:"allow-cidr" help:"Private addresses that webhooks may point at, like 10.1.0.0/16; repeatable."`
	TrustedProxy      []netip.Prefix `name:"trusted-proxy" help:"Addresses of proxies before this server, like 127.0.0.1/32: what they write into X-Forwarded-For counts as the client's address; repeatable."`
	RateLimit         int            `name:"rate-limit" help:"Requests per second that each client may make, and each address without a signature; 0 for no limit." default:"1000"`
	KeepDeliveries    time.Duration  `help:"How long deliveries and their attempts are kept once they are over; 0: for ever." default:"2160h"`
	KeepNotifications time.Duration  `help:"How long notifications are kept, which are also the history of invoices; 0: for ever." default:"9600h"`
	LogLevel          slog.Level     `help:"How much to log: debug, info, warn, error." default:"info"`
	LogJSON           bool           `name:"log-json" help:"Log JSON lines instead of text."`
	NoSetupLink       bool           `name:"no-setup-link" help:"While there is no user, do not print the link with which the first one is made."`
}

// Validate refuses a process that would do nothing.
func (c *serveCmd) Validate() error {
	if len(c.Roles) == 0 {
		return fmt.Errorf("--roles must be some of %s", strings.Join(allRoles, ","))
	}
	return nil
}

// Run serves until the process is asked to stop.
func (c *serveCmd) Run(ctx context.Context) error {
	for i, u := range c.PublicURL {
		c.PublicURL[i] = strings.TrimSuffix(u, "/")
		if parsed, err := url.Parse(u); err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return fmt.Errorf("--public-url %q is not an http(s) URL like https://pay.example.com", u)
		}
	}
	for _, p := range append(slices.Clone(c.AllowCIDR), c.TrustedProxy...) {
		if p.Addr().Is4In6() {
			return fmt.Errorf("%v: write it as an IPv4 range, like 10.0.0.0/8", p)
		}
	}
	if least := 35 * 24 * time.Hour; c.KeepDeliveries < least && c.KeepDeliveries != 0 {
		return fmt.Errorf("--keep-deliveries %v: a schedule may last for a month, so at least %v are needed (0 keeps them for ever)", c.KeepDeliveries, least)
	}
	if slices.Sort(c.Roles); !c.onPostgres() && len(slices.Compact(slices.Clone(c.Roles))) < len(allRoles) {
		return errors.New("--roles: without --database this is the only process, and has to do everything")
	}
	log := c.logger()
	a, err := start(ctx, appConfig{
		dataFlags: c.dataFlags, chainFlags: c.chainFlags, roles: c.Roles, listen: c.Listen, metrics: c.Metrics, keepDeliveries: c.KeepDeliveries, keepNotifications: c.KeepNotifications, publicURLs: c.PublicURL, allow: c.AllowCIDR,
		proxies: c.TrustedProxy, rateLimit: c.RateLimit, log: log,
	})
	if err != nil {
		return err
	}
	log.Info("serving", c.told(a)...)
	if a.url != "" && !c.NoSetupLink {
		c.offerSetup(ctx, a)
	}
	select {
	case err = <-a.served:
	case <-ctx.Done():
		log.Info("stopping: finishing what is in flight")
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, a.close())
}

// told is what the log says of the process.
func (c *serveCmd) told(a *app) (pairs []any) {
	pairs = append(pairs, "roles", strings.Join(slices.Compact(c.Roles), ","))
	if a.url != "" {
		pairs = append(pairs, "url", a.url, "listen", c.Listen)
	}
	if c.Metrics != "" {
		pairs = append(pairs, "metrics", c.Metrics)
	}
	if c.onPostgres() {
		return append(pairs, "database", "PostgreSQL")
	}
	return append(pairs, "data", c.Data)
}

// offerSetup shows who started the server how to make the first user. It is not
// logged: whoever has the link owns the place.
func (c *serveCmd) offerSetup(ctx context.Context, a *app) {
	needed, err := a.desk.NeedsSetup(ctx)
	if err == nil && !needed || ctx.Err() != nil {
		return
	}
	pass := ""
	if err == nil {
		pass, err = a.desk.NewSetupPass(ctx)
	}
	text := "Set up the first user: " + passLink(a.url, pass)
	if err != nil {
		text = "There is no user of the dashboard yet: " + advice(err)
	}
	frame := strings.Repeat("-", len(text))
	fmt.Fprintf(os.Stderr, "%s\n%s\n%s\n", frame, text, frame)
}

func (c *serveCmd) logger() *slog.Logger {
	opt := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, opt))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opt))
}
