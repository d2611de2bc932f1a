package api_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
)

// A webhook that answers 410 is disabled at once; the client's others are told,
// in a notification like any other, and enabling brings what was missed.
func TestGoneDisablesAWebhook(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		other := r.hookAt("https://other.example/", "webhookDisabled", "")
		same := r.hookAt("https://shop.example/same-server", "invoiceCreated", "")
		deaf := r.hookAt("https://deaf.example/", "invoiceCancelled", "")
		r.runAll()
		r.shopfront.say(func(v visit) response {
			if v.url == theURL {
				return response{status: 410, body: "it was here"}
			}
			return response{}
		})
		invoice := r.invoice(r.shop)
		time.Sleep(2 * time.Second)
		at := time.Now().Add(-2 * time.Second).UTC().Format(time.RFC3339)
		w := r.status(hook)
		r.same(get(r.bench, w, "paybell", "state"), "disabled")
		r.same(get(r.bench, w, "paybell", "reason"), "answered 410: nothing is there any more, so the webhook is disabled")
		r.same(get(r.bench, w, "paybell", "since"), at)
		r.same(get(r.bench, w, "endpoint", "disabledAt"), "<nil>") // its neighbour rings on
		r.same(get(r.bench, r.status(same), "paybell", "state"), "active")
		for _, list := range get(r.bench, r.ok(200, r.call(r.shop, "GET", hooksPath(r.shop), "")), "items").([]any) {
			if state := get(r.bench, list, "paybell", "state"); (state == "disabled") != (get(r.bench, list, "id") == hook) {
				r.Errorf("listed: %v", list)
			}
		}
		// It was asked once, and holds that. Its end is told to others only.
		r.wantStates(hook, "held")
		r.wantStory(r.story(hook, r.pull(hook)[0].id), "asked for invoiceCreated", "held until the webhook is enabled")
		r.wantStates(same, "delivered")
		r.wantStates(deaf)
		told := r.pull(other)
		if len(told) != 1 || told[0].event != "WebhookDisabled" || told[0].state != "delivered" {
			r.Fatalf("the other was told %+v", told)
		}
		about := get(r.bench, r.decode(answer{body: []byte(told[0].body)}), "webhook")
		r.same(get(r.bench, about, "ids"), "["+hook+"]")
		r.same(get(r.bench, about, "endpoint"), "https://shop.example:443")
		r.same(get(r.bench, about, "merchantClientId"), paybell.DashedClientID(r.shop.id))
		r.same(get(r.bench, about, "failingSince"), "<nil>")
		if strings.Contains(told[0].body, "shop.example/") {
			r.Errorf("the notice holds a URL: %s", told[0].body)
		}
		r.wantSigned(r.visitOf(told[0].id), r.shop.secret, "https://other.example/")
		r.wantStory(r.story(other, told[0].id), "asked for webhookDisabled", "it was delivered")
		r.same(get(r.bench, r.story(other, told[0].id), "invoiceId"), "<nil>")

		r.cancel(invoice)
		time.Sleep(5 * time.Minute)
		r.wantStates(hook, "held", "held")
		r.shopfront.say(nil)
		r.shopfront.forget()
		job := r.enable(hook, "")
		r.wantJob(job, "missed", "running", "0", "2")
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered", "delivered")
		r.wantJob(r.job(get(r.bench, job, "id")), "missed", "finished", "2", "2")
		r.same(r.shopfront.sequences(), "1.1 1.2")
		w = r.status(hook)
		r.same(get(r.bench, w, "paybell", "state"), "active")
		r.same(get(r.bench, w, "paybell", "reason"), "<nil>")
	})
}

// visitOf is the request that brought a notification.
func (r *rig) visitOf(id string) visit {
	r.Helper()
	for _, v := range r.shopfront.visits() {
		if v.id == id {
			return v
		}
	}
	r.Fatalf("%s did not come", id)
	return visit{}
}

// days lets days pass of which a server runs a moment twice a day, so that what
// is due is attempted. A server that runs all that time would do the same, and
// ask its store half a million times.
func (r *rig) days(n int) {
	r.Helper()
	for range 2 * n {
		time.Sleep(12*time.Hour - 5*time.Second)
		r.run()
		time.Sleep(5 * time.Second)
		r.stop()
	}
}

