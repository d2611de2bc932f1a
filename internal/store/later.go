package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// rowsAtOnce is how many rows one statement inserts, the most first.
var rowsAtOnce = [...]int{16, 4, 1}

// row is an INSERT of rows of values, as text for each of rowsAtOnce.
type row struct {
	columns int
	texts   [len(rowsAtOnce)]string
}

// newRow is the INSERT into some columns of a table: "table (a, b, c)". end is what
// follows the values.
func newRow(into, end string) *row {
	r := &row{columns: strings.Count(into, ",") + 1}
	for i, rows := range rowsAtOnce {
		var text strings.Builder
		text.WriteString("INSERT INTO " + into + " VALUES ")
		for n := range rows * r.columns {
			switch {
			case n == 0:
				text.WriteString("(")
			case n%r.columns == 0:
				text.WriteString("), (")
			default:
				text.WriteString(", ")
			}
			text.WriteString("$" + strconv.Itoa(n+1))
		}
		text.WriteString(")" + end)
		r.texts[i] = text.String()
	}
	return r
}

// one is the text for one row.
func (r *row) one() string { return r.texts[len(rowsAtOnce)-1] }

// later are rows that the writer has been given and SQLite has not, because many at
// once cost less: those of one table together, in their order. They are inserted
// before anything else is asked, and before the commit.
type later struct {
	tables []*row
	values [][]any // of each table, row after row
}

func (l *later) add(r *row, values []any) {
	for i, t := range l.tables {
		if t == r {
			l.values[i] = append(l.values[i], values...)
			return
		}
	}
	l.tables, l.values = append(l.tables, r), append(l.values, values)
}

func (l *later) forget() { l.tables, l.values = nil, nil }

// errNotNew says that a row was there already. Whose bodies have gone on as if it was
// new run again, with savepoints.
var errNotNew = errors.New("a row was there already")

func (l *later) insert(c conn) error {
	tables, values := l.tables, l.values
	l.forget()
	for i, r := range tables {
		for size, rows := range rowsAtOnce {
			for n := rows * r.columns; len(values[i]) >= n; values[i] = values[i][n:] {
				res, err := c.execContext(context.Background(), r.texts[size], values[i][:n]...)
				if err != nil {
					return err
				}
				if n, err := res.RowsAffected(); err != nil || n != int64(rows) {
					return errors.Join(errNotNew, err)
				}
			}
		}
	}
	return nil
}

// insert writes a row, and reports whether it is new; the writer may do so later, and
// takes for granted until then that it is.
func (tx *Tx) insert(r *row, values ...any) (bool, error) {
	if tx.later == nil {
		n, err := tx.exec(r.one(), values...)
		return n > 0, err
	}
	if tx.err == nil {
		tx.err = tx.db.faultAt(BeforeStatement)
	}
	if tx.err == nil {
		tx.later.add(r, values)
	}
	return true, tx.err
}

// before makes everything ready for a statement: what was to be inserted later is,
// and what is remembered and may be changed is forgotten.
func (tx *Tx) before(query string) error {
	if tx.err == nil {
		tx.err = tx.db.faultAt(BeforeStatement)
	}
	if tx.err == nil && tx.later != nil {
		tx.err = tx.later.insert(tx.conn)
	}
	tx.mind(query)
	return tx.err
}
