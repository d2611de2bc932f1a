package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/paybell/paybell"
)

// A move copies a shop from SQLite to PostgreSQL. A row of meta, "move", stands on
// both sides and says how far it is; while it stands there, a store is opened only
// if it is the one to use:
//
//	source       target        what is opened
//	-            -             the source
//	begun        -             none
//	begun        filling       none
//	done         filling       none
//	done         done          the target
//
// Each batch of rows is one transaction of the target, together with the key that it
// came to: whatever ends a move, the next run goes on behind that key. The source
// cannot change in between, since nobody opens it. The same id on both sides says
// that they belong together.
//
// Nothing is lost by a move, and nothing done twice, so it begins no new epoch:
// receivers see the next number of the same. That only one of the two is ever opened
// is what this rests on.

// MoveOptions say what is moved where.
type MoveOptions struct {
	From    string // the data directory of a SQLite store
	To      string // the URL of a PostgreSQL database
	KeyFile string // is only looked at
	// DryRun reads all rows and looks at the target. It writes nothing.
	DryRun bool
	// Progress, if not nil, is told after each batch. It is called by the goroutine that
	// moves, and should not take long.
	Progress func(MoveProgress)

	batch int // rows in one transaction; 0: as many as are good
}

// MoveProgress says how far a move is.
type MoveProgress struct {
	Doing string // "copy", "verify", "check"
	Table string
	Done  int64 // rows of the table
	Total int64
}

// Moved is what has come of a move.
type Moved struct {
	Source, Target string       // which databases; without passwords
	Tables         []MovedTable // in the order in which they were copied
	Rows           int64        // of all tables
	Epoch          int64
	Pending        int64     // deliveries that the servers on the target will send
	Replaced       int64     // texts in which a space or U+FFFD stands for what PostgreSQL cannot keep
	SealKeys       []string  // ids of the keys that the secrets are sealed with
	KeyTrouble     error     // why the key file is not the one that belongs to it; nil: it is
	Resumed        bool      // an earlier run had begun it
	Already        bool      // an earlier run had finished it; there is nothing about tables then
	At             time.Time // when it was finished
}

// MovedTable is one table that is the same on both sides.
type MovedTable struct {
	Name string
	Rows int64
	// SHA256 is that of all rows in the order of their keys, in hex, the same for both.
	// After a dry run it is that of the source.
	SHA256 string
}

// Move copies everything from SQLite to PostgreSQL and compares it, row by row: when
// it returns without an error, both have the same rows, and from now on only the
// target is opened. See MoveBack for the way back.
//
// It may be interrupted in any way. The same call goes on then; until it is finished,
// neither side is opened, unless MoveBack gives it up.
//
// It is refused with Conflict while a server runs on either side, when the target
// holds anything but an unfinished move of this source, when the source has an older
// schema, and when a row of the target is not as it should be, which is named. Unavailable means that
// either side failed, or ctx ended, and the same call goes on.
//
// Not moved are which processes serve, and which endpoints each (see notMoved).
func Move(ctx context.Context, opt MoveOptions) (Moved, error) {
	m := &mover{MoveOptions: opt}
	if m.batch == 0 {
		m.batch = batchRows
	}
	defer m.close()
	err := m.move(ctx)
	m.result.Replaced = m.mark.Replaced
	return m.result, m.explain(ctx, err)
}

// mover is a move that is under way.
type mover struct {
	MoveOptions
	source *moveSource
	target *moveTarget
	mark   moveMark // as it stands in the target, or is about to
	tables []movedTable
	result Moved
	ends   []func() // undone at the end, the last first
}

func (m *mover) close() {
	for _, end := range slices.Backward(m.ends) {
		end()
	}
}

func (m *mover) move(ctx context.Context) error {
	if err := m.openSource(ctx); err != nil {
		return err
	}
	begun, err := readMark(ctx, m.source.file)
	if err != nil {
		return err
	}
	if err := m.source.fitting(ctx, begun); err != nil {
		return err
	}
	if m.target, err = openTarget(ctx, m.To); err != nil {
		return err
	}
	m.ends = append(m.ends, m.target.close)
	m.result.Target = m.target.name
	resume, err := m.mayMove(ctx, begun)
	if err != nil || m.result.Already {
		return err
	}
	if m.DryRun {
		return m.check(ctx)
	}
	if !resume {
		if err := m.begin(ctx); err != nil {
			return err
		}
	}
	m.result.Resumed = resume
	if err := m.source.hold(ctx, m.mark.ID); err != nil {
		return err
	}
	if err := m.plan(ctx); err != nil {
		return err
	}
	if err := m.copy(ctx); err != nil {
		return err
	}
	if err := m.verify(ctx); err != nil {
		return err
	}
	return m.finish(ctx)
}