// halfDays is a schedule of 16 days.
const halfDays = `,"retrySchedule":[43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,
	43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200,43200]`

// failDays lets an endpoint fail for so long that it is disabled. It has two
// webhooks; one elsewhere is told.
func (r *rig) failDays() (hook, neighbour, other, invoice string) {
	r.Helper()
	hook = r.hookAt(theURL, every, halfDays)
	neighbour = r.hookAt("https://shop.example/same-server", "invoiceCreated", halfDays)
	other = r.hookAt("https://other.example/", "webhookDisabled", "")
	r.shopfront.say(func(v visit) response {
		if strings.HasPrefix(v.url, "https://other.example/") {
			return response{}
		}
		return response{status: 500}
	})
	r.run()
	r.invoice(r.shop)
	time.Sleep(5 * time.Second)
	r.stop()
	r.days(6)
	invoice = r.invoice(r.shop) // which lives for a week
	r.days(4)
	return hook, neighbour, other, invoice
}

// An endpoint on which nothing succeeded for five days is disabled, loudly, with
// all its webhooks; enabling one of them brings what all of them missed.
func TestFiveDaysDisableAnEndpoint(t *testing.T) {
	inRig(t, func(r *rig) {
		began := time.Now().UTC()
		hook, neighbour, other, invoice := r.failDays()
		r.cancel(invoice)
		r.days(2)
		told := r.pull(other)
		if len(told) != 1 || told[0].event != "WebhookDisabled" || told[0].state != "delivered" {
			r.Fatalf("the other was told %+v", told)
		}
		about := get(r.bench, r.decode(answer{body: []byte(told[0].body)}), "webhook")
		if ids := fmt.Sprint(get(r.bench, about, "ids")); !strings.Contains(ids, hook) || !strings.Contains(ids, neighbour) || strings.Contains(ids, other) {
			r.Errorf("it was told of %s", ids)
		}
		r.same(get(r.bench, about, "reason"), "answered 500")
		r.same(get(r.bench, about, "failingSince"), fmt.Sprint(began.Unix()))
		for _, id := range []string{hook, neighbour} {
			w := r.status(id)
			r.same(get(r.bench, w, "paybell", "state"), "active") // the endpoint is what does not ring
			e := get(r.bench, w, "endpoint")
			r.same(get(r.bench, e, "state"), "disabled")
			r.same(get(r.bench, e, "reason"), "answered 500")
			r.same(get(r.bench, e, "failingSince"), began.Format(time.RFC3339))
			disabled, err := time.Parse(time.RFC3339, get(r.bench, e, "disabledAt").(string))
			must(r.T, err)
			if after := disabled.Sub(began); after < paybell.DisableAfter-time.Second || after > paybell.DisableAfter+25*time.Hour {
				r.Errorf("it was disabled after %v", after)
			}
			r.wantProblem(r.call(r.shop, "POST", hooksPath(r.shop)+"/"+id+"/resend", `{"after":0}`), 409, "enable it first")
			r.same(get(r.bench, r.story(id, r.pull(id)[0].id), "endpointState"), "disabled")
			r.wantStory(r.story(id, r.pull(id)[0].id), "asked for invoiceCreated", "held until")
		}
		list := get(r.bench, r.ok(200, r.call(r.shop, "GET", "/api/v1/merchant/clients/"+r.shop.id+"/endpoints", "")), "items")
		r.same(get(r.bench, list, 0, "endpoint"), "https://shop.example:443") // who is unwell comes first
		r.same(get(r.bench, list, 1, "endpoint"), "https://other.example:443")
		r.same(len(list.([]any)), "2")

		r.shopfront.say(nil)
		r.shopfront.forget()
		job := r.enable(neighbour, "")
		r.same(get(r.bench, job, "webhookId"), "<nil>") // all of them
		r.same(get(r.bench, job, "endpoint"), "https://shop.example:443")
		r.runAll()
		time.Sleep(time.Minute)
		r.wantStates(neighbour, "delivered", "delivered")
		for _, n := range r.pull(hook) {
			r.same(n.state, "delivered")
		}
		r.wantJob(r.job(get(r.bench, job, "id")), "missed", "finished", "", "")
		for _, id := range []string{hook, neighbour} {
			e := get(r.bench, r.status(id), "endpoint")
			r.same(get(r.bench, e, "state"), "healthy")
			r.same(get(r.bench, e, "failures"), "0")
			r.same(get(r.bench, e, "failingSince"), "<nil>")
		}
		if visits := r.shopfront.visits(); len(visits) != 3+2 { // two created, one cancelled; the neighbour heard of the first two
			r.Errorf("%d came: %s", len(visits), r.shopfront.sequences())
		}
	})
}

