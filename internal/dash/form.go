package dash

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/paybell/paybell"
)

// complaint is what a form that was sent says when it is shown again.
type complaint struct {
	Wrong string
	Bad   map[string]bool // names of the fields it is about
}

// complain tells in a form's own words what its reader can do about an error;
// labels are what the fields are called there. Wrong is empty for other errors.
func complain(err error, labels map[string]string) (c complaint) {
	c.Wrong = advice(err)
	var ours *paybell.Error
	if c.Wrong == "" || !errors.As(err, &ours) || len(ours.Fields) == 0 {
		return c
	}
	c.Bad = map[string]bool{}
	var texts []string
	for _, field := range slices.Sorted(maps.Keys(ours.Fields)) {
		c.Bad[field] = true
		if label, ok := labels[field]; ok {
			texts = append(texts, sentence(label+": "+ours.Fields[field]))
		}
	}
	if len(texts) == len(ours.Fields) {
		c.Wrong = goingOn.Replace(strings.Join(texts, " "))
	}
	return c
}

// goingOn makes whole sentences of errors that go on from the field's name.
var goingOn = strings.NewReplacer(": is ", " is ", ": has ", " has ", ": must ", " must ", ": holds ", " holds ")
