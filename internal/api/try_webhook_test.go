package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// try tests a webhook and returns the attempt.
func (r *rig) try(hook, event string) any {
	r.Helper()
	return r.ok(200, r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/test", `{"event":"`+event+`"}`))
}

// eventNames are the names to subscribe with.
var eventNames = paybell.AllEvents.Names()

// A test looks like a notification, is signed like one, says that it is none, and
// leaves nothing behind.
func TestTryEveryEvent(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, "invoicePaid", "")
		r.invoice(r.shop)
		r.shopfront.say(func(visit) response { return response{status: 201, body: "thank you", took: time.Millisecond} })
		before := r.shopsFacts(hook)
		seen := map[string]bool{}
		for _, event := range eventNames {
			began := time.Now().UTC()
			a := r.try(hook, event)
			for key, want := range map[string]string{"number": "1", "status": "201", "answer": "thank you", "failure": "<nil>", "dnsMs": "1", "connectMs": "2", "tlsMs": "3",
				"firstByteMs": "10", "totalMs": "11", "started": began.Format(time.RFC3339Nano)} {
				r.same(key+" "+fmt.Sprint(get(r.bench, a, key)), key+" "+want)
			}
			visits := r.shopfront.visits()
			v := visits[len(visits)-1]
			if v.event != strings.ToUpper(event[:1])+event[1:] || !v.test || v.sequence != "" || v.outOfOrder || seen[v.id] {
				r.Errorf("%s: got %+v", event, v)
			}
			seen[v.id] = true
			r.wantSigned(v, r.shop.secret, theURL)
			if _, there := v.header["Paybell-Sequence"]; there {
				r.Errorf("%s has a number", event)
			}
			body := r.decode(answer{body: []byte(v.body)})
			if event == "webhookDisabled" {
				r.same(get(r.bench, body, "webhook", "merchantClientId"), paybell.DashedClientID(r.shop.id))
			} else {
				r.same(get(r.bench, body, "invoice", "paybell", "test"), "true")
				r.same(get(r.bench, body, "invoice", "merchantClientId"), paybell.DashedClientID(r.shop.id))
				r.wantProblem(r.call(r.shop, "GET", createPath+"/"+v.invoice, ""), 404)
			}
			r.wantProblem(r.call(r.shop, "GET", hooksPath(r.shop)+"/"+hook+"/notifications/"+v.id, ""), 404, "there is no notification")
			time.Sleep(6 * time.Second)
		}
		if after := r.shopsFacts(hook); after != before {
			r.Errorf("it left something behind:\n%s\nwas\n%s", after, before)
		}
		r.run() // nor is anything sent later
		time.Sleep(time.Minute)
		r.same(len(r.shopfront.visits()), fmt.Sprint(len(eventNames)))
	})
}

// shopsFacts is all that the shop sees of a webhook.
func (r *rig) shopsFacts(hook string) string {
	r.Helper()
	text := ""
	for _, path := range []string{hooksPath(r.shop), hooksPath(r.shop) + "/" + hook, hooksPath(r.shop) + "/" + hook + "/notifications", resendsPath(r.shop),
		"/api/v1/merchant/clients/" + r.shop.id + "/endpoints", createPath} {
		a := r.call(r.shop, "GET", path, "")
		r.ok(200, a)
		text += string(a.body)
	}
	return text
}

// The names of events are as the client has them: its style, and the long names
// if they are asked for.
func TestTryNames(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, "invoicePaid", "")
		last := func() string { v := r.shopfront.visits(); return v[len(v)-1].event }
		r.try(hook, "INVOICEPAID")
		r.same(last(), "InvoicePaid")
		r.try(hook, "paymentCreated")
		r.same(last(), "PaymentCreated")
		r.try(hook, "invoicePaymentCreated")
		r.same(last(), "InvoicePaymentCreated")
		r.change(r.shop, `{"eventNames":"camelCase"}`)
		r.try(hook, "invoicePaid")
		r.same(last(), "invoicePaid")
		r.try(hook, "webhookDisabled")
		r.same(last(), "webhookDisabled")
	})
}

