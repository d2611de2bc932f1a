package desk_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/pgtest"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

func TestMain(m *testing.M) {
	pgtest.Durable = false
	pgtest.Main(m)
}

// office is a desk on a store, with a merchant that has one client.
type office struct {
	*testing.T
	*desk.Desk
	owner  desk.Actor
	client paybell.Client
	secret string
}

func newOffice(t *testing.T, open func(keys *store.Keyring, dir string) (*store.DB, error)) *office {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	must(t, err)
	db, err := open(keys, dir)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	o := &office{T: t, Desk: &desk.Desk{DB: db}}
	o.owner = o.merchant()
	o.client, o.secret, err = o.CreateClient(t.Context(), o.owner, desk.NewClient{Name: "shop", Permissions: paybell.AllPermissions})
	must(t, err)
	return o
}

func (o *office) merchant() desk.Actor {
	o.Helper()
	m, err := o.CreateMerchant(context.Background(), "Zoë", "")
	must(o.T, err)
	return desk.Owner(m.ID)
}

func onSQLite(t *testing.T) *office {
	return newOffice(t, func(keys *store.Keyring, dir string) (*store.DB, error) {
		storetest.Blank(t, dir)
		return store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Migrate: true})
	})
}

func onPostgres(t *testing.T) *office {
	return newOffice(t, func(keys *store.Keyring, _ string) (*store.DB, error) {
		return store.OpenPostgres(context.Background(), pgtest.Open(t), store.Options{Keys: keys, Migrate: true})
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *office) wantCode(err error, code paybell.Code) {
	o.Helper()
	if err == nil || paybell.CodeOf(err) != code {
		o.Errorf("got %v, want %s", err, code)
	}
}

// Programs manage neither programs nor tokens, not even of their own merchant,
// whatever they may do otherwise.
func TestPeopleOnly(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	_, _, err := o.CreateAccountToken(ctx, o.owner, "Zoë")
	must(t, err)
	tokens, err := o.AccountTokens(ctx, o.owner)
	must(t, err)
	program := desk.Actor{ClientID: o.client.ID, MerchantID: o.client.MerchantID, Permissions: paybell.AllPermissions, Terms: o.client.Terms}
	for name, try := range map[string]func() error{
		"CreateClient": func() error { _, _, err := o.CreateClient(ctx, program, desk.NewClient{Name: "x"}); return err },
		"Client":       func() error { _, err := o.Client(ctx, program, o.client.ID); return err },
		"Clients":      func() error { _, err := o.Clients(ctx, program); return err },
		"UpdateClient": func() error {
			_, err := o.UpdateClient(ctx, program, o.client.ID, desk.ClientChange{Name: new(string)})
			return err
		},
		"RotateSecret":       func() error { _, err := o.RotateSecret(ctx, program, o.client.ID, 0); return err },
		"CreateAccountToken": func() error { _, _, err := o.CreateAccountToken(ctx, program, "x"); return err },
		"AccountTokens":      func() error { _, err := o.AccountTokens(ctx, program); return err },
		"RevokeAccountToken": func() error { return o.RevokeAccountToken(ctx, program, tokens[0].ID) },
	} {
		if err := try(); err == nil || paybell.CodeOf(err) != paybell.Forbidden || !strings.Contains(err.Error(), "account token") {
			t.Errorf("%s by a program: %v", name, err)
		}
	}
	secrets, _, err := o.Secrets(ctx, o.client.ID)
	must(t, err)
	if !slices.Equal(secrets, []string{o.secret}) {
		t.Error("the secret has changed")
	}
}

func TestAccountTokens(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	for _, name := range []string{"", " \t", strings.Repeat("é", 128)} {
		_, _, err := o.CreateAccountToken(ctx, o.owner, name)
		o.wantCode(err, paybell.Invalid)
	}
	texts := map[string]bool{}
	for range paybell.MaxTokensPerMerchant {
		_, text, err := o.CreateAccountToken(ctx, o.owner, strings.Repeat("é", 127))
		must(t, err)
		texts[text] = true
	}
	if len(texts) != paybell.MaxTokensPerMerchant {
		t.Errorf("%d tokens are different", len(texts))
	}
	_, _, err := o.CreateAccountToken(ctx, o.owner, "one more")
	o.wantCode(err, paybell.Conflict)
	other := o.merchant()
	_, text, err := o.CreateAccountToken(ctx, other, "x")
	must(t, err)
	as := desk.Actor{MerchantID: other.MerchantID, Person: true, Permissions: paybell.AllPermissions, Role: paybell.RoleStaff, Who: "account token x"}
	if a, err := o.Account(ctx, text); err != nil || a != as {
		t.Errorf("the token of %s acts as %+v, %v", other.MerchantID, a, err)
	}

	all, err := o.AccountTokens(ctx, o.owner)
	must(t, err)
	if len(all) != paybell.MaxTokensPerMerchant {
		t.Fatalf("the list has %d", len(all))
	}
	o.wantCode(o.RevokeAccountToken(ctx, other, all[0].ID), paybell.NotFound)
	must(t, o.RevokeAccountToken(ctx, o.owner, all[0].ID))
	o.wantCode(o.RevokeAccountToken(ctx, o.owner, all[0].ID), paybell.NotFound)
	_, _, err = o.CreateAccountToken(ctx, o.owner, "one more")
	must(t, err)
	for _, text := range []string{"", "pbt_", text + "A", text[1:], strings.ToLower(text), "pbt_" + strings.Repeat("A", 52)} {
		_, err := o.Account(ctx, text)
		o.wantCode(err, paybell.Unauthenticated)
	}
}

// Who does not exist is not remembered: a client that is made elsewhere, or let
// in again, can sign at once.
func TestUnknownIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		elsewhere := &desk.Desk{DB: o.DB}
		known := func(id string, want bool) {
			t.Helper()
			secrets, found, err := o.Secrets(t.Context(), id)
			must(t, err)
			if found != want || found != (len(secrets) == 1) {
				t.Errorf("found is %v, with %d secrets; want %v", found, len(secrets), want)
			}
			if _, err := o.Actor(t.Context(), id, netip.Addr{}); want != (err == nil) {
				t.Errorf("may it ask? %v; want %v", err, want)
			}
		}
		set := func(state paybell.ClientState) {
			_, err := elsewhere.UpdateClient(t.Context(), o.owner, o.client.ID, desk.ClientChange{State: &state})
			must(t, err)
		}
		known(strings.Repeat("0", 32), false)
		known("", false)
		set(paybell.ClientDisabled)
		known(o.client.ID, false) // was not asked for before
		set(paybell.ClientActive)
		known(o.client.ID, true)
		set(paybell.ClientDisabled)
		time.Sleep(time.Second - time.Microsecond)
		known(o.client.ID, true) // and not again and again: it was remembered for one second
		time.Sleep(time.Microsecond)
		known(o.client.ID, false)
		set(paybell.ClientActive)
		known(o.client.ID, true)
		set(paybell.ClientDeleted)
		time.Sleep(time.Second)
		known(o.client.ID, false)
		time.Sleep(time.Hour)
		known(o.client.ID, false)
	})
}

