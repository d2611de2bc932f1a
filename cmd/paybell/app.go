package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/api"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/checkout"
	"github.com/paybell/paybell/internal/dash"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/loop"
	"github.com/paybell/paybell/internal/prune"
	"github.com/paybell/paybell/internal/rates"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/telemetry"
	"github.com/paybell/paybell/internal/watch"
)

// dataFlags say where everything is kept.
type dataFlags struct {
	Data     string `help:"Directory of the data: database, key, lock." default:"paybell-data" type:"path"`
	KeyFile  string `help:"File of the key that seals secrets; made at the first start. Default: paybell.key in the data directory. Back it up apart from the data." type:"path"`
	Database string `help:"PostgreSQL (15 or newer) to use instead of the database in the data directory, like postgres://user:password@host/name. Any number of processes may share it, all with the same key."`
}

// onPostgres reports whether the data are in a database of its own server.
func (f dataFlags) onPostgres() bool { return f.Database != "" }

// keyFile is where the key is.
func (f dataFlags) keyFile() string {
	if f.KeyFile != "" {
		return f.KeyFile
	}
	return filepath.Join(f.Data, "paybell.key")
}

// open opens the store. The server migrates it; other commands make one only
// where there is none.
func (f dataFlags) open(ctx context.Context, migrate bool) (*store.DB, error) {
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	keys, err := store.OpenKeyring(f.keyFile())
	if err != nil {
		return nil, err
	}
	opt := store.Options{Keys: keys, Migrate: migrate}
	if f.onPostgres() {
		db, err := store.OpenPostgres(ctx, f.Database, opt)
		if err != nil && paybell.CodeOf(err) == paybell.Internal {
			err = fmt.Errorf("--database, which is written like postgres://user:password@host:5432/name, cannot be used: %w", err)
		}
		return db, err
	}
	return store.OpenSQLite(ctx, f.Data, opt)
}

// lock keeps a second server out of the data directory. PostgreSQL serves as many as
// there are.
func (f dataFlags) lock() (release func(), err error) {
	if f.onPostgres() {
		return func() {}, nil
	}
	return store.Lock(f.Data)
}

// newDesk wires what can be asked for to the store and the sandbox chain.
// poke is called after each operation on the chain.
func newDesk(db *store.DB, allow []netip.Prefix, networks map[string]desk.Network, poke func()) (*desk.Desk, *sandbox.Chain) {
	chain := sandbox.New(sandbox.Journal{
		Load: func(ctx context.Context, after int64) ([]sandbox.Entry, error) {
			return store.View(ctx, db, func(tx *store.Tx) ([]sandbox.Entry, error) {
				rows, err := tx.Journal(after)
				entries := make([]sandbox.Entry, len(rows))
				for i, r := range rows {
					entries[i] = sandbox.Entry(r)
				}
				return entries, err
			})
		},
		Append: func(ctx context.Context, merchantID, op string) (int64, error) {
			n, err := store.Update(ctx, db, func(tx *store.Tx) (int64, error) { return tx.AppendJournal(merchantID, op) })
			poke()
			return n, err
		},
	})
	return &desk.Desk{DB: db, Quote: rates.Default, Sandbox: chain, Networks: networks, Allow: allow}, chain
}

// app is a running server.
type app struct {
	db     *store.DB
	desk   *desk.Desk
	url    string // the first public one; empty: it answers nobody
	served chan error

	http     *http.Server // nil: it answers nobody
	metrics  *http.Server // nil: none
	stopping atomic.Bool
	stop     context.CancelFunc
	loops    sync.WaitGroup
	release  func() // the lock
	log      *slog.Logger
}

// What a process can do of a server's work.
const (
	roleAPI     = "api"     // the API, the dashboard, the buyers' pages
	roleWatch   = "watch"   // the networks, and what happens by time alone
	roleDeliver = "deliver" // notifications
	rolePrune   = "prune"   // what is kept long enough
)

var allRoles = []string{roleAPI, roleWatch, roleDeliver, rolePrune}

type appConfig struct {
	dataFlags
	chainFlags
	roles      []string // none: all
	listen     string
	metrics    string // address to serve /metrics and the process's health on; empty: nowhere
	publicURLs []string
	allow      []netip.Prefix // private addresses that webhooks may point at
	proxies    []netip.Prefix // whose X-Forwarded-For is believed
	// How long what is over is kept; zero: for ever.
	keepDeliveries, keepNotifications time.Duration
	rateLimit                         int // requests per second and client; 0: no limit
	log                               *slog.Logger
}

func (c appConfig) does(role string) bool {
	return len(c.roles) == 0 || slices.Contains(c.roles, role)
}

// drainTime is how long requests that are being served may take when the server
// stops. Attempts in flight have their own limit.
const drainTime = 10 * time.Second