// openSource locks the source and looks what is in it.
func (m *mover) openSource(ctx context.Context) (err error) {
	path := filepath.Join(m.From, databaseFile)
	if _, err := os.Stat(path); err != nil {
		return paybell.Errorf(paybell.NotFound, "there is no database in %s; say where the data are, with --from sqlite:DIR", m.From)
	}
	if !isSQLite(path) {
		return paybell.Errorf(paybell.Invalid, "%s is no SQLite database", path)
	}
	release, err := lockFile(filepath.Join(m.From, serverLock), "a server runs on "+m.From+"; stop it first (or another `paybell migrate-store` is under way)")
	if err != nil {
		return err
	}
	m.ends = append(m.ends, release)
	if m.source, err = openSource(ctx, path); err != nil {
		return err
	}
	m.ends = append(m.ends, m.source.close)
	about, err := describe(ctx, m.source.file, path)
	if err != nil {
		return err
	}
	m.result.Source, m.result.Epoch, m.result.SealKeys = path, about.Epoch, about.SealKeys
	m.result.KeyTrouble = keyTrouble(m.KeyFile, about.SealKeys)
	return nil
}

// keyTrouble is why a key file does not open what is sealed with these keys; nil: it
// does.
func keyTrouble(file string, needs []string) error {
	if len(needs) == 0 {
		return nil
	}
	keys, err := ReadKeyring(file)
	if err != nil {
		return err
	}
	return keys.fits(strings.Join(needs, " "))
}

// mayMove looks at the target, and refuses what is not empty and not ours. resume
// says that a move of this source was begun there.
func (m *mover) mayMove(ctx context.Context, begun moveMark) (resume bool, err error) {
	version, err := m.target.schema(ctx)
	if err != nil {
		return false, err
	}
	found := moveMark{}
	if version > 0 {
		if found, err = m.target.readMark(ctx); err != nil {
			return false, err
		}
	}
	switch {
	case found.ID != "" && (found.ID != begun.ID || found.Role != moveTargetRole):
		return false, paybell.Errorf(paybell.Conflict, "%s holds another move, or one that was given up (from %s); give an empty database", m.target.name, found.Other)
	case found.ID != "" && version != m.source.schema:
		return false, paybell.Errorf(paybell.Conflict, "this move was begun by another version of paybell; finish it with that one, or give it up with --back and begin again with an empty database")
	case found.Done:
		m.result.Already, m.result.At = true, moment(found.At)
		return true, nil
	case found.ID == "" && begun.Done:
		return false, paybell.Errorf(paybell.Conflict, "this shop was moved to %s on %s; to move it from here once more, take it back first, with --back", begun.Other, day(begun.At))
	case version > m.source.schema:
		return false, paybell.Errorf(paybell.Conflict, "%s has schema %d, this program knows only %d; use the newer program", m.target.name, version, m.source.schema)
	}
	if version > 0 {
		if err := m.target.idle(ctx); err != nil {
			return false, err
		}
	}
	m.mark = found
	if found.ID != "" {
		return true, nil
	}
	return false, m.target.empty(ctx)
}

// begin marks both sides, the source first.
func (m *mover) begin(ctx context.Context) error {
	if err := m.target.migrate(ctx, m.To); err != nil {
		return err
	}
	if version, err := m.target.schema(ctx); err != nil {
		return err
	} else if version != m.source.schema {
		return paybell.Errorf(paybell.Conflict, "the source has schema %d, and this program makes %d; use the newer program", m.source.schema, version)
	}
	at := time.Now()
	m.mark = moveMark{ID: paybell.NewUUID(at), Role: moveTargetRole, Other: m.source.path, At: at.UnixMicro()}
	given := moveMark{ID: m.mark.ID, Role: moveSourceRole, Other: m.target.name, At: m.mark.At}
	if err := given.write(ctx, m.source.file); err != nil {
		return err
	}
	return m.target.begin(ctx, m.mark)
}

// finish lets only the target be opened: the source is marked first, so that there is
// no moment at which both are.
func (m *mover) finish(ctx context.Context) error {
	m.result.At = time.Now()
	given := moveMark{ID: m.mark.ID, Role: moveSourceRole, Other: m.target.name, At: m.result.At.UnixMicro(), Done: true}
	if err := m.source.finish(ctx, given); err != nil {
		return err
	}
	m.mark.Done, m.mark.At = true, given.At
	return m.target.writeMark(ctx, m.target.conn, m.mark)
}

