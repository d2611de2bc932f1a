package api_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// told is the notification of an invoice's event, from its history.
func (r *rig) told(invoice, event string) string {
	r.Helper()
	items := get(r.bench, r.ok(200, r.call(r.shop, "GET", "/api/v1/merchant/invoices/"+invoice+"/history", "")), "items").([]any)
	for _, item := range items {
		if get(r.bench, item, "paybell", "event") == event {
			return get(r.bench, item, "paybell", "notificationId").(string)
		}
	}
	r.Fatalf("%s was not told: %v", event, items)
	return ""
}

// withHook makes an invoice with a webhook of its own.
func (r *rig) withHook(hook string) (invoice, id string) {
	r.Helper()
	body := strings.TrimSuffix(tenUSD, "}") + `,"webhooks":[{"notificationsUrl":"https://in.example/x",` + hook + `}]}`
	invoice = get(r.bench, r.ok(201, r.call(r.shop, "POST", createPath, body)), "invoices", 0, "id").(string)
	list := r.ok(200, r.call(r.shop, "GET", hooksPath(r.shop)+"?invoiceId="+invoice, ""))
	r.same(len(get(r.bench, list, "items").([]any)), "1")
	r.same(get(r.bench, list, "items", 0, "notificationsUrl"), "https://in.example/x")
	return invoice, get(r.bench, list, "items", 0, "id").(string)
}

// Why a webhook was told, or was not.
func TestExplainMatch(t *testing.T) {
	inRig(t, func(r *rig) {
		old := r.invoice(r.shop)
		time.Sleep(time.Second)
		hook := r.hookAt(theURL, "invoiceCreated,invoiceCancelled", "")
		invoice, in := r.withHook(`"notifications":["invoiceCreated","invoiceCancelled"]`)
		another := r.invoice(r.shop)
		created := r.told(invoice, "invoiceCreated")

		s := r.story(hook, created)
		r.wantStory(s, "the webhook asked for invoiceCreated when it happened", "an attempt is due now, or under way")
		for key, want := range map[string]string{"notificationId": created, "event": "invoiceCreated", "invoiceId": invoice, "version": "1", "sequence": "1.1", "state": "pending",
			"outOfOrder": "false", "attempts": "[]", "endpointState": "healthy", "created": time.Now().UTC().Format(time.RFC3339), "due": time.Now().UTC().Format(time.RFC3339)} {
			r.same(key+" "+fmt.Sprint(get(r.bench, s, key)), key+" "+want)
		}
		nothing := func(hook, notification, match string) {
			r.Helper()
			s := r.story(hook, notification)
			r.wantStory(s, match, "nothing")
			for key, want := range map[string]string{"sequence": "<nil>", "state": "<nil>", "due": "<nil>", "attempts": "[]", "outOfOrder": "false", "notificationId": notification} {
				r.same(key+" "+fmt.Sprint(get(r.bench, s, key)), key+" "+want)
			}
		}
		nothing(hook, r.told(old, "invoiceCreated"), "the webhook was made after it happened")
		nothing(in, r.told(another, "invoiceCreated"), "the webhook was given with another invoice, and rings for that one only")
		r.wantStory(r.story(in, created), "the webhook asked for invoiceCreated when it happened", "an attempt is due now")
		r.ok(200, r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+in, `{"notificationsUrl":"`+theURL+`","notifications":["invoiceCreated","invoiceCancelled"]}`))
		r.cancel(invoice)
		nothing(in, r.told(invoice, "invoiceCancelled"), "webhook "+hook+" of the client has the same URL: one delivery is enough")
		nothing(in, r.told(another, "invoiceCreated"), "the webhook was given with another invoice")

		paid := r.paid()
		nothing(hook, r.told(paid, "invoicePaid"), "the webhook does not ask for invoicePaid, but for invoiceCreated,invoiceCancelled")
		r.ok(200, r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+hook, `{"notificationsUrl":"`+theURL+`","notifications":["invoicePaid"]}`))
		nothing(hook, r.told(paid, "invoicePaid"), "the webhook did not ask for it when it happened, or the delivery is older than what is kept")
		r.wantStory(r.story(hook, created), "the webhook asked for invoiceCreated when it happened", "due now") // it did
	})
}

