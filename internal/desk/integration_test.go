package desk_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

const formKey = "0123456789ABCDEF0123"

func newIntegration(key, url string, events ...string) desk.NewIntegration {
	return desk.NewIntegration{
		Client: desk.NewClient{Name: "Web shop", Permissions: paybell.AllPermissions}, Hook: desk.NewWebhook{URL: url, Events: events}, Key: key,
	}
}

// A client and its webhook are made together, once for each key of a merchant.
func TestCreateIntegration(t *testing.T) { onBoth(t, createIntegration) }

func createIntegration(o *office) {
	ctx := o.Context()
	user := o.owner
	user.UserID = "somebody"
	c, secret, err := o.CreateIntegration(ctx, user, newIntegration(formKey, "https://shop.example/", "invoicePaid"))
	must(o.T, err)
	if id, ok := paybell.ParseClientID(c.ID); !ok || id != c.ID || c.ID[12] != '4' || len(secret) != 44 {
		o.Errorf("the id is %s, the secret has %d characters", c.ID, len(secret))
	}
	again, none, err := o.CreateIntegration(ctx, user, newIntegration(formKey, "https://other.example/", "invoicePaid"))
	if err != nil || again.ID != c.ID || none != "" {
		o.Errorf("the same again: %s, a secret of %d characters, %v", again.ID, len(none), err)
	}
	other, _, err := o.CreateIntegration(ctx, o.merchant(), newIntegration(formKey, ""))
	if err != nil || other.ID == c.ID {
		o.Errorf("another merchant with the same key: %s, %v", other.ID, err)
	}
	i, err := o.FindIntegration(ctx, user, c.ID)
	must(o.T, err)
	if len(i.Webhooks) != 1 || !i.Webhooks[0].Webhook.CreatedFromUI || i.Webhooks[0].Webhook.URL != "https://shop.example/" || i.Secret == 0 || i.OldSecret {
		o.Errorf("it is %+v", i)
	}

	// Neither without the other, and nothing by those who may not.
	before, err := o.Clients(ctx, o.owner)
	must(o.T, err)
	for name, try := range map[string]struct {
		a    desk.Actor
		in   desk.NewIntegration
		code paybell.Code
	}{
		"a bad URL":   {user, newIntegration(strings.Repeat("a", 20), "shop", "invoicePaid"), paybell.Invalid},
		"no event":    {user, newIntegration(strings.Repeat("b", 20), "https://shop.example/"), paybell.Invalid},
		"no key":      {user, newIntegration("", ""), paybell.Invalid},
		"a short key": {user, newIntegration("0123456789abcde", ""), paybell.Invalid},
		"no name":     {user, desk.NewIntegration{Key: strings.Repeat("c", 20)}, paybell.Invalid},
		"a program":   {o.program(), newIntegration(strings.Repeat("d", 20), ""), paybell.Forbidden},
		"a looker":    {desk.Actor{MerchantID: user.MerchantID, Person: true, Role: paybell.RoleReadOnly}, newIntegration(strings.Repeat("e", 20), ""), paybell.Forbidden},
	} {
		if _, _, err := o.CreateIntegration(ctx, try.a, try.in); paybell.CodeOf(err) != try.code || err == nil {
			o.Errorf("%s: %v", name, err)
		}
	}
	after, err := o.Clients(ctx, o.owner)
	must(o.T, err)
	if len(after) != len(before) {
		o.Errorf("%d clients were made", len(after)-len(before))
	}
}

// A form that is sent many times at once makes one client, and shows one secret.
func TestCreateIntegrationAtOnce(t *testing.T) { onBoth(t, createIntegrationAtOnce) }

func createIntegrationAtOnce(o *office) {
	shown := make(chan string, 8)
	press := func() error {
		_, secret, err := o.CreateIntegration(o.Context(), o.owner, newIntegration(formKey, "https://shop.example/", "invoicePaid"))
		if secret != "" {
			shown <- secret
		}
		return err
	}
	together(o.T, press, press, press, press, press, press, press, press)
	all, err := o.Clients(o.Context(), o.owner)
	must(o.T, err)
	if len(all) != 2 || len(shown) != 1 {
		o.Fatalf("there are %d clients, and %d secrets were shown", len(all), len(shown))
	}
	secrets, _, err := o.Secrets(o.Context(), all[1].ID)
	must(o.T, err)
	if len(secrets) != 1 || secrets[0] != <-shown {
		o.Error("another secret was shown")
	}
}

// Of presses at once one replaces the secret: the old one is good for its overlap.
func TestReplaceSecretAtOnce(t *testing.T) { onBoth(t, replaceSecretAtOnce) }

func replaceSecretAtOnce(o *office) {
	ctx := o.Context()
	i, err := o.FindIntegration(ctx, o.owner, o.client.ID)
	must(o.T, err)
	shown := make(chan string, 8)
	press := func() error {
		secret, err := o.ReplaceSecret(ctx, o.owner, o.client.ID, i.Secret, time.Hour)
		if paybell.CodeOf(err) == paybell.Conflict {
			return nil
		}
		shown <- secret
		return err
	}
	together(o.T, press, press, press, press, press, press, press, press)
	secrets, _, err := o.Secrets(ctx, o.client.ID)
	must(o.T, err)
	if len(shown) != 1 || len(secrets) != 2 || secrets[0] != <-shown || secrets[1] != o.secret {
		o.Errorf("%d were shown, and %d are good", len(shown), len(secrets))
	}
	if i, err = o.FindIntegration(ctx, o.owner, o.client.ID); err != nil || !i.OldSecret {
		o.Errorf("the old one is good? %v, %v", i.OldSecret, err)
	}
	for _, a := range []desk.Actor{o.program(), {MerchantID: o.owner.MerchantID, Person: true, Role: paybell.RoleReadOnly}} {
		_, err = o.ReplaceSecret(ctx, a, o.client.ID, i.Secret, time.Hour)
		o.wantCode(err, paybell.Forbidden)
	}
	_, err = o.ReplaceSecret(ctx, o.merchant(), o.client.ID, i.Secret, time.Hour)
	o.wantCode(err, paybell.NotFound)
	_, err = o.ReplaceSecret(ctx, o.owner, o.client.ID, i.Secret, 31*24*time.Hour)
	o.wantCode(err, paybell.Invalid)
}

