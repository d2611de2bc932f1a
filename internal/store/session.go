package store

import (
	"context"
	"database/sql"
	"regexp"
	"strconv"
)

// session is one connection to SQLite with its prepared statements. It is used
// by one goroutine at a time.
type session struct {
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	version int64 // of the database when begin saw it
}

func newSession(conn *sql.Conn) *session {
	return &session{conn: conn, stmts: map[string]*sql.Stmt{}}
}

// close gives the connection back to its pool. SQLite moves the log into the
// database when the last connection ends, and none ends while it has statements.
func (s *session) close() {
	for _, stmt := range s.stmts {
		_ = stmt.Close()
	}
	_ = s.conn.Close() // the pool closes it for good
}

// exec runs a statement that must not be cut short: one that begins or ends
// something.
func (s *session) exec(query string) error {
	_, err := s.execContext(context.Background(), query)
	return err
}

func (s *session) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, nameless(query))
	if err == nil {
		s.stmts[query] = stmt
	}
	return stmt, err
}

var parameter = regexp.MustCompile(`\$[0-9]+`)

// nameless is a query with ? for $1, $2 and so on, if they stand in this order, each
// once. For others the driver asks SQLite for the name of each, at each execution.
func nameless(query string) string {
	n := 0
	inOrder := true
	text := parameter.ReplaceAllStringFunc(query, func(name string) string {
		n++
		inOrder = inOrder && name == "$"+strconv.Itoa(n)
		return "?"
	})
	if !inOrder {
		return query
	}
	return text
}

func (s *session) execContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

func (s *session) queryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (s *session) execAll(ctx context.Context, all []statement) ([]int64, error) {
	touched := make([]int64, len(all))
	for i, st := range all {
		res, err := s.execContext(ctx, st.query, st.args...)
		if err == nil {
			touched[i], err = res.RowsAffected()
		}
		if err != nil {
			return nil, err
		}
	}
	return touched, nil
}

// begin keeps out other writers from here on. others tells whether one has written
// since the last time.
func (s *session) begin() (others bool, err error) {
	if err := s.exec("BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	stmt, err := s.stmt(context.Background(), "PRAGMA data_version")
	if err != nil {
		return false, err
	}
	was := s.version
	err = stmt.QueryRow().Scan(&s.version)
	return s.version != was, err
}

func (s *session) commit() error { return s.exec("COMMIT") }

// rollback takes back what was begun. It fails when SQLite has done so itself.
func (s *session) rollback() error { return s.exec("ROLLBACK") }
