package paybell

import (
	"errors"
	"fmt"
	"time"
)

// Code says what kind of trouble an Error is. Every surface (HTTP, CLI) maps
// codes to its own answers in one table, so a new code is added here first.
type Code string

const (
	Invalid         Code = "invalid"         // the input is wrong; Detail says how to put it right
	Unauthenticated Code = "unauthenticated" // we do not know who asks
	Forbidden       Code = "forbidden"       // we know, and they may not
	NotFound        Code = "notFound"        // it does not exist, or belongs to somebody else: the caller cannot tell which
	Conflict        Code = "conflict"        // the state of things forbids it now
	TooLarge        Code = "tooLarge"        // over a documented bound
	RateLimited     Code = "rateLimited"     // too often; see RetryAfter
	NotSupported    Code = "notSupported"    // known, and deliberately not offered
	Unavailable     Code = "unavailable"     // busy or storage trouble: nothing was written, try again; see RetryAfter
	Internal        Code = "internal"        // our fault; the cause is logged, never shown
)

// Error is the one error type that crosses package borders. Detail is shown to
// the caller: it is a full sentence, says what to do, and never holds a secret.
// Err is the cause, for logs only.
type Error struct {
	Code       Code
	Detail     string
	Fields     map[string]string // field path -> what is wrong with it; only with Invalid
	RetryAfter time.Duration     // with RateLimited and Unavailable
	Err        error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error. A %w in the format becomes the cause as well as part
// of Detail, so wrap only errors whose text may be shown.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Detail: err.Error(), Err: errors.Unwrap(err)}
}

// InvalidField makes an Invalid error that points at one field of the input.
func InvalidField(field, format string, args ...any) *Error {
	msg := fmt.Sprintf(format, args...)
	return &Error{Code: Invalid, Detail: field + ": " + msg, Fields: map[string]string{field: msg}}
}

// CodeOf returns the code of err: Internal for any error that is not ours.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