// paid makes an invoice whose money was seen.
func (r *rig) paid() string {
	r.Helper()
	id := get(r.bench, r.ok(201, r.call(r.shop, "POST", createPath, strings.TrimSuffix(tenUSD, "}")+`,"payment":{"paymentCurrency":"LTCT"}}`)), "invoices", 0, "id").(string)
	r.ok(200, r.call(r.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", ""))
	_, err := r.newWatcher(func() {}).Step(r.Context())
	must(r.T, err)
	return id
}

// What happens next with a delivery, in every state that it goes through.
func TestExplainNext(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, `,"retrySchedule":[60,600]`)
		open := make(chan struct{})
		r.shopfront.say(func(visit) response { return response{hold: open, status: 500, body: "no <b>no</b>\x00\xff"} })
		r.run()
		began := time.Now().UTC()
		invoice := r.invoice(r.shop)
		r.cancel(invoice)
		first, second := r.told(invoice, "invoiceCreated"), r.told(invoice, "invoiceCancelled")
		r.wantStory(r.story(hook, first), "", "an attempt is due now, or under way")
		r.wantStory(r.story(hook, second), "", "it waits for number 1.1 of the same invoice")
		r.same(get(r.bench, r.story(hook, second), "due"), "<nil>")
		close(open)
		time.Sleep(time.Second)
		s := r.story(hook, first)
		due := get(r.bench, s, "due").(string)
		r.wantStory(s, "", "the next attempt is due at "+due)
		at, err := time.Parse(time.RFC3339, due)
		must(r.T, err)
		if wait := at.Sub(began); wait < 59*time.Second || wait > 73*time.Second {
			r.Errorf("it is due after %v", wait)
		}
		r.same(get(r.bench, s, "endpointState"), "failing")
		a := get(r.bench, s, "attempts", 0)
		r.same(get(r.bench, a, "failure"), "answered 500")
		r.same(get(r.bench, a, "answer"), "no <b>no</b>??")
		r.same(get(r.bench, a, "status"), "500")
		r.same(get(r.bench, a, "number"), "1")
		started, err := time.Parse(time.RFC3339Nano, get(r.bench, a, "started").(string))
		must(r.T, err)
		if off := started.Sub(began); off < 0 || off > time.Second {
			r.Errorf("it started after %v", off)
		}
		// The endpoint asks to be left alone.
		r.shopfront.say(func(visit) response { return response{status: 429, retryAfter: "1200"} })
		time.Sleep(2 * time.Minute)
		s = r.story(hook, first)
		r.same(get(r.bench, s, "endpointState"), "paused")
		e := get(r.bench, r.status(hook), "endpoint")
		r.same(get(r.bench, e, "failures"), "2")
		r.same(get(r.bench, e, "reason"), "answered 429")
		r.same(get(r.bench, e, "oldestWaiting"), began.Format(time.RFC3339))
		r.wantStory(s, "", "the endpoint asked to be left alone until "+get(r.bench, e, "pausedUntil").(string))
		// It ends.
		r.shopfront.say(always(500))
		time.Sleep(30 * time.Minute)
		r.wantStory(r.story(hook, first), "", "nothing by itself: its schedule is over; it can be resent")
		r.same(get(r.bench, r.story(hook, first), "state"), "exhausted")
		r.same(len(get(r.bench, r.story(hook, first), "attempts").([]any)), "3")
		r.shopfront.say(nil)
		time.Sleep(15 * time.Minute)
		r.wantStory(r.story(hook, second), "", "nothing: it was delivered")
		r.same(get(r.bench, r.story(hook, second), "endpointState"), "healthy")
		r.pause(hook)
		third := r.told(r.invoice(r.shop), "invoiceCreated")
		r.wantStory(r.story(hook, third), "", "it is held until the webhook is enabled")
		r.same(get(r.bench, r.story(hook, third), "due"), "<nil>")
	})
}

// Just enabled, what was held is about to be sent, and the story does not say that
// the webhook has to be enabled.
func TestExplainWhileItIsBroughtBack(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.pause(hook)
		created := r.told(r.invoice(r.shop), "invoiceCreated")
		r.enable(hook, "")
		if next := get(r.bench, r.story(hook, created), "next").(string); strings.Contains(next, "until the webhook is enabled") {
			r.Errorf("a webhook that is enabled, with a job that runs: %q", next)
		}
	})
}

