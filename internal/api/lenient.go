package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// The types of this file read what real clients send where the contract asks
// for something else. They keep the text; what it means is decided where the
// field's name is known, so that errors can say it.

// text is a string that may come as a number: ids, order numbers.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	switch {
	case string(raw) == "null":
		return nil
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(t))
	case isNumber(raw):
		*t = text(raw)
		return nil
	}
	return wrongType(raw)
}

// amount is money: a string, or a number. An empty string and null are no amount.
type amount struct {
	text   string
	number bool
}

func (a *amount) UnmarshalJSON(raw []byte) error {
	a.number = isNumber(raw)
	return (*text)(&a.text).UnmarshalJSON(raw)
}

// given reports whether there is an amount at all.
func (a amount) given() bool { return a.text != "" }

func isNumber(raw []byte) bool { return raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' }

// wrongType is what encoding/json says of a value that is not a string. It adds
// the field's name on the way up.
func wrongType(raw []byte) error {
	kind := "a list"
	switch raw[0] {
	case '{':
		kind = "an object"
	case 't', 'f':
		kind = "true or false"
	}
	return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[string]()}
}

// object is an object that may be left out in every way that clients know: null,
// an empty string, or [], which is how PHP writes an empty one. Then value is
// zero.
type object[T any] struct{ value T }

func (o *object[T]) UnmarshalJSON(raw []byte) error {
	if isNothing(raw) {
		return nil
	}
	return json.Unmarshal(raw, &o.value)
}

// freeObject is the merchant's own JSON, nil when it is left out in one of those
// ways. That it is an object is the desk's to check.
type freeObject json.RawMessage

func (o *freeObject) UnmarshalJSON(raw []byte) error {
	if !isNothing(raw) {
		*o = append((*o)[:0], raw...)
	}
	return nil
}

func isNothing(raw []byte) bool {
	switch string(raw) {
	case "null", `""`:
		return true
	}
	return isEmpty(raw, '[')
}

// isEmpty reports whether raw JSON is an object or a list, by its bracket, with
// nothing but white space in it.
func isEmpty(raw []byte, bracket byte) bool {
	return len(raw) >= 2 && raw[0] == bracket && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

// names is a list of names, which may come as one text joined by commas.
type names []string

func (n *names) UnmarshalJSON(raw []byte) error {
	var joined string
	if raw[0] != '"' {
		return json.Unmarshal(raw, (*[]string)(n))
	}
	if err := json.Unmarshal(raw, &joined); err != nil {
		return err
	}
	*n = split(joined)
	if len(*n) == 0 && joined != "" {
		*n = names{joined} // commas alone are no list, least of all the empty one
	}
	return nil
}

// oneOrMany is a list whose only element may come without the list.
type oneOrMany[T any] []T

func (l *oneOrMany[T]) UnmarshalJSON(raw []byte) error {
	if raw[0] == '{' {
		*l = make([]T, 1)
		return json.Unmarshal(raw, &(*l)[0])
	}
	if raw[0] != '[' {
		return json.Unmarshal(raw, (*[]T)(l))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token() // the bracket
	for dec.More() {
		if len(*l) == mostListed {
			return &json.UnmarshalTypeError{Value: fmt.Sprintf("one with more than %d elements", mostListed), Type: reflect.TypeFor[[]T]()}
		}
		var one T
		if err := dec.Decode(&one); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	return nil
}

// mostListed bounds a list while it is read: an element is larger in memory than
// the two bytes that it takes to write one.
const mostListed = desk.MaxItems

type quantityBody struct {
	Value amount `json:"value"`
	Type  text   `json:"type"`
}

// read is the quantity, 1 when none is given, and whether it counts hours.
// Clients write the type by name or by number, and that as a string, too.
func (q *quantityBody) read(as *amounts, at string) (value int64, hours bool) {
	if q == nil {
		return 1, false
	}
	switch strings.ToLower(string(q.Type)) {
	case "hours", "1":
		hours = true
	case "quantity", "2", "":
	default:
		as.fail(at+"type", paybell.Errorf(paybell.Invalid, `must be "quantity" or "hours"`))
	}
	if !q.Value.given() {
		return 1, hours
	}
	v, err := paybell.ParseAmount(q.Value.text)
	if err != nil || !v.IsInteger() || v.GreaterThan(decimal.New(1, 9)) {
		as.fail(at+"value", paybell.Errorf(paybell.Invalid, "must be a whole number, 1 to 999999999"))
		return 0, hours
	}
	return v.IntPart(), hours
}

// amounts reads the amounts of one request in one currency and keeps the first
// error.
type amounts struct {
	currency paybell.Currency
	err      error
}

// money is an amount as one version of the API writes it.
type money interface {
	given() bool
	missing() error // says what to write
	// read is the amount in whole units of the currency; nothing when it is not given.
	read(as *amounts, field string) decimal.Decimal
}

func (a amount) read(as *amounts, field string) decimal.Decimal {
	if !a.given() {
		return decimal.Zero
	}
	v, err := a.value(as.currency.Decimals)
	if err != nil {
		as.fail(field, err)
	}
	return v // the desk refuses what is too fine
}

// value is the amount. A number that floating point has bent
// (10.100000000000001) is rounded to the digits that are asked for, if it is no
// further from them than floating point goes: the 15 digits of a double, 1e-6,
// and never a hundredth of the last digit. Strings are not: who writes them means
// them.
func (a amount) value(digits int32) (decimal.Decimal, error) {
	v, err := paybell.ParseAmount(a.text)
	if err != nil || !a.number {
		return v, err
	}
	rounded := v.Round(digits)
	slack := decimal.Min(decimal.New(1, -6).Add(v.Shift(-15)), decimal.New(1, -digits-2))
	if v.Sub(rounded).Abs().LessThanOrEqual(slack) {
		return rounded, nil
	}
	return v, nil
}

// must is read for an amount that has to be given.
func must(as *amounts, field string, m money) decimal.Decimal {
	if !m.given() {
		as.fail(field, m.missing())
	}
	return m.read(as, field)
}

func (a amount) missing() error { return errors.New(`is missing; write an amount like "10.00"`) }

func (as *amounts) fail(field string, err error) {
	if as.err != nil {
		return
	}
	what := err.Error()
	if e, ok := errors.AsType[*paybell.Error](err); ok {
		what = e.Detail
	}
	as.err = paybell.InvalidField(field, "%s", what)
}

// readTime reads a date, or a date and time, which is UTC unless it says otherwise.
func readTime(field, s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 { // RFC 3339 has four digits for it
				break
			}
			return &t, nil
		}
	}
	return nil, paybell.InvalidField(field, "is not a time like 2026-01-02T03:04:05Z")
}

// split reads a list as queries write it: joined by commas.
func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