// What is counted is what is sent, or skipped.
func TestCountMissed(t *testing.T) { onBoth(t, countMissed) }

func countMissed(o *office) {
	ctx := o.Context()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	count := func() (send, skip int64) {
		o.Helper()
		send, skip, err := o.CountMissed(ctx, o.owner, o.client.ID, w.ID)
		must(o.T, err)
		return send, skip
	}
	o.invoice()
	if send, skip := count(); send != 0 || skip != 0 {
		o.Errorf("while it rings, %d and %d are missed", send, skip)
	}
	_, err := o.PauseWebhook(ctx, o.owner, o.client.ID, w.ID)
	must(o.T, err)
	o.invoice()
	o.invoice()
	send, _ := count()
	job, err := o.EnableWebhook(ctx, o.owner, o.client.ID, w.ID, false)
	must(o.T, err)
	if send < 2 || send != job.Total {
		o.Errorf("to send are %d, and are sent %d", send, job.Total)
	}
	i, err := o.FindIntegration(ctx, o.owner, o.client.ID)
	must(o.T, err)
	if i.Webhooks[0].Job == nil || i.Webhooks[0].Job.ID != job.ID {
		o.Errorf("the job is not shown: %+v", i.Webhooks[0])
	}
	_, err = o.PauseWebhook(ctx, o.owner, o.client.ID, w.ID)
	must(o.T, err)
	_, skip := count()
	job, err = o.EnableWebhook(ctx, o.owner, o.client.ID, w.ID, true)
	must(o.T, err)
	if skip < 2 || skip != job.Total {
		o.Errorf("to skip are %d, and are skipped %d", skip, job.Total)
	}

	// Of an endpoint that is disabled: all its webhooks.
	other := o.hook("https://shop.example/y", "invoiceCreated")
	disable(ctx, o, w)
	o.invoice()
	send, skip = count()
	job, err = o.EnableWebhook(ctx, o.owner, o.client.ID, other.ID, false)
	must(o.T, err)
	if send < 2 || send != job.Total || skip < 2 {
		o.Errorf("to send are %d, to skip %d, and are sent %d", send, skip, job.Total)
	}

	for _, a := range []desk.Actor{o.merchant(), {MerchantID: o.owner.MerchantID, Person: true, Role: paybell.RoleReadOnly, Permissions: paybell.RoleReadOnly.Permissions()}} {
		if _, _, err := o.CountMissed(ctx, a, o.client.ID, w.ID); err == nil {
			o.Error("a stranger counts")
		}
	}
}

// disable lets an endpoint fail for longer than it may.
func disable(ctx context.Context, o *office, w paybell.Webhook) {
	o.Helper()
	o.invoice()
	all := o.pulled(w.ID)
	d := all[len(all)-1]
	began := time.Now().Add(-paybell.DisableAfter - time.Hour)
	for n := 1; ; n++ {
		at := began
		if n >= 10 {
			at = time.Now()
		}
		attempt := paybell.Attempt{WebhookID: w.ID, Number: d.Number, N: n, StartedAt: at, Failure: "answered 500", Status: 500}
		d = d.Next(attempt, paybell.RetrySchedule, 0)
		d.Origin, d.ClientID = w.Origin, w.ClientID
		must(o.T, store.Do(ctx, o.DB, func(tx *store.Tx) error {
			_, err := tx.Record([]store.Result{{Delivery: d, Attempt: attempt, URL: w.URL}}, time.Now())
			return err
		}))
		i, err := o.FindIntegration(ctx, o.owner, o.client.ID)
		must(o.T, err)
		if !i.Webhooks[0].Endpoint.Health.DisabledAt.IsZero() {
			return
		}
		if n > 20 {
			o.Fatalf("it is not disabled: %+v", i.Webhooks[0].Endpoint)
		}
	}
}

// The list shows what is worst first, of one's own only.
func TestIntegrations(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	o.merchant()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	o.hook("https://other.example/x", "invoiceCreated")
	looker := desk.Actor{MerchantID: o.owner.MerchantID, Person: true, Role: paybell.RoleReadOnly}
	line := func() desk.IntegrationLine {
		t.Helper()
		lines, err := o.Integrations(ctx, looker)
		must(t, err)
		if len(lines) != 1 {
			t.Fatalf("there are %d", len(lines))
		}
		return lines[0]
	}
	if l := line(); l.Webhooks != 2 || l.Quiet != 0 || l.Health != paybell.EndpointHealthy {
		t.Errorf("it is %+v", l)
	}
	disable(ctx, o, w)
	_, err := o.PauseWebhook(ctx, o.owner, o.client.ID, w.ID)
	must(t, err)
	if l := line(); l.Webhooks != 2 || l.Quiet != 1 || l.Health != paybell.EndpointDisabled {
		t.Errorf("it is %+v", l)
	}
	_, err = o.Integrations(ctx, o.program())
	o.wantCode(err, paybell.Forbidden)
	_, err = o.FindIntegration(ctx, o.program(), o.client.ID)
	o.wantCode(err, paybell.Forbidden)
	_, err = o.FindIntegration(ctx, o.merchant(), o.client.ID)
	o.wantCode(err, paybell.NotFound)
}