// Skipped is not failed.
func TestExplainSkipped(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.pause(hook)
		created := r.told(r.invoice(r.shop), "invoiceCreated")
		r.enable(hook, `{"missed":"skip"}`)
		r.step()
		s := r.story(hook, created)
		r.same(get(r.bench, s, "state"), "exhausted")
		if next := get(r.bench, s, "next").(string); strings.Contains(next, "schedule is over") {
			r.Errorf("it was never attempted, and %q", next)
		}
	})
}

// A webhook that is told nothing of its own end says why.
func TestExplainItsOwnEnd(t *testing.T) {
	inRig(t, func(r *rig) {
		hook, other := r.hookAt(theURL, every, ""), r.hookAt("https://other.example/", "webhookDisabled", "")
		r.runAll()
		r.shopfront.say(func(v visit) response {
			if v.url == theURL {
				return response{status: 410}
			}
			return response{}
		})
		r.invoice(r.shop)
		time.Sleep(2 * time.Second)
		r.wantStory(r.story(hook, r.pull(other)[0].id), "it is about this webhook itself", "nothing")
	})
}

// One that was not there yet, or did not ask yet, is told that.
func TestExplainNoticesOfBefore(t *testing.T) {
	inRig(t, func(r *rig) {
		r.hookAt(theURL, every, "")
		other := r.hookAt("https://other.example/", "webhookDisabled", "")
		deaf := r.hookAt("https://deaf.example/", "invoicePaid", "")
		r.runAll()
		r.shopfront.say(func(v visit) response {
			if v.url == theURL {
				return response{status: 410}
			}
			return response{}
		})
		r.invoice(r.shop)
		time.Sleep(2 * time.Second)
		notice := r.pull(other)[0].id
		later := r.hookAt("https://later.example/", every, "")
		r.wantStory(r.story(later, notice), "the webhook was made after it happened", "nothing")
		r.wantStory(r.story(deaf, notice), "the webhook does not ask for webhookDisabled, but for invoicePaid", "nothing")
		r.ok(200, r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+deaf, `{"notificationsUrl":"https://deaf.example/","notifications":"webhookDisabled"}`))
		r.wantStory(r.story(deaf, notice), "the webhook did not ask for it when it happened", "nothing")
	})
}

// What was skipped after it had failed is not at the end of its schedule either.
func TestExplainSkippedAfterAttempts(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.shopfront.say(always(500))
		r.runAll()
		created := r.told(r.invoice(r.shop), "invoiceCreated")
		time.Sleep(time.Second)
		r.pause(hook)
		time.Sleep(time.Minute)
		r.enable(hook, `{"missed":"skip"}`)
		time.Sleep(2 * time.Second)
		s := r.story(hook, created)
		r.same(get(r.bench, s, "state"), "exhausted")
		if next := get(r.bench, s, "next").(string); strings.Contains(next, "schedule is over") {
			r.Errorf("it was skipped, and %q", next)
		}
	})
}

// Each part of an attempt has its time, in milliseconds.
func TestExplainTimings(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.shopfront.say(func(visit) response { return response{took: 10 * time.Millisecond, body: strings.Repeat("é", 10_000)} })
		r.run()
		created := r.told(r.invoice(r.shop), "invoiceCreated")
		time.Sleep(time.Second)
		a := get(r.bench, r.story(hook, created), "attempts", 0)
		for key, want := range map[string]string{"dnsMs": "10", "connectMs": "20", "tlsMs": "30", "firstByteMs": "100", "totalMs": "110", "status": "204", "failure": "<nil>"} {
			r.same(key+" "+fmt.Sprint(get(r.bench, a, key)), key+" "+want)
		}
		if answer := get(r.bench, a, "answer").(string); len(answer) != paybell.MaxAnswer {
			r.Errorf("%d bytes are kept", len(answer))
		}
	})
}