// The job of a whole endpoint says how much there is to do, like every other.
func TestEnabledEndpointCounts(t *testing.T) {
	inRig(t, func(r *rig) {
		hook, _, _, _ := r.failDays()
		r.days(2)
		r.shopfront.say(nil)
		job := r.enable(hook, "")
		r.runAll()
		time.Sleep(time.Minute)
		after := r.job(get(r.bench, job, "id"))
		if get(r.bench, after, "total") != get(r.bench, after, "done") {
			r.Errorf("done of total: %v", after)
		}
	})
}

// What an endpoint missed can be skipped, too.
func TestEnabledEndpointSkips(t *testing.T) {
	inRig(t, func(r *rig) {
		hook, neighbour, _, invoice := r.failDays()
		r.days(2)
		r.shopfront.say(nil)
		r.shopfront.forget()
		job := r.enable(hook, `{"missed":"skip"}`)
		for range 5 { // before anything is sent
			time.Sleep(time.Second)
			r.step()
		}
		r.runAll()
		time.Sleep(time.Minute)
		r.wantJob(r.job(get(r.bench, job, "id")), "skip", "finished", "", "")
		r.wantStates(neighbour, "exhausted", "exhausted")
		r.same(len(r.shopfront.visits()), "0")
		r.cancel(invoice)
		time.Sleep(time.Second)
		r.same(r.shopfront.sequences(), "1."+fmt.Sprint(len(r.pull(hook))))
	})
}

// The merchant's server has moved: the webhook is given its new URL. It rings
// there, and nothing that was held for the old one is lost or in the way.
func TestMovedAwayFromADisabledEndpoint(t *testing.T) {
	inRig(t, func(r *rig) {
		hook, _, _, invoice := r.failDays()
		r.days(2)
		r.shopfront.say(nil)
		r.runAll()
		r.ok(200, r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+hook, `{"notificationsUrl":"https://new.example/","notifications":"`+every+`"}`))
		r.same(get(r.bench, r.status(hook), "paybell", "state"), "active")
		r.same(get(r.bench, r.status(hook), "endpoint", "state"), "healthy")
		time.Sleep(time.Minute)
		r.cancel(invoice)
		time.Sleep(time.Minute)
		for _, n := range r.pull(hook) {
			if n.state != "delivered" {
				r.Errorf("%s %s is %s: %v", n.sequence, n.event, n.state, get(r.bench, r.story(hook, n.id), "next"))
			}
		}
	})
}

// A webhook that was paused before its endpoint was disabled has missed what came
// in that time, too.
func TestEnabledWhatWasPausedAndDisabled(t *testing.T) {
	inRig(t, func(r *rig) {
		early := r.hookAt("https://shop.example/early", every, "")
		r.pause(early)
		r.invoice(r.shop)
		time.Sleep(time.Hour)
		r.failDays()
		r.days(2)
		r.shopfront.say(nil)
		r.enable(early, "")
		r.runAll()
		time.Sleep(5 * time.Minute)
		for _, n := range r.pull(early) {
			if n.state != "delivered" {
				r.Errorf("%s %s is %s: %v", n.sequence, n.event, n.state, get(r.bench, r.story(early, n.id), "next"))
			}
		}
	})
}