// plan lists the tables and counts them.
func (m *mover) plan(ctx context.Context) (err error) {
	if m.tables, err = m.source.tables(ctx); err != nil {
		return err
	}
	for i := range m.tables {
		if m.tables[i].total, err = m.source.count(ctx, m.tables[i]); err != nil {
			return err
		}
		m.result.Rows += m.tables[i].total
	}
	m.result.Pending, err = m.source.pending(ctx)
	return err
}

// check reads all rows of the source, as a copy would.
func (m *mover) check(ctx context.Context) error {
	if err := m.source.look(ctx); err != nil {
		return err
	}
	if err := m.plan(ctx); err != nil {
		return err
	}
	for _, t := range m.tables {
		if err := m.checkTable(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (m *mover) checkTable(ctx context.Context, t movedTable) error {
	rows, err := m.source.rows(ctx, t, nil)
	if err != nil {
		return err
	}
	defer rows.close()
	sum := newTableSum()
	for rows.next() {
		sum.add(appendRow(nil, rows.values))
		if sum.rows%int64(m.batch) == 0 {
			m.tell("check", t, sum.rows)
		}
	}
	m.tell("check", t, sum.rows)
	m.mark.Replaced += rows.replaced
	m.result.Tables = append(m.result.Tables, MovedTable{Name: t.name, Rows: sum.rows, SHA256: sum.hex()})
	return rows.err
}

// copy copies what is not there yet, table by table.
func (m *mover) copy(ctx context.Context) error {
	if err := m.target.sameTables(ctx, m.tables); err != nil {
		return err
	}
	first := 0
	if m.mark.Table != "" {
		if first = slices.IndexFunc(m.tables, func(t movedTable) bool { return t.name == m.mark.Table }); first < 0 {
			return paybell.Errorf(paybell.Conflict, "the move stands in a table %q that the source does not have; give it up with --back and begin again with an empty database", m.mark.Table)
		}
	}
	for _, t := range m.tables[first:] {
		if m.mark.Table != t.name {
			m.mark.Table, m.mark.After, m.mark.Rows = t.name, nil, 0
		}
		if err := m.copyTable(ctx, t); err != nil {
			return err
		}
	}
	return m.target.analyze(ctx, m.tables)
}

func (m *mover) copyTable(ctx context.Context, t movedTable) error {
	after, err := t.parseKey(m.mark.After)
	if err != nil {
		return err
	}
	rows, err := m.source.rows(ctx, t, after)
	if err != nil {
		return err
	}
	defer rows.close()
	for {
		b := &batch{rows: rows, most: m.batch}
		replaced := rows.replaced
		next := m.mark
		err := m.target.transact(ctx, func(tx pgx.Tx) error {
			n, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.names(), b)
			if rows.err != nil {
				return rows.err // what the target says of it says less
			}
			if err != nil || n == 0 {
				return err
			}
			next.After, next.Rows, next.Replaced = t.formatKey(rows.values), m.mark.Rows+n, m.mark.Replaced+rows.replaced-replaced
			return m.target.writeMark(ctx, tx, next)
		})
		if err != nil {
			return err
		}
		m.mark = next
		m.tell("copy", t, m.mark.Rows)
		if b.end {
			return nil
		}
	}
}

// verify compares all rows of all tables.
func (m *mover) verify(ctx context.Context) error {
	return m.target.lookOnly(ctx, func(tx pgx.Tx) error {
		m.result.Tables = nil
		for _, t := range m.tables {
			table, err := m.verifyTable(ctx, tx, t)
			if err != nil {
				return err
			}
			m.result.Tables = append(m.result.Tables, table)
		}
		return nil
	})
}

func (m *mover) verifyTable(ctx context.Context, tx pgx.Tx, t movedTable) (done MovedTable, err error) {
	rows, err := m.source.rows(ctx, t, nil)
	if err != nil {
		return done, err
	}
	defer rows.close()
	here, there := newTableSum(), newTableSum()
	for {
		want := rows.page(verifyRows)
		if rows.err != nil {
			return done, rows.err
		}
		if len(want) == 0 {
			break
		}
		if err := m.target.compare(ctx, tx, t, want, there); err != nil {
			return done, err
		}
		for _, row := range want {
			here.add(appendRow(nil, row))
		}
		m.tell("verify", t, here.rows)
	}
	m.tell("verify", t, here.rows)
	n, err := m.target.count(ctx, tx, t)
	if err != nil {
		return done, err
	}
	if n != here.rows || here.hex() != there.hex() {
		return done, different("table %s has %d rows in the source and %d in the target, which somebody else has written", t.name, here.rows, n)
	}
	return MovedTable{Name: t.name, Rows: n, SHA256: there.hex()}, nil
}

// different is the error when the target is not a copy of the source.
func different(format string, args ...any) error {
	return paybell.Errorf(paybell.Conflict, "the target is not the same as the source: %s. The source is unharmed. Give the move up with --back, and begin again with an empty database", fmt.Sprintf(format, args...))
}

func (m *mover) tell(doing string, t movedTable, done int64) {
	if m.Progress != nil {
		m.Progress(MoveProgress{Doing: doing, Table: t.name, Done: done, Total: t.total})
	}
}

// explain turns what ended a move into what a person can act on.
func (m *mover) explain(ctx context.Context, err error) error {
	const goOn = "give the same command again, and it goes on where it stood"
	var ours *paybell.Error
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case ctx.Err() != nil:
		return paybell.Errorf(paybell.Unavailable, "stopped; %s", goOn)
	case errors.As(err, &lite):
		return explainFile(m.result.Source, err)
	case errors.As(err, &pg) && pg.Code == "53100":
		return paybell.Errorf(paybell.Unavailable, "the disk of %s is full. Make room and %s", m.result.Target, goOn)
	}
	return paybell.Errorf(paybell.Unavailable, "%s: %v. Once that is put right, %s", m.result.Target, err, goOn)
}

// MoveBack lets the source of a move be opened again.
//
// Of a move that was not finished nothing but the mark is taken away: no server has
// run on the target, and none will.
//
// Of one that was, with the URL of its target, the same if all rows are still as they
// were moved: no server has run there since, and none will. It is refused with
// Conflict if one has.
//
// Without it, the target may have been served, or may be lost: what was done there is
// unknown to the source, and so it is with it as with a backup. Numbers of deliveries
// begin a new epoch, addresses of each key are left out, and everybody signs in
// again, see Restore. Servers on the target must be stopped for ever.
func MoveBack(ctx context.Context, opt MoveOptions) (MovedBack, error) {
	m := &mover{MoveOptions: opt}
	defer m.close()
	b, err := m.back(ctx)
	return b, m.explain(ctx, err)
}

// MovedBack is what has come of MoveBack.
type MovedBack struct {
	Source, Target string // which databases; without passwords
	Epoch          int64
	// Served says that servers may have run on the target; the others what was done about
	// it, see Restored.
	Served                   bool
	SignedOut, Keys, Skipped int64
}

func (m *mover) back(ctx context.Context) (b MovedBack, err error) {
	if err := m.openSource(ctx); err != nil {
		return b, err
	}
	begun, err := readMark(ctx, m.source.file)
	if err != nil {
		return b, err
	}
	b.Source, b.Target, b.Epoch = m.source.path, begun.Other, m.result.Epoch
	if begun.Role != moveSourceRole {
		return b, paybell.Errorf(paybell.NotFound, "no move of %s was begun: it can be served as it is", m.source.path)
	}
	if err := m.source.fitting(ctx, begun); err != nil {
		return b, err
	}
	if m.To != "" {
		if err := m.retire(ctx, begun); err != nil {
			return b, err
		}
	}
	if err := m.source.hold(ctx, begun.ID); err != nil {
		return b, err
	}
	b.Served = begun.Done && m.To == ""
	given, err := m.source.takeBack(ctx, b.Served)
	b.Epoch, b.SignedOut, b.Keys, b.Skipped = given.Epoch, given.SignedOut, given.Keys, given.Skipped
	return b, err
}

// retire sees to it that the target of a move is not opened any more, if no server has
// run there.
func (m *mover) retire(ctx context.Context, begun moveMark) (err error) {
	if m.target, err = openTarget(ctx, m.To); err != nil {
		return err
	}
	m.ends = append(m.ends, m.target.close)
	m.result.Target = m.target.name
	version, err := m.target.schema(ctx)
	if err != nil {
		return err
	}
	if version > 0 {
		if m.mark, err = m.target.readMark(ctx); err != nil {
			return err
		}
	}
	if m.mark.ID != begun.ID || m.mark.Role != moveTargetRole {
		return paybell.Errorf(paybell.Conflict, "%s does not hold this shop, which was moved to %s", m.target.name, begun.Other)
	}
	if !m.mark.Done {
		return nil
	}
	if err := m.target.idle(ctx); err != nil {
		return err
	}
	if err := m.source.look(ctx); err != nil {
		return err
	}
	if err := m.plan(ctx); err != nil {
		return err
	}
	if err := m.verify(ctx); err != nil {
		if paybell.CodeOf(err) == paybell.Conflict {
			err = paybell.Errorf(paybell.Conflict, "a server has run on %s since the move, and what it did is unknown here. To give that up, give --back without --to: it says what happens then", m.target.name)
		}
		return err
	}
	m.mark.Done = false
	return m.target.writeMark(ctx, m.target.conn, m.mark)
}
