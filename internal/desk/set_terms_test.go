package desk_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func TestSetTerms(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	terms := paybell.Terms{Window: 15 * time.Minute, Lifetime: 48 * time.Hour, Tolerance: 125, AcceptLate: true}
	old := o.invoice()
	must1(o.Actor(ctx, o.client.ID, netip.Addr{})) // is remembered
	_, err := o.SetTerms(ctx, o.owner, o.client.ID, terms)
	must(t, err)
	changed := must1(o.Client(ctx, o.owner, o.client.ID))
	want := o.client
	want.Terms = terms
	if changed.Terms != terms || changed.Name != want.Name || changed.Permissions != want.Permissions {
		t.Errorf("the client is %+v", changed)
	}
	if actor := must1(o.Actor(ctx, o.client.ID, netip.Addr{})); actor.Terms != terms {
		t.Errorf("the client goes on with %+v", actor.Terms)
	}
	if inv := o.read(old); inv.Window != paybell.DefaultTerms.Window || inv.AcceptLate {
		t.Errorf("an invoice of before has %v", inv.Window)
	}

	good := paybell.Terms{Window: desk.MinWindow, Lifetime: desk.MinWindow}
	for _, change := range []func(*paybell.Terms){
		func(t *paybell.Terms) { t.Window = 0 },
		func(t *paybell.Terms) { t.Window = desk.MinWindow - time.Second },
		func(t *paybell.Terms) { t.Window, t.Lifetime = desk.MaxWindow+time.Second, 48*time.Hour },
		func(t *paybell.Terms) { t.Lifetime = t.Window - time.Second },
		func(t *paybell.Terms) { t.Lifetime = desk.MaxLifetime + time.Second },
		func(t *paybell.Terms) { t.Lifetime += time.Millisecond },
		func(t *paybell.Terms) { t.Tolerance = -1 },
		func(t *paybell.Terms) { t.Tolerance = desk.MaxTolerance + 1 },
	} {
		bad := good
		change(&bad)
		_, err := o.SetTerms(ctx, o.owner, o.client.ID, bad)
		o.wantCode(err, paybell.Invalid)
	}
	looker := o.owner
	looker.Role, looker.Permissions = paybell.RoleReadOnly, paybell.RoleReadOnly.Permissions()
	for _, a := range []desk.Actor{o.program(), looker} {
		_, err := o.SetTerms(ctx, a, o.client.ID, good)
		o.wantCode(err, paybell.Forbidden)
	}
	_, err = o.SetTerms(ctx, o.merchant(), o.client.ID, good)
	o.wantCode(err, paybell.NotFound)

	// Setting what is set is nothing that was done.
	for _, t := range []paybell.Terms{terms, good, good} {
		_, err := o.SetTerms(ctx, o.owner, o.client.ID, t)
		must(o.T, err)
	}
	log := must1(o.AuditLog(ctx, o.owner, "", 100))
	var told []string
	for _, e := range log {
		if e.Action == "setTerms" && e.Subject == o.client.ID {
			told = append(told, e.Detail)
		}
	}
	if len(told) != 2 || told[1] != "window 15m, lifetime 48h, tolerance 1.25 %, late money accepted" || told[0] != "window 5m, lifetime 5m, tolerance 0.00 %, late money by hand" {
		t.Errorf("the log says %q", told)
	}
}