// What went wrong is said in a merchant's words.
func TestExplainFailures(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		n := 0
		for says, answer := range map[string]response{
			"answered 404": {status: 404},
			"answered 302, a redirect; redirects are not followed, register the final URL": {status: 302},
			"the name shop.example does not exist":                                         {err: &net.DNSError{Name: "shop.example", IsNotFound: true}},
			"no complete answer within 15s":                                                {hold: make(chan struct{})},
			"broken":                                                                       {err: errors.New("broken")},
		} {
			r.shopfront.say(func(visit) response { return answer })
			r.run()
			r.invoice(r.shop)
			time.Sleep(16 * time.Second)
			r.stop()
			a := get(r.bench, r.story(hook, r.pull(hook)[n].id), "attempts", 0)
			r.same(get(r.bench, a, "failure"), says)
			if answer.status == 0 {
				r.same(get(r.bench, a, "status"), "0")
			}
			r.same(get(r.bench, r.status(hook), "endpoint", "reason"), says)
			r.ok(200, r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/enable", `{"missed":"skip"}`))
			r.step()
			n++
		}
	})
}

// Of what is not there nothing is told, and of what is another's neither.
func TestExplainNothing(t *testing.T) {
	b := newBench(t)
	hook, theirs := b.listener(b.shop), b.listener(b.stranger)
	b.invoice(b.shop, "")
	b.invoice(b.stranger, "")
	path := hooksPath(b.shop) + "/" + hook + "/notifications/"
	own, other := b.kept(hook)[0].NotificationID, b.kept(theirs)[0].NotificationID
	b.want(200, b.shop, "GET", path+own, "")
	b.wantProblem(b.call(b.shop, "GET", path+other, ""), 404, "there is no notification", other)
	b.wantProblem(b.call(b.shop, "GET", path+strings.ToUpper(own), ""), 404)
	b.wantProblem(b.call(b.shop, "GET", path+own[:31], ""), 404)
	b.wantProblem(b.call(b.shop, "GET", hooksPath(b.shop)+"/"+theirs+"/notifications/"+own, ""), 404, "there is no webhook")
	b.wantProblem(b.call(b.shop, "DELETE", path+own, ""), 405)
	b.want(204, b.shop, "DELETE", hooksPath(b.shop)+"/"+hook, "")
	b.wantProblem(b.call(b.shop, "GET", path+own, ""), 404, "there is no webhook")
}

// A webhook given with an invoice can be asked about, paused, enabled, tried and
// resent to, like others.
func TestWebhooksOfInvoicesCanBeAskedAbout(t *testing.T) {
	inRig(t, func(r *rig) {
		invoice, hook := r.withHook(`"notifications":["invoiceCreated","invoiceCancelled"],"retrySchedule":[7]`)
		r.runAll()
		w := r.status(hook)
		r.same(get(r.bench, w, "notificationsUrl"), "https://in.example/x")
		r.same(get(r.bench, w, "paybell", "retrySchedule"), "[7]")
		r.same(get(r.bench, w, "endpoint", "endpoint"), "https://in.example:443")
		time.Sleep(2 * time.Second)
		r.wantStates(hook, "delivered")
		r.pause(hook)
		r.cancel(invoice)
		r.wantStates(hook, "delivered", "held")
		r.enable(hook, "")
		time.Sleep(2 * time.Second)
		r.wantStates(hook, "delivered", "delivered")
		r.wantStory(r.story(hook, r.pull(hook)[1].id), "asked for invoiceCancelled", "it was delivered")
		r.shopfront.forget()
		r.resend(hook, `{"after":0}`)
		time.Sleep(2 * time.Second)
		r.same(r.shopfront.sequences(), "1.1 1.2")
		r.same(get(r.bench, r.ok(200, r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/test", `{"event":"invoicePaid"}`)), "status"), "204")
		r.wantProblem(r.call(r.sibling, "GET", hooksPath(r.sibling)+"/"+hook, ""), 404)
		// It is not one of the client's own.
		r.same(get(r.bench, r.ok(200, r.call(r.shop, "GET", hooksPath(r.shop), "")), "items"), "[]")
		r.shopfront.say(always(500))
		r.ok(204, r.call(r.shop, "DELETE", hooksPath(r.shop)+"/"+hook, ""))
		r.wantProblem(r.call(r.shop, "GET", hooksPath(r.shop)+"/"+hook, ""), 404)
	})
}