// An endpoint that asked to be left alone and was disabled is asked at once when
// somebody enables it.
func TestEnabledBeforeItWantsToBeAsked(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, halfDays)
		r.shopfront.say(func(visit) response { return response{status: 503, retryAfter: "86400"} })
		r.run()
		r.invoice(r.shop)
		time.Sleep(5 * time.Second)
		e := get(r.bench, r.status(hook), "endpoint")
		r.same(get(r.bench, e, "state"), "paused")
		until := time.Now().Add(24*time.Hour - 5*time.Second).UTC().Format(time.RFC3339)
		r.same(get(r.bench, e, "pausedUntil"), until)
		r.wantStory(r.story(hook, r.pull(hook)[0].id), "", "asked to be left alone until "+until)
		r.stop()
		for range 12 {
			time.Sleep(24*time.Hour - 5*time.Second)
			r.run()
			time.Sleep(5 * time.Second)
			r.stop()
		}
		r.same(get(r.bench, r.status(hook), "endpoint", "state"), "disabled")
		r.shopfront.say(nil)
		r.runAll()
		r.shopfront.forget()
		r.enable(hook, "")
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered")
	})
}

// The dispatcher that saw an endpoint ask for a pause lets it be asked when a
// person enables it, without a restart.
func TestEnabledWhileTheDispatcherRemembersAPause(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, halfDays)
		r.shopfront.say(func(visit) response { return response{status: 503, retryAfter: "86400"} })
		r.run()
		r.invoice(r.shop)
		time.Sleep(5 * time.Second)
		r.stop()
		for range 9 {
			time.Sleep(24*time.Hour - 5*time.Second)
			r.run()
			time.Sleep(5 * time.Second)
			if get(r.bench, r.status(hook), "endpoint", "state") == "disabled" {
				break
			}
			r.stop()
		}
		r.same(get(r.bench, r.status(hook), "endpoint", "state"), "disabled")
		r.shopfront.say(nil) // and the dispatcher goes on running
		r.shopfront.forget()
		time.Sleep(time.Minute)
		r.invoice(r.shop)
		time.Sleep(time.Minute)
		r.enable(hook, "")
		r.step()
		time.Sleep(10 * time.Minute)
		if got := r.pull(hook)[1]; got.state != "delivered" {
			r.Errorf("ten minutes after it was enabled it is %s: %v, the endpoint is %v", got.state, get(r.bench, r.story(hook, got.id), "next"), get(r.bench, r.status(hook), "endpoint"))
		}
	})
}

// Enabling an endpoint does not let what waits for its next attempt wait for it.
func TestEnabledBringsWhatWaits(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, halfDays)
		r.hookAt("https://shop.example/more", every, halfDays) // so that there are failures enough
		r.shopfront.say(always(500))
		r.run()
		r.invoice(r.shop)
		time.Sleep(5 * time.Second)
		r.stop()
		for get(r.bench, r.status(hook), "endpoint", "state") != "disabled" {
			r.days(1)
		}
		r.wantStates(hook, "pending")
		r.shopfront.say(nil)
		r.runAll()
		r.enable(hook, "")
		time.Sleep(10 * time.Minute)
		r.wantStates(hook, "delivered")
	})
}

// An endpoint that only rang for webhooks given with invoices is enabled by its
// name.
func TestEnableAnEndpoint(t *testing.T) {
	inRig(t, func(r *rig) {
		r.shopfront.say(always(500))
		_, hook := r.withHook(`"notifications":["invoiceCreated"]` + halfDays)
		r.run()
		time.Sleep(5 * time.Second)
		r.stop()
		r.days(11)
		endpoints := "/api/v1/merchant/clients/" + r.shop.id + "/endpoints"
		list := r.ok(200, r.call(r.shop, "GET", endpoints, ""))
		r.same(get(r.bench, list, "items", 0, "state"), "disabled")
		origin := get(r.bench, list, "items", 0, "endpoint").(string)
		r.same(origin, "https://in.example:443")
		for _, other := range []string{"https://in.example", "https://IN.example:443", "https://shop.example:443", "x", "", origin + "/", strings.Repeat("x", 100_000)} {
			a := r.call(r.shop, "POST", endpoints+"/enable", `{"endpoint":"`+other+`"}`)
			r.wantProblem(a, 409, "is not disabled", "GET .../endpoints")
			if len(a.body) > 2000 {
				r.Errorf("the problem has %d bytes", len(a.body))
			}
		}
		r.shopfront.say(nil)
		r.shopfront.forget()
		job := r.ok(200, r.call(r.shop, "POST", endpoints+"/enable", `{"endpoint":"`+origin+`"}`))
		r.wantJob(job, "missed", "running", "0", "1")
		r.same(get(r.bench, job, "webhookId"), "<nil>")
		r.runAll()
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered")
		r.wantProblem(r.call(r.shop, "POST", endpoints+"/enable", `{"endpoint":"`+origin+`"}`), 409, "is not disabled")
	})
}

