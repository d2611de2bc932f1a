package desk

import (
	"errors"

	"github.com/paybell/paybell"
)

// within says of an error in a field where that field stands.
func within(prefix string, err error) error {
	var e *paybell.Error
	if prefix == "" || !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	moved := *e
	moved.Detail, moved.Fields = prefix+e.Detail, map[string]string{}
	for field, what := range e.Fields {
		moved.Fields[prefix+field] = what
	}
	return &moved
}

// inField says that an error is about one field of the input.
func inField(field string, err error) error {
	var e *paybell.Error
	if !errors.As(err, &e) {
		return err
	}
	return paybell.InvalidField(field, "%s", e.Detail)
}
