package dash

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// words is how values are written on every page.
var words = template.FuncMap{
	"asset":    assets.Path,
	"when":     when,
	"ago":      ago,
	"span":     span,
	"short":    short,
	"state":    stateBadge,
	"event":    func(e paybell.Event) string { return e.Wire(0) },
	"price":    price,
	"sentence": sentence,
	"join":     strings.Join,
	"dict":     dict,
	"icon":     icon,
}

var roleNames = map[paybell.Role]string{
	paybell.RoleOwner: "Owner", paybell.RoleStaff: "Staff", paybell.RoleReadOnly: "Read-only",
}

// when writes a moment. With JavaScript it is shown in the viewer's zone.
func when(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format("2006-01-02T15:04:05.000Z"), t.Format("2 Jan 2006 15:04:05 UTC")))
}

// ago is when, shown as the time that has gone by.
func ago(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" data-ago>%s</time>`, t.Format("2006-01-02T15:04:05.000Z"), t.Format("2 Jan 2006 15:04 UTC")))
}

// span is a duration in words: its greatest unit, and the next if that says
// something.
func span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%d.%d s", d/time.Second, d%time.Second/(100*time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	units := []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units[:len(units)-1] {
		if d < u.length {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.length, u.name)
		if rest := d % u.length / units[i+1].length; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
		}
		return text
	}
	return "0 s"
}

// short writes a long id by its ends.
func short(id string) string {
	if len(id) <= 14 {
		return id
	}
	return id[:8] + "…" + id[len(id)-4:]
}

// badge is a word with a colour: good, wait, warn, stop or plain.
type badge struct{ Kind, Text string }

// One name means one thing everywhere, so states of all kinds are in one table.
var stateBadges = map[string]badge{
	"unpaid": {"plain", "Unpaid"}, "pending": {"wait", "Pending"}, "paid": {"info", "Paid"}, "completed": {"good", "Completed"},
	"cancelled": {"plain", "Cancelled"}, "timedOut": {"plain", "Timed out"},
	"delivered": {"good", "Delivered"}, "exhausted": {"stop", "Given up"}, "held": {"warn", "Held"},
	"active": {"good", "Active"}, "paused": {"warn", "Paused"}, "disabled": {"stop", "Disabled"}, "deleted": {"plain", "Deleted"},
	"healthy": {"good", "Healthy"}, "failing": {"stop", "Failing"}, "running": {"wait", "Running"}, "done": {"good", "Done"},
}

// stateBadge is the badge of any of our states.
func stateBadge(v any) badge {
	name := fmt.Sprint(v)
	if b, ok := stateBadges[name]; ok {
		return b
	}
	return badge{"plain", sentenceCase(name)}
}

// sentenceCase writes a name like timedOut as people write: Timed out.
func sentenceCase(name string) string {
	var b strings.Builder
	for i, c := range name {
		switch {
		case i == 0:
			b.WriteString(strings.ToUpper(string(c)))
		case c >= 'A' && c <= 'Z':
			b.WriteString(" " + strings.ToLower(string(c)))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// price writes an amount of a currency, by its id, to be read: 1,234.50 USD.
func price(amount decimal.Decimal, currency string) string {
	if c, found := paybell.FindCurrency(currency); found {
		return thousands(c.Format(amount)) + " " + c.Symbol
	}
	return amount.String()
}

func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "−", s[1:]
	}
	for i := strings.IndexByte(s+".", '.') - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// dict gives a template several values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a key has no value")
	}
	all := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		all[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return all, nil
}