// Pressed again, since the answer was lost, it says the same again.
func TestEnableAnEndpointTwice(t *testing.T) {
	b := newBench(t)
	b.disableEndpoint(b.shop, "https://shop.example:443")
	path := "/api/v1/merchant/clients/" + b.shop.id + "/endpoints/enable"
	first := b.want(200, b.shop, "POST", path, `{"endpoint":"https://shop.example:443"}`)
	again := b.want(200, b.shop, "POST", path, `{"endpoint":"https://shop.example:443"}`)
	b.same(get(b, again, "id"), get(b, first, "id").(string))
}

func TestHostileEndpoints(t *testing.T) {
	b := newBench(t)
	b.disableEndpoint(b.shop, "https://shop.example:443")
	before := b.facts(b.invoice(b.shop, ""))
	path := "/api/v1/merchant/clients/" + b.shop.id + "/endpoints/enable"
	for _, body := range append([]string{"", "null"}, hostileBodies...) {
		status := 400
		if body != "" && body != "null" && body[0] != '{' && body[0] != '[' {
			status = 401
		}
		b.wantProblem(b.call(b.shop, "POST", path, body), status)
	}
	for _, value := range []string{"true", "{}", "[]", `["x"]`} {
		b.wantField(b.call(b.shop, "POST", path, `{"endpoint":`+value+`}`), "endpoint")
	}
	for _, value := range []string{"1", `"x"`, `"skip\u0000"`} {
		b.wantField(b.call(b.shop, "POST", path, `{"endpoint":"https://shop.example:443","missed":`+value+`}`), "missed")
	}
	for _, body := range []string{"{}", `{"endpoint":null}`, `{"endpoint":""}`, `{"endpoint":5}`, `{"endpoint":"\u0000"}`, `{"missed":"skip"}`, `{"endpoint":"' OR 1=1 --"}`} {
		if a := b.call(b.shop, "POST", path, body); a.status != 400 && a.status != 409 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	after := b.facts(b.invoice(b.shop, ""))
	if strings.Count(after, "disabledAt\":\"") != strings.Count(before, "disabledAt\":\"") || strings.Contains(after, "running") {
		t.Errorf("something was changed: %s", after)
	}
}

// A mistake is named as the client wrote it.
func TestEnableAnEndpointNamesItsFields(t *testing.T) {
	b := newBench(t)
	path := "/api/v1/merchant/clients/" + b.shop.id + "/endpoints/enable"
	for _, value := range []string{"true", "{}", "[]"} {
		b.wantField(b.call(b.shop, "POST", path, `{"endpoint":"https://shop.example:443","missed":`+value+`}`), "missed")
	}
}

// Those given with an invoice are listed by its id, and by nobody else's.
func TestWebhooksOfAnInvoice(t *testing.T) {
	b := newBench(t)
	own := b.webhook(b.shop)
	id := b.invoice(b.shop, `,"webhooks":[`+hookBody+`,{"notificationsUrl":"https://two.example/","notifications":["invoiceCreated"]}]`)
	for _, version := range bothVersions {
		path := "/api/" + version + "/merchant/clients/" + b.shop.id + "/webhooks?invoiceId="
		b.same(len(get(b, b.want(200, b.shop, "GET", path+id, ""), "items").([]any)), "2")
		b.same(len(get(b, b.want(200, b.shop, "GET", path+strings.ToUpper(id), ""), "items").([]any)), "2")
		b.same(get(b, b.want(200, b.shop, "GET", path+id+"&type=invoiceCreated", ""), "items", 0, "notificationsUrl"), "https://two.example/")
		b.same(get(b, b.want(200, b.shop, "GET", path+b.invoice(b.shop, ""), ""), "items"), "[]")
		b.same(get(b, b.want(200, b.shop, "GET", path, ""), "items", 0, "id"), own)
		for _, bad := range []string{"x", "%00", "..", id + "x", strings.Repeat("0", 10_000)} {
			b.wantField(b.call(b.shop, "GET", path+bad, ""), "invoiceId")
		}
		for _, other := range []client{b.sibling, b.stranger} {
			b.same(get(b, b.want(200, other, "GET", "/api/"+version+"/merchant/clients/"+other.id+"/webhooks?invoiceId="+id, ""), "items"), "[]")
		}
	}
}

// A 410 of the old URL says nothing of the new one: the webhook rings on, and what
// was on the wire goes there.
func TestGoneWhereItWas(t *testing.T) {
	inRig(t, func(r *rig) {
		for _, url := range []string{"https://new.example/", "https://shop.example/new"} {
			hook := r.hookAt(theURL, every, "")
			r.runAll()
			open := make(chan struct{})
			r.shopfront.say(func(v visit) response {
				if v.url == theURL {
					return response{hold: open, status: 410}
				}
				return response{}
			})
			invoice := r.invoice(r.shop)
			synctest.Wait()
			a := r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+hook, `{"notificationsUrl":"`+url+`","notifications":"`+every+`"}`)
			r.ok(200, a)
			r.same(a.header.Get("Paybell-In-Flight"), "1")
			r.cancel(invoice)
			time.Sleep(2 * time.Second)
			close(open)
			time.Sleep(time.Minute)
			r.same(get(r.bench, r.status(hook), "paybell", "state"), "active")
			r.wantStates(hook, "delivered", "delivered")
			r.stop()
			r.ok(204, r.call(r.shop, "DELETE", hooksPath(r.shop)+"/"+hook, ""))
		}
	})
}

