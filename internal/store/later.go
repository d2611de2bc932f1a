package store

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/paybell/paybell"
)

// rowsAtOnce is how many rows one statement inserts, the most first.
var rowsAtOnce = [...]int{16, 4, 1}

// statement is one that changes something, with its arguments.
type statement struct {
	query string
	args  []any
}

// row is an INSERT of rows of values, as text for each of rowsAtOnce.
type row struct {
	table   string
	columns int
	texts   [len(rowsAtOnce)]string
}

// newRow is the INSERT into some columns of a table: "table (a, b, c)". end is what
// follows the values.
func newRow(into, end string) *row {
	table, _, _ := strings.Cut(into, " ")
	r := &row{table: table, columns: strings.Count(into, ",") + 1}
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

// later is what the writer has been given and the database has not, because much at
// once costs less: what is to be told, and rows, those of one table together, in their
// order. It is written before a statement that it matters to, and before the commit.
type later struct {
	told   []telling
	tables []*row
	values [][]any            // of each table, row after row
	fresh  []paybell.Delivery // made of what was told in this transaction
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

// errNotNew says that a row was there already. Whose bodies have gone on as if it was
// new run again, with savepoints.
var errNotNew = errors.New("a row was there already")

// What is told, who is told, and what else decides what is told.
var (
	toldTables  = []string{"notifications", "deliveries"}
	hookTables  = append([]string{"webhooks", "endpoints"}, toldTables...)
	tellsTables = append([]string{"clients", "merchants"}, hookTables...)
)

func mentions(query string, tables []string) bool {
	return slices.ContainsFunc(tables, func(t string) bool { return strings.Contains(query, t) })
}

// asks reports whether a statement only reads, and locks nothing.
func asks(query string) bool {
	return strings.HasPrefix(query, "SELECT ") && !strings.HasSuffix(query, forUpdate)
}

// flushFor writes what was left for later, if it matters to a statement. What is to be
// told locks webhooks, which come after clients and invoices in everybody's order: it
// waits as long as it can.
func (tx *Tx) flushFor(query string) error {
	asks, matters := asks(query), tellsTables
	switch {
	case asks:
		matters = toldTables
	case strings.HasSuffix(query, forUpdate):
		matters = hookTables
	}
	if mentions(query, matters) {
		return tx.flush()
	}
	if asks && !slices.ContainsFunc(tx.later.tables, func(r *row) bool { return strings.Contains(query, r.table) }) {
		return nil
	}
	return tx.flushRows()
}

// flush writes everything that was left for later.
func (tx *Tx) flush() error {
	if told := tx.later.told; len(told) > 0 {
		tx.later.told = nil
		fresh, err := tx.tellNow(told)
		if err != nil {
			return err
		}
		tx.later.fresh = append(tx.later.fresh, fresh...)
	}
	return tx.flushRows()
}

func (tx *Tx) flushRows() error {
	l := tx.later
	tables, values := l.tables, l.values
	l.tables, l.values = nil, nil
	var all []statement
	var rows []int64
	for i, r := range tables {
		for size, n := range rowsAtOnce {
			for count := n * r.columns; len(values[i]) >= count; values[i] = values[i][count:] {
				all, rows = append(all, statement{r.texts[size], values[i][:count]}), append(rows, int64(n))
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	written, err := tx.conn.execAll(tx.ctx, all)
	if err == nil && !slices.Equal(written, rows) {
		err = errNotNew
	}
	return err
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
		tx.err = tx.flushFor(query)
	}
	tx.mind(query)
	tx.wrote = tx.wrote || !asks(query) && (!strings.HasPrefix(query, "INSERT ") || strings.Contains(query, "ON CONFLICT"))
	return tx.err
}
