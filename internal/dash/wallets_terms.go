package dash

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// termsForm is by which terms a client's invoices are made.
type termsForm struct {
	complaint
	Client           paybell.Client
	Window, Lifetime length
	Percent          string // that may be missing
	AcceptLate       bool
}

// length is a time as people write it: a number of units.
type length struct{ N, Unit string }

var lengthUnits = []struct {
	name   string
	length time.Duration
}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}}

// Units are those that can be chosen. Seconds are only for what is in seconds.
func (l length) Units() []string {
	if l.Unit == "seconds" {
		return []string{"seconds", "minutes", "hours", "days"}
	}
	return []string{"minutes", "hours", "days"}
}

// newLength writes d in the greatest unit that it has a whole number of; of a single
// day, in hours.
func newLength(d time.Duration) length {
	for _, u := range lengthUnits {
		if d%u.length == 0 && d/u.length > 0 && (u.name != "days" || d > u.length) {
			return length{strconv.FormatInt(int64(d/u.length), 10), u.name}
		}
	}
	return length{strconv.FormatInt(int64(d/time.Second), 10), "seconds"}
}

// read is the time that l says. Numbers with a point are fine where they give whole
// seconds.
func (l length) read(field string) (time.Duration, error) {
	n, err := paybell.ParseAmount(strings.Replace(l.N, ",", ".", 1))
	if err != nil {
		return 0, paybell.InvalidField(field, "is not a number: write digits, like 60")
	}
	for _, u := range lengthUnits {
		if u.name != l.Unit {
			continue
		}
		d := n.Mul(decimal.NewFromInt(int64(u.length)))
		if d.GreaterThan(decimal.NewFromInt(int64(desk.MaxLifetime))) {
			return desk.MaxLifetime + time.Second, nil // too long in any case
		}
		return time.Duration(d.IntPart()).Truncate(time.Second), nil
	}
	return 0, paybell.InvalidField(field, "choose minutes, hours or days")
}

// percent writes basis points: 125 is 1.25.
func percent(basisPoints int) string { return decimal.New(int64(basisPoints), -2).String() }

// readPercent reads what percent writes, also with a comma.
func readPercent(field, text string) (basisPoints int, err error) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "%"))
	n, err := paybell.ParseAmount(strings.Replace(text, ",", ".", 1))
	if err != nil {
		return 0, paybell.InvalidField(field, "is not a percentage: write digits, like 0.5")
	}
	n = n.Shift(2)
	if !n.IsInteger() {
		return 0, paybell.InvalidField(field, "has more than two digits after the point")
	}
	return int(decimal.Min(n, decimal.NewFromInt(desk.MaxTolerance+1)).IntPart()), nil
}

func (s *Server) askTerms(ctx context.Context, r *request) (view, error) {
	if err := mayChange(r); err != nil {
		return view{}, err
	}
	c, err := s.Desk.Client(ctx, r.Person.Actor(), r.PathValue("client"))
	if err != nil {
		return view{}, err
	}
	return s.walletsWith(ctx, r, "wallets_terms.html", &termsForm{
		Client: c, Window: newLength(c.Terms.Window), Lifetime: newLength(c.Terms.Lifetime), Percent: percent(c.Terms.Tolerance), AcceptLate: c.Terms.AcceptLate,
	})
}

var termsLabels = map[string]string{"window": "Payment window", "lifetime": "Lifetime", "tolerance": "Tolerance"}

func (s *Server) setTerms(w http.ResponseWriter, r *request) error {
	if err := mayChange(r); err != nil {
		return err
	}
	c, err := s.Desk.Client(r.Context(), r.Person.Actor(), r.PathValue("client"))
	if err != nil {
		return err
	}
	f := termsForm{
		Client: c, Window: length{r.field("window"), r.field("windowUnit")}, Lifetime: length{r.field("lifetime"), r.field("lifetimeUnit")},
		Percent: r.field("tolerance"), AcceptLate: r.field("late") != "",
	}
	t, err := f.read()
	if err == nil {
		_, err = s.Desk.SetTerms(r.Context(), r.Person.Actor(), c.ID, t)
	}
	if f.complaint = complain(err, termsLabels); f.Wrong != "" {
		v, err := s.walletsWith(r.Context(), r, "wallets_terms.html", &f)
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return done(w, "/dash/wallets", "The terms of "+c.Name+" are saved. They hold for invoices that are made from now on.")
}

// read is the terms that the form says.
func (f termsForm) read() (t paybell.Terms, err error) {
	if t.Window, err = f.Window.read("window"); err != nil {
		return t, err
	}
	if t.Lifetime, err = f.Lifetime.read("lifetime"); err != nil {
		return t, err
	}
	t.Tolerance, err = readPercent("tolerance", f.Percent)
	t.AcceptLate = f.AcceptLate
	return t, err
}

// Tolerance is what may be missing of a client's invoices, in words.
func (walletsPage) Tolerance(t paybell.Terms) string {
	if t.Tolerance == 0 {
		return "None"
	}
	return percent(t.Tolerance) + " %"
}
