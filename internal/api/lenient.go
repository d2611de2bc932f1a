package api

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
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

// oneOrMany is a list whose only element may come without the list.
type oneOrMany[T any] []T

func (l *oneOrMany[T]) UnmarshalJSON(raw []byte) error {
	if raw[0] != '{' {
		return json.Unmarshal(raw, (*[]T)(l))
	}
	*l = make([]T, 1)
	return json.Unmarshal(raw, &(*l)[0])
}

// amounts reads the amounts of one request in one currency and keeps the first
// error.
type amounts struct {
	currency paybell.Currency
	err      error
}

// read is the amount a in field; nothing when it is not given.
//
// A number that floating point has made too fine (10.100000000000001) is
// rounded to the currency's digits, if it is no further from them than 1e-6 and
// a thousandth of the smallest unit. Strings are not: who writes them means them.
func (as *amounts) read(field string, a amount) decimal.Decimal {
	if !a.given() {
		return decimal.Zero
	}
	v, err := paybell.ParseAmount(a.text)
	if err != nil {
		as.fail(field, err)
		return decimal.Zero
	}
	rounded := v.Round(as.currency.Decimals)
	slack := decimal.New(1, min(-6, -as.currency.Decimals-3))
	if a.number && v.Sub(rounded).Abs().LessThanOrEqual(slack) {
		return rounded
	}
	return v // the desk refuses what is too fine
}

// must is read for an amount that has to be given.
func (as *amounts) must(field string, a amount) decimal.Decimal {
	if !a.given() {
		as.fail(field, errMissing)
	}
	return as.read(field, a)
}

var errMissing = errors.New(`is missing; write an amount like "10.00"`)

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
			t = t.UTC()
			return &t, nil
		}
	}
	return nil, paybell.InvalidField(field, "is not a time like 2026-01-02T03:04:05Z")
}

// split reads a list as queries write it: joined by commas.
func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
