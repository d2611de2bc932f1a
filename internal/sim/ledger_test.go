package sim

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"

	"github.com/paybell/paybell/internal/store"
)

// The ledger is what the database itself says of its history: triggers note
// every change of the rows that matter, in the order of the transactions, and
// what is rolled back is not in it. No code of the store's is asked.

// noted says which changes are noted: a trigger each, its kind, and the columns.
var noted = []struct{ on, when, kind, columns string }{
	{"INSERT ON notifications", "", "told", "new.id, new.client_id, new.invoice_id, new.version, new.event"},
	{"INSERT ON webhooks", "", "hook", hookColumns},
	{"UPDATE OF url, origin, events, state ON webhooks", "", "hook", hookColumns},
	{"INSERT ON endpoints", "", "door", "new.client_id, new.origin, new.disabled_at"},
	{"UPDATE OF disabled_at ON endpoints", "old.disabled_at <> new.disabled_at", "door", "new.client_id, new.origin, new.disabled_at"},
	{"INSERT ON secrets", "", "secret", "new.client_id, new.created_at, new.sealed, new.expires_at"},
	{"UPDATE ON secrets", "", "secret", "new.client_id, new.created_at, new.sealed, new.expires_at"},
	{"DELETE ON secrets", "", "secret", "old.client_id, old.created_at, old.sealed, 1"},
	{"INSERT ON deliveries", "", "made", "new.webhook_id, new.number, new.notification_id, new.invoice_id, new.state"},
	{"UPDATE ON deliveries", "", "moved", "new.webhook_id, new.number, old.state, new.state, old.attempts, new.attempts, old.marks, new.marks, new.round, new.failing_since"},
	{"INSERT ON attempts", "", "tried", "new.webhook_id, new.number, new.n, new.started_at, new.status, new.failure"},
	{"UPDATE OF state ON clients", "new.state = 'deleted'", "client gone", "new.id"},
	{"INSERT ON resends", "new.what = 'skip'", "skip", "new.webhook_id, new.client_id"},
	{"INSERT ON processes", "new.id NOT LIKE 'leaving %'", "joined", "new.id"},
	{"DELETE ON processes", "old.id NOT LIKE 'leaving %'", "left", "old.id"},
	{"UPDATE ON shards", "old.owner <> new.owner AND new.shard IN (SELECT shard FROM sim_shards)", "owner", "new.shard, new.owner"},
}

const hookColumns = "new.id, new.client_id, new.invoice_id, new.url, new.origin, new.events, new.state"

const ledgerColumns = "a, b, c, d, e, f, g, h, i, j"

// entry is one change in the ledger.
type entry struct {
	tx   int
	kind string
	cols [10]any
}

func (e entry) text(i int) string { s, _ := e.cols[i].(string); return s }
func (e entry) int(i int) int64   { n, _ := e.cols[i].(int64); return n }

// worlds are those that run now, for the function sim_tx.
var worlds sync.Map // int64 -> *world

var lastWorld atomic.Int64

func init() {
	// Processes crash here, machines do not: nothing has to be synced. A context
	// that can end makes the driver wait for SQLite's lock in Go's time, which is
	// virtual, and no more in C's.
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, _ string) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_, err := c.ExecContext(ctx, "PRAGMA synchronous = OFF", nil)
		return err
	})
	sqlite.MustRegisterScalarFunction("sim_tx", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		w, ok := worlds.Load(args[0])
		if !ok {
			return nil, fmt.Errorf("there is no world %v", args[0])
		}
		return w.(*world).commits.number(), nil
	})
}

// blank is the files of an empty store with triggers, made once.
var blank = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "paybell-sim-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		return nil, err
	}
	db, err := store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	raw, err := sql.Open("sqlite", filepath.Join(dir, "paybell.db"))
	if err != nil {
		return nil, err
	}
	ddl := []string{
		"CREATE TABLE sim_world (n INTEGER)",
		"CREATE TABLE sim_shards (shard INTEGER PRIMARY KEY)", // those in which the servers are
		"CREATE TABLE sim_ledger (seq INTEGER PRIMARY KEY, tx INTEGER, kind TEXT, " + ledgerColumns + ")",
	}
	for i, n := range noted {
		when := ""
		if n.when != "" {
			when = " WHEN " + n.when
		}
		names := strings.Join(strings.Split(ledgerColumns, ", ")[:strings.Count(n.columns, ",")+1], ", ")
		ddl = append(ddl, fmt.Sprintf("CREATE TRIGGER sim_%d AFTER %s%s BEGIN INSERT INTO sim_ledger (tx, kind, %s) VALUES (sim_tx((SELECT n FROM sim_world)), '%s', %s); END",
			i, n.on, when, names, n.kind, n.columns))
	}
	for _, d := range ddl {
		if _, err := raw.Exec(d); err != nil {
			return nil, fmt.Errorf("%s: %w", d, err)
		}
	}
	if err := raw.Close(); err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	for _, name := range []string{"key", "paybell.db"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

// commits is the order of transactions. All that write stand in one line for
// SQLite's lock, so what is written between two commits is of one writer.
type commits struct {
	mu   sync.Mutex
	next int // number of the transaction that is being written, if one is
	done map[int]commit
}

// commit is one that happened. Others may see it from began on; at tick it is over.
type commit struct {
	n           int
	by          *process // nil: nobody's, the clock's
	at          time.Time
	began, tick int64
}

func (c *commits) number() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(c.next)
}

// begins is called with the lock held, before a commit; what comes is of the next
// transaction.
func (c *commits) begins(by *process, tick int64) commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return commit{n: c.next - 1, by: by, began: tick}
}

func (c *commits) happened(made commit, tick int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	made.at, made.tick = time.Now(), tick
	c.done[made.n] = made
}

// readLedger reads the whole history.
func readLedger(raw *sql.DB) (all []entry, err error) {
	rows, err := raw.Query("SELECT tx, kind, " + ledgerColumns + " FROM sim_ledger ORDER BY seq")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		dest := []any{&e.tx, &e.kind}
		for i := range e.cols {
			dest = append(dest, &e.cols[i])
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}