// What goes wrong is told, and changes nothing: a 410 disables nothing, and an
// endpoint is not taken for one that fails.
func TestTryThatFails(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		before := r.shopsFacts(hook)
		for says, answer := range map[string]response{
			"answered 410": {status: 410, body: "gone"}, "answered 500": {status: 500}, "a redirect": {status: 307}, "answered 503": {status: 503, retryAfter: "86400"},
			"broken": {err: errors.New("broken")}, "within 15s": {hold: make(chan struct{})},
		} {
			r.shopfront.say(func(visit) response { return answer })
			a := r.try(hook, "invoicePaid")
			if failure, _ := get(r.bench, a, "failure").(string); !strings.Contains(failure, says) {
				r.Errorf("it says %q, want %q", failure, says)
			}
			r.same(get(r.bench, a, "status"), fmt.Sprint(answer.status))
			time.Sleep(time.Minute)
		}
		if after := r.shopsFacts(hook); after != before {
			r.Errorf("it left something behind:\n%s\nwas\n%s", after, before)
		}
	})
}

// What does not ring can be tried: that is how its owner finds out whether it may
// be enabled.
func TestTryWhatDoesNotRing(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.pause(hook)
		r.same(get(r.bench, r.try(hook, "invoicePaid"), "status"), "204")
		r.same(get(r.bench, r.status(hook), "paybell", "state"), "paused")
		r.ok(204, r.call(r.shop, "DELETE", hooksPath(r.shop)+"/"+hook, ""))
		r.wantProblem(r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/test", `{"event":"invoicePaid"}`), 404)

		r.desk.Wire = nil
		other := r.hookAt(theURL, every, "")
		a := r.call(r.shop, "POST", hooksPath(r.shop)+"/"+other+"/test", `{"event":"invoicePaid"}`)
		r.wantProblem(a, 503, "sends no notifications")
	})
}

// Both secrets sign while a rotation lasts.
func TestTryWhileASecretIsRotated(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		old := r.shop.secret
		v := r.ok(200, r.person(r.token, "POST", clientPath(r.shop.id)+"/secret", ""))
		fresh := get(r.bench, v, "clientSecret").(string)
		r.hide(fresh)
		time.Sleep(2 * time.Second)
		r.shop.secret = fresh
		r.try(hook, "invoicePaid")
		got := r.shopfront.visits()[0]
		at := sentAs(got.header, paybell.HeaderTimestamp)
		sent, err := paybell.ParseTimestamp(at)
		must(r.T, err)
		both := paybell.StandardSignature(fresh, got.id, sent.Unix(), []byte(got.body)) + " " + paybell.StandardSignature(old, got.id, sent.Unix(), []byte(got.body))
		r.same(sentAs(got.header, "webhook-signature"), both)
		r.same(sentAs(got.header, paybell.HeaderSignature), paybell.SignRequest(old, "POST", theURL, r.shop.id, at, []byte(got.body)))
	})
}

// The button is no port scanner: each client may press it now and then. Others
// and the rest of the API are not concerned.
func TestTriesAreLimited(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		second := r.hookAt("https://other.example/", every, "")
		siblings := get(r.bench, r.ok(200, r.call(r.sibling, "POST", hooksPath(r.sibling), anything)), "id").(string)
		path := hooksPath(r.shop) + "/" + hook + "/test"
		const body = `{"event":"invoicePaid"}`
		for range 20 { // what is refused before is not counted
			r.wantProblem(r.call(r.shop, "POST", path, `{"event":"x"}`), 400)
			r.wantProblem(r.call(r.shop, "POST", hooksPath(r.shop)+"/x/test", body), 404)
			r.wantProblem(r.call(r.sibling, "POST", hooksPath(r.sibling)+"/"+hook+"/test", body), 404)
		}
		for range 5 {
			r.ok(200, r.call(r.shop, "POST", path, body))
		}
		for _, hook := range []string{hook, second} {
			a := r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/test", body)
			r.wantProblem(a, http.StatusTooManyRequests, "wait")
			r.same(a.header.Get("Retry-After"), "6")
		}
		r.same(len(r.shopfront.visits()), "5")
		r.ok(200, r.call(r.sibling, "POST", hooksPath(r.sibling)+"/"+siblings+"/test", body))
		r.status(hook)
		time.Sleep(6 * time.Second)
		r.ok(200, r.call(r.shop, "POST", path, body))
		r.wantProblem(r.call(r.shop, "POST", path, body), 429)
		time.Sleep(time.Hour)
		for range 5 {
			r.ok(200, r.call(r.shop, "POST", path, body))
		}
		r.wantProblem(r.call(r.shop, "POST", path, body), 429)
	})
}
