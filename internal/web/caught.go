package web

import (
	"fmt"
	"net/http"
	"runtime/debug"
)

// Caught does something, and makes an error of a panic: a defect of ours, as
// *PanicError. What asks net/http to cut the connection goes on.
func Caught(do func() error) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return do()
}

// PanicError is a defect of ours that was run into.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }
