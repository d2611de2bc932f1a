package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

type moveCmd struct {
	From    string `required:"" help:"The shop as it is: sqlite: and its data directory." placeholder:"sqlite:DIR"`
	To      string `help:"Where it is to live: an empty PostgreSQL (15 or newer) database." placeholder:"postgres://USER:PASSWORD@HOST/NAME"`
	KeyFile string `help:"File of the key that seals secrets, which is not moved. Default: paybell.key in the data directory." type:"path"`
	DryRun  bool   `help:"Read everything and look at the target, but write nothing."`
	Back    bool   `help:"Give a move up: let the data directory be served again. With --to only if no server has run on the target; nothing is different then. Without, the next server begins as after a restore from a backup."`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// Run moves a shop, or goes on with a move that was interrupted.
func (c *moveCmd) Run(ctx context.Context) error {
	opt, err := c.options()
	if err != nil {
		return err
	}
	if c.Back {
		return c.back(ctx, opt)
	}
	if c.To == "" {
		return paybell.Errorf(paybell.Invalid, "say where the shop is to live, with --to postgres://user:password@host/name")
	}
	progress := &moveProgress{out: os.Stderr, terminal: isTerminal(os.Stderr)}
	if !c.JSON {
		opt.Progress = progress.show
	}
	began := time.Now()
	m, err := store.Move(ctx, opt)
	progress.end()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(c.facts(m, time.Since(began)))
	}
	fmt.Print(c.story(m, time.Since(began)))
	return nil
}

// options are what the flags say.
func (c *moveCmd) options() (store.MoveOptions, error) {
	scheme, dir, _ := strings.Cut(c.From, ":")
	switch {
	case isPostgres(c.From):
		return store.MoveOptions{}, paybell.Errorf(paybell.Invalid, "a shop can be moved from SQLite to PostgreSQL, not from PostgreSQL; to take a move back, see --back")
	case scheme != "sqlite" || dir == "":
		return store.MoveOptions{}, paybell.Errorf(paybell.Invalid, "--from: write sqlite: and the data directory, like sqlite:paybell-data")
	case c.To != "" && !isPostgres(c.To):
		return store.MoveOptions{}, paybell.Errorf(paybell.Invalid, "--to: write the URL of a PostgreSQL database, like postgres://user:password@host/name")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return store.MoveOptions{}, err
	}
	keyFile := c.KeyFile
	if keyFile == "" {
		keyFile = filepath.Join(dir, "paybell.key")
	}
	return store.MoveOptions{From: dir, To: c.To, KeyFile: keyFile, DryRun: c.DryRun}, nil
}

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// next is the command that serves the moved shop. It does not repeat a password.
func (c *moveCmd) next() string {
	opt, _ := c.options() // Run has looked
	dsn := "postgres://..."
	if u, err := url.Parse(c.To); err == nil {
		dsn = u.Redacted()
	}
	next := "paybell serve --database '" + dsn + "' --data " + opt.From
	if c.KeyFile != "" {
		next += " --key-file " + c.KeyFile
	}
	return next
}

func (c *moveCmd) facts(m store.Moved, took time.Duration) map[string]any {
	tables := []map[string]any{}
	for _, t := range m.Tables {
		tables = append(tables, map[string]any{"table": t.Name, "rows": t.Rows, "sha256": t.SHA256})
	}
	trouble := ""
	if m.KeyTrouble != nil {
		trouble = advice(m.KeyTrouble)
	}
	return map[string]any{
		"from": m.Source, "to": m.Target, "dryRun": c.DryRun, "already": m.Already, "resumed": m.Resumed, "rows": m.Rows, "tables": tables, "pending": m.Pending,
		"epoch": m.Epoch, "replacedTexts": m.Replaced, "keys": m.SealKeys, "keyFits": m.KeyTrouble == nil, "keyTrouble": trouble, "milliseconds": took.Milliseconds(), "next": c.next(),
	}
}