// Two who change a client at once both have their way: a client that a person
// has disabled is not let in again by what it says itself at that moment.
func TestNobodyIsOverruled(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { nobodyIsOverruled(onSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { nobodyIsOverruled(onPostgres(t)) })
}

func nobodyIsOverruled(o *office) {
	ctx := o.Context()
	active, disabled, name := paybell.ClientActive, paybell.ClientDisabled, "renamed"
	all := paybell.AllPermissions
	for range 100 {
		_, err := o.UpdateClient(ctx, o.owner, o.client.ID, desk.ClientChange{State: &active, Permissions: &all, Name: &o.client.Name})
		must(o.T, err)
		program := desk.Actor{ClientID: o.client.ID, MerchantID: o.client.MerchantID, Permissions: all}
		var wg sync.WaitGroup
		var errs [3]error
		wg.Go(func() {
			_, errs[0] = o.UpdateClient(ctx, o.owner, o.client.ID, desk.ClientChange{State: &disabled})
		})
		wg.Go(func() { errs[1] = o.RestrictAccess(ctx, program, paybell.CreateInvoice) })
		wg.Go(func() { _, errs[2] = o.UpdateClient(ctx, o.owner, o.client.ID, desk.ClientChange{Name: &name}) })
		wg.Wait()
		for _, err := range errs {
			must(o.T, err)
		}
		c, err := o.Client(ctx, o.owner, o.client.ID)
		must(o.T, err)
		if c.State != disabled || c.Permissions != paybell.CreateInvoice || c.Name != name {
			o.Fatalf("it is %s, called %q, and may %v", c.State, c.Name, c.Permissions.Names())
		}
	}
}

// What was made at the limit stays at the limit, also when many ask at once.
func TestMaxClientsAtOnce(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { maxClientsAtOnce(onSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { maxClientsAtOnce(onPostgres(t)) })
}

func maxClientsAtOnce(o *office) {
	t := o.T
	var wg sync.WaitGroup
	for range 2 * paybell.MaxClientsPerMerchant {
		wg.Go(func() {
			_, _, err := o.CreateClient(t.Context(), o.owner, desk.NewClient{Name: "x"})
			if err != nil && paybell.CodeOf(err) != paybell.Conflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := o.Clients(t.Context(), o.owner)
	must(t, err)
	if len(all) != paybell.MaxClientsPerMerchant {
		t.Errorf("there are %d clients", len(all))
	}
	// The list is cut at the limit, so: one goes, one may come, and no more.
	gone := paybell.ClientDeleted
	_, err = o.UpdateClient(t.Context(), o.owner, o.client.ID, desk.ClientChange{State: &gone})
	must(t, err)
	_, _, err = o.CreateClient(t.Context(), o.owner, desk.NewClient{Name: "x"})
	must(t, err)
	_, _, err = o.CreateClient(t.Context(), o.owner, desk.NewClient{Name: "x"})
	o.wantCode(err, paybell.Conflict)
}

// Of many who ask with one key at once, one makes an invoice, and all hear of
// that one.
func TestOnce(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { once(onSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { once(onPostgres(t)) })
}

func once(o *office) {
	ctx := o.Context()
	bill := paybell.Bill{Currency: "USD", Total: decimal.NewFromInt(10), Breakdown: paybell.Breakdown{Subtotal: decimal.NewFromInt(10)}}
	program := desk.Actor{ClientID: o.client.ID, MerchantID: o.client.MerchantID, Permissions: paybell.AllPermissions, Terms: o.client.Terms}
	for round := range 20 {
		var answers [8]string
		var errs [8]error
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				answer, err := o.CreateInvoiceOnce(ctx, program, desk.NewInvoice{Bill: bill}, desk.Once[paybell.Invoice]{
					Route: "POST /x", Key: strconv.Itoa(round), Body: []byte("{}"),
					Answer: func(inv paybell.Invoice) ([]byte, error) { return []byte(inv.ID), nil },
				})
				answers[i], errs[i] = string(answer), err
			})
		}
		wg.Wait()
		for i, answer := range answers {
			if errs[i] != nil || answer != answers[0] || answer == "" {
				o.Errorf("%q, %v and %q, %v", answer, errs[i], answers[0], errs[0])
			}
		}
	}
	count := func() {
		o.Helper()
		page, err := o.ListInvoices(ctx, program, desk.InvoiceFilter{Limit: 100}, 1)
		must(o.T, err)
		if len(page.Invoices) != 20 {
			o.Errorf("there are %d invoices, want 20", len(page.Invoices))
		}
	}
	count()

	// An answer that cannot be made is no invoice.
	_, err := o.CreateInvoiceOnce(ctx, program, desk.NewInvoice{Bill: bill}, desk.Once[paybell.Invoice]{
		Route: "POST /x", Key: "broken", Body: []byte("{}"),
		Answer: func(paybell.Invoice) ([]byte, error) { return nil, errors.New("broken") },
	})
	if err == nil {
		o.Error("an answer that cannot be made was given")
	}
	count()
}
