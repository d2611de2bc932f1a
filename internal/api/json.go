package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/paybell/paybell"
)

// maxDepth is how deep JSON may be nested.
const maxDepth = 64

// reply answers with v as JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	return writeJSON(w, status, "application/json", v)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return write(w, status, contentType, body)
}

// encode writes v as the answers have it.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return body.Bytes(), nil
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone misses nothing
	return nil
}

// decode reads a body, which must be a JSON object, into v. Unknown keys are
// ignored, as CoinPayments does. An error says where the mistake is.
func decode(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return paybell.Errorf(paybell.Invalid, "The body is missing; send a JSON object.")
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	if bytes.TrimSpace(body)[0] != '{' {
		return paybell.Errorf(paybell.Invalid, "The body must be a JSON object.")
	}
	err := json.Unmarshal(body, v)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return paybell.InvalidField(embedded.Replace(e.Field), "must be %s, not %s", kindOf(e.Type), cut(e.Value, 60))
	}
	if err != nil { // nothing of ours fails otherwise on JSON that was checked
		return &paybell.Error{Code: paybell.Invalid, Detail: "The body could not be read.", Err: err}
	}
	return nil
}

// embedded takes the names of embedded structs, which encoding/json puts into the
// path of a field, out of it.
var embedded = strings.NewReplacer("commonBody.", "", "moneyBody.", "")

// decodeOnly is decode for our own routes, which no old client calls: keys other
// than the given are refused, since they are mistakes.
func decodeOnly(body []byte, v any, keys ...string) error {
	var all map[string]json.RawMessage
	if err := decode(body, &all); err != nil {
		return err
	}
	for key := range all {
		if !slices.Contains(keys, key) {
			return paybell.InvalidField(cut(key, 60), "is not known here; known are: %s", strings.Join(keys, ", "))
		}
	}
	return decode(body, v)
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	}
	return "a number"
}

// checkJSON holds text to what all readers of JSON understand alike: one value,
// valid UTF-8, no key twice in an object, not nested deeper than maxDepth. A
// program before us that took the other of two equal keys would see another
// request than we do.
func checkJSON(text []byte) error {
	if at := invalidUTF8(text); at >= 0 {
		return paybell.Errorf(paybell.Invalid, "The body is not valid UTF-8 at byte %d.", at)
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return errSyntax(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	w := walker{}
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = w.step(token)
		}
		if err != nil {
			return errSyntax(err)
		}
	}
}

func invalidUTF8(text []byte) (at int) {
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// errSyntax says where JSON is broken; errors of ours pass.
func errSyntax(err error) error {
	if ours, ok := errors.AsType[*paybell.Error](err); ok {
		return ours
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return paybell.Errorf(paybell.Invalid, "The body is not valid JSON at byte %d: %s.", e.Offset, e.Error())
	}
	return &paybell.Error{Code: paybell.Invalid, Detail: "The body is not valid JSON.", Err: err}
}

// walker goes through the tokens of valid JSON and remembers the way to where
// it is.
type walker []level

// level is an object or a list that is not closed yet.
type level struct {
	keys  map[string]bool // nil for a list
	key   string          // that was read last
	value bool            // that key's value comes next
	index int             // of the next element of a list
}

func (w *walker) step(token json.Token) error {
	d, isDelim := token.(json.Delim)
	if isDelim && (d == '}' || d == ']') {
		*w = (*w)[:len(*w)-1]
		return nil
	}
	if top := w.top(); top != nil {
		switch {
		case top.keys == nil:
			top.index++
		case top.value:
			top.value = false
		default:
			return w.read(token.(string))
		}
	}
	if !isDelim {
		return nil
	}
	if len(*w) == maxDepth {
		return paybell.Errorf(paybell.Invalid, "The body is nested deeper than %d levels, at %s.", maxDepth, cut(w.String(), 200))
	}
	next := level{}
	if d == '{' {
		next.keys = map[string]bool{}
	}
	*w = append(*w, next)
	return nil
}

// read takes the next key of an object.
func (w *walker) read(key string) error {
	top := w.top()
	top.key, top.value = key, true
	key = w.folded(key)
	if top.keys[key] {
		return paybell.Errorf(paybell.Invalid, "The key %s is there twice in one object.", cut(w.String(), 200))
	}
	top.keys[key] = true
	return nil
}

// folded is the key as encoding/json compares it with our fields: Amount and
// amount are one. What the merchant keeps with us is not compared with anything.
func (w *walker) folded(key string) string {
	if first := (*w)[0].key; len(*w) > 1 && (first == "customData" || first == "metadata") {
		return key
	}
	return strings.ToUpper(strings.ToLower(key))
}

func (w *walker) top() *level {
	if len(*w) == 0 {
		return nil
	}
	return &(*w)[len(*w)-1]
}

// String is the way to the present value: items[2].name.
func (w *walker) String() string {
	var b strings.Builder
	for i, l := range *w {
		switch {
		case l.keys == nil:
			fmt.Fprintf(&b, "[%d]", l.index-1)
		case i == 0:
			b.WriteString(l.key)
		default:
			b.WriteString("." + l.key)
		}
	}
	return b.String()
}