// story is what has to be known before the first server is started on the target.
func (c *moveCmd) story(m store.Moved, took time.Duration) string {
	var s strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	switch {
	case m.Already:
		say("This shop was moved already, on %s: it lives in %s.", m.At.Format("2006-01-02 15:04 MST"), m.Target)
	case c.DryRun:
		say("Nothing was written. %d rows in %d tables can be moved to %s; reading them took %s.", m.Rows, len(m.Tables), m.Target, took.Round(time.Millisecond))
	default:
		say("The shop is moved, and compared: %d rows in %d tables are the same in %s. It took %s.\n", m.Rows, len(m.Tables), m.Target, took.Round(time.Millisecond))
		for _, t := range m.Tables {
			if t.Rows > 0 {
				say("  %-16s %12d  %s", t.Name, t.Rows, t.SHA256[:16])
			}
		}
		say("\n- Nothing is lost, so numbers of notifications go on in epoch %d. %d deliveries are pending; the first server sends them.", m.Epoch, m.Pending)
		say("- %s is as it was, and no server starts on it any more.\n  The way back: paybell migrate-store --back --from %s", m.Source, c.From)
	}
	if m.Replaced > 0 {
		say("- %d texts held what PostgreSQL cannot keep (zero bytes, or no UTF-8); spaces or U+FFFD stand there.", m.Replaced)
	}
	if m.KeyTrouble != nil {
		say("- Warning: %s.", advice(m.KeyTrouble))
	}
	if !c.DryRun {
		say("- The key is NOT in the database. Every server on it needs a key file with key %s.", strings.Join(m.SealKeys, " "))
		say("\nNext: %s", c.next())
		if u, err := url.Parse(c.To); err == nil && u.Redacted() != u.String() {
			say("(with the password in the place of xxxxx)")
		}
	}
	return s.String()
}

// back gives a move up.
func (c *moveCmd) back(ctx context.Context, opt store.MoveOptions) error {
	if c.DryRun {
		return paybell.Errorf(paybell.Invalid, "--back and --dry-run do not go together")
	}
	b, err := store.MoveBack(ctx, opt)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(map[string]any{"from": b.Source, "to": b.Target, "served": b.Served, "epoch": b.Epoch, "signedOut": b.SignedOut, "keys": b.Keys, "skippedAddresses": b.Skipped})
	}
	if !b.Served {
		fmt.Printf("The move to %s is given up: nothing was done there that is not here.\nIt cannot be served, and may be dropped.\n", b.Target)
	} else {
		fmt.Printf(`%s can be served again, as it was before the move. What was done on
%s since is not here. So, as after a restore from a backup:

- Numbers of notifications begin with %d. from now on (Paybell-Sequence).
- The next %d addresses of each key (%d keys) are left out: they may have been given to buyers. Set the gap limit of your
  wallet programs to %d or more, or they will not see what comes.
- Everybody signs in again.

Never let a server run on %s again.
`, b.Source, b.Target, b.Epoch, b.Skipped, b.Keys, b.Skipped+paybell.MaxGap, b.Target)
	}
	fmt.Printf("\nNext: paybell serve --data %s\n", opt.From)
	return nil
}

// moveProgress tells a person how far a move is: on a terminal a line that changes,
// else one for each table.
type moveProgress struct {
	out      io.Writer
	terminal bool
	last     store.MoveProgress
	shown    time.Time
}

// often is how often a line changes.
const often = 100 * time.Millisecond

var doing = map[string]string{"copy": "copied", "verify": "compared", "check": "read"}

func (p *moveProgress) show(now store.MoveProgress) {
	if now.Doing != p.last.Doing || now.Table != p.last.Table {
		p.end()
	}
	p.last = now
	if p.terminal && time.Since(p.shown) > often {
		p.shown = time.Now()
		_, _ = fmt.Fprint(p.out, "\r\x1b[K"+p.line())
	}
}

func (p *moveProgress) line() string {
	percent := int64(100)
	if p.last.Total > 0 {
		percent = p.last.Done * 100 / p.last.Total
	}
	return fmt.Sprintf("  %-8s %-16s %12d of %d rows  %3d %%", doing[p.last.Doing], p.last.Table, p.last.Done, p.last.Total, percent)
}

// end leaves the line of a table as it is.
func (p *moveProgress) end() {
	switch {
	case p.last.Total == 0: // nobody wants to read of empty tables
	case p.terminal:
		_, _ = fmt.Fprintln(p.out, "\r\x1b[K"+p.line())
	default:
		_, _ = fmt.Fprintln(p.out, p.line())
	}
	p.last = store.MoveProgress{}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