// A client that was disabled is a client whose invoices ring on: its webhooks can
// be disabled and held like others, and are there when it is back.
func TestDisabledClientsWebhooksRing(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		invoice := r.invoice(r.shop)
		r.change(r.shop, `{"state":"disabled"}`)
		must(r.T, r.desk.CancelInvoice(r.Context(), r.actor(r.shop), invoice))
		r.runAll()
		time.Sleep(time.Minute)
		r.same(r.shopfront.sequences(), "1.1 1.2")
		r.wantProblem(r.call(r.shop, "GET", hooksPath(r.shop)+"/"+hook, ""), 401)
		r.change(r.shop, `{"state":"active"}`)
		time.Sleep(2 * time.Second)
		r.wantStates(hook, "delivered", "delivered")
	})
}

// Nothing comes to a webhook that was deleted, not even what a job made pending for
// it, and what it was told cannot be asked for any more.
func TestDeletedWebhookIsSilent(t *testing.T) {
	inRig(t, func(r *rig) {
		hook, other := r.hookAt(theURL, every, ""), r.hookAt("https://other.example/", every, "")
		r.pause(hook)
		invoice := r.invoice(r.shop)
		r.enable(hook, "")
		r.step() // it is pending
		r.ok(204, r.call(r.shop, "DELETE", hooksPath(r.shop)+"/"+hook, ""))
		r.same(strings.Join(r.deliveries(hook), ", "), "pending InvoiceCreated")
		r.runAll()
		r.cancel(invoice)
		time.Sleep(time.Minute)
		for _, v := range r.shopfront.visits() {
			r.same(v.url, "https://other.example/")
		}
		r.wantStates(other, "delivered", "delivered")
		r.same(strings.Join(r.deliveries(hook), ", "), "exhausted InvoiceCreated") // ended by who met it
		for _, call := range []string{"GET ", "GET /notifications", "POST /pause", "POST /enable", "POST /resend"} {
			method, end, _ := strings.Cut(call, " ")
			body := map[string]string{"/resend": `{"after":0}`}[end]
			r.wantProblem(r.call(r.shop, method, hooksPath(r.shop)+"/"+hook+end, body), 404, "there is no webhook")
		}
	})
}