// start opens the store and does what the roles say. What a crash left pending is
// attempted at once.
func start(ctx context.Context, cfg appConfig) (_ *app, err error) {
	chains, networks, err := cfg.chains()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	a := &app{log: cfg.log, served: make(chan error, 1)}
	if a.release, err = cfg.lock(); err != nil {
		return nil, err
	}
	if a.db, err = cfg.open(ctx, true); err != nil {
		a.release()
		return nil, err
	}
	var listener net.Listener
	if cfg.does(roleAPI) {
		if listener, err = net.Listen("tcp", cfg.listen); err != nil {
			a.release()
			return nil, errors.Join(fmt.Errorf("listen on %s (choose another with --listen): %w", cfg.listen, err), a.db.Close())
		}
		if len(cfg.publicURLs) == 0 {
			cfg.publicURLs = []string{"http://" + listener.Addr().String()}
		}
		a.url = cfg.publicURLs[0]
	}

	var watcher *loop.Loop
	d, chain := newDesk(a.db, cfg.allow, networks, func() {
		watcher.Poke()
		a.db.TellChain()
	})
	a.desk = d
	watcher = loop.New("watch "+chain.Network(), &watch.Watcher{DB: a.db, Chain: chain, Every: time.Second}, cfg.log)
	dispatcher := deliver.New(a.db, deliver.NewTransport(cfg.allow), cfg.log)
	dispatcher.Alone = !cfg.onPostgres() // the lock says so
	d.Wire = dispatcher
	a.db.OnCommit(func(fresh []paybell.Delivery) {
		dispatcher.Offer(fresh)
		d.Ring(fresh)
	})
	a.db.OnHint(func(h store.Hint) {
		if h.Chain {
			watcher.Poke()
		}
		d.RingHinted(h)
		dispatcher.Hint(h)
	})

	if cfg.metrics != "" {
		metrics := telemetry.New(a.db, dispatcher.AllInFlight)
		dispatcher.Attempted = metrics.Attempted
		if err := a.serveMetrics(cfg.metrics, metrics.Handler()); err != nil {
			a.release()
			if listener != nil {
				err = errors.Join(err, listener.Close())
			}
			return nil, errors.Join(err, a.db.Close())
		}
	}

	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	run := func(name string, step loop.Stepper) {
		l := loop.New(name, step, cfg.log)
		a.loops.Go(func() { l.Run(running) })
	}
	if cfg.does(roleWatch) {
		a.loops.Go(func() { watcher.Run(running) })
		for _, c := range chains {
			run("watch "+c.Network(), &watch.Watcher{DB: a.db, Chain: c, Every: pollEvery})
		}
		run("timers", &watch.Timers{DB: a.db, Every: time.Second})
	}
	if cfg.does(rolePrune) {
		run("prune", &prune.Pruner{DB: a.db, Every: time.Minute, KeepDeliveries: cfg.keepDeliveries, KeepNotifications: cfg.keepNotifications})
	}
	if cfg.does(roleDeliver) {
		run("resend", &deliver.Resender{DB: a.db, Every: time.Second})
		a.loops.Go(func() { dispatcher.Run(running) })
	}
	if listener != nil {
		a.serve(listener, cfg)
	}
	return a, nil
}

// serve answers what comes in on a listener.
func (a *app) serve(listener net.Listener, cfg appConfig) {
	stopping := make(chan struct{})
	server := &api.Server{
		Desk: a.desk, PublicURLs: cfg.publicURLs, TrustedProxies: cfg.proxies, RateLimit: cfg.rateLimit, Ready: a.ready, Log: cfg.log, Stopping: stopping,
	}
	pages := &checkout.Server{Desk: a.desk, TrustedProxies: cfg.proxies, RateLimit: cfg.rateLimit, Stopping: stopping, Log: cfg.log}
	people := &dash.Server{Desk: a.desk, PublicURL: a.url, TrustedProxies: cfg.proxies, Stopping: stopping, Log: cfg.log}
	a.http = &http.Server{
		Handler: rooms(server.Handler(), pages.Handler(), people.Handler()), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(cfg.log.Handler(), slog.LevelWarn),
	}
	a.http.RegisterOnShutdown(func() { close(stopping) })
	go func() { a.served <- a.http.Serve(listener) }()
}

// serveMetrics serves /metrics on an address of its own: what an operator watches is
// nobody else's business. There /healthz and /readyz say of a process of any role
// that it lives, and that it can do its work.
func (a *app) serveMetrics(address string, h http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s for metrics (choose another with --metrics-listen): %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { sayHealth(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTime)
		defer cancel()
		if err := a.ready(ctx); err != nil {
			a.log.Warn("not ready", "err", err)
			w.Header().Set("Retry-After", "1")
			sayHealth(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		sayHealth(w, http.StatusOK, "ready")
	})
	a.metrics = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	go func() { _ = a.metrics.Serve(listener) }()
	return nil
}

func sayHealth(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, word+"\n") // who is gone misses nothing
}

// readyTime is how long the store may take to answer before a process is not ready.
const readyTime = 5 * time.Second

// rooms sends a request to the buyers' pages, to the dashboard or to the API. It is
// no ServeMux, which would redirect paths that the API has to answer as they were
// signed.
func rooms(api, pages, people http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch p := r.URL.Path; {
		case p == "/checkout", strings.HasPrefix(p, "/checkout/"), strings.HasPrefix(p, "/invoices/"):
			pages.ServeHTTP(w, r)
		case p == "/dash", strings.HasPrefix(p, "/dash/"):
			people.ServeHTTP(w, r)
		case p == "/" && r.Method == http.MethodGet:
			http.Redirect(w, r, "/dash/", http.StatusSeeOther)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// ready reports whether the store can be read, by a process that is not about to end.
func (a *app) ready(ctx context.Context) error {
	if a.stopping.Load() {
		return errors.New("the process is stopping")
	}
	_, err := store.View(ctx, a.db, func(tx *store.Tx) (map[string]time.Time, error) { return tx.Scanned() })
	return err
}

// close finishes what is in flight, leaves the rest pending, and closes the store.
func (a *app) close() error {
	a.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var err error
	if a.http != nil {
		err = a.http.Shutdown(ctx)
	}
	a.stop()
	a.loops.Wait()
	if a.metrics != nil {
		err = errors.Join(err, a.metrics.Close())
	}
	err = errors.Join(err, a.db.Close())
	a.release()
	return err
}
