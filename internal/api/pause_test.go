package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
)

// What happens while a webhook is paused is numbered and held; enabled, it comes
// in order, with the ids and the bytes that it was pulled with meanwhile.
func TestPauseHoldsAndEnableReleases(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		first := r.invoice(r.shop)
		synctest.Wait()
		r.same(r.shopfront.sequences(), "1.1")
		at := time.Now()
		if a := r.pause(hook); a.header.Get("Paybell-In-Flight") != "0" || string(a.body) != `{"id":"`+hook+`"}`+"\n" {
			r.Errorf("pausing answers %q %s", a.header.Get("Paybell-In-Flight"), a.body)
		}
		r.cancel(first)
		var ids []string
		for range 20 {
			ids = append(ids, r.invoice(r.shop))
		}
		r.cancel(ids[3])
		time.Sleep(time.Minute)
		r.same(len(r.shopfront.visits()), "1")
		held := r.pull(hook)
		r.same(len(held), "23")
		for i, n := range held {
			want := pulled{fmt.Sprintf("1.%d", i+1), "held", n.id, n.event, 0, n.body}
			if i == 0 {
				want.state, want.attempts = "delivered", 1
			}
			if n != want {
				r.Errorf("got %+v, want %+v", n, want)
			}
		}
		w := r.status(hook)
		r.same(get(r.bench, w, "paybell", "state"), "paused")
		r.same(get(r.bench, w, "paybell", "reason"), "<nil>")
		r.same(get(r.bench, w, "paybell", "since"), at.UTC().Format(time.RFC3339))
		r.same(get(r.bench, w, "endpoint", "state"), "healthy") // it is the webhook that is paused
		r.wantProblem(r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/resend", `{"after":0}`), 409, "enable it first")

		job := r.enable(hook, "")
		r.wantJob(job, "missed", "running", "0", "22")
		time.Sleep(time.Minute)
		r.wantJob(r.job(get(r.bench, job, "id")), "missed", "finished", "22", "22")
		visits := r.shopfront.visits()
		r.same(len(visits), "23")
		last := map[string]string{} // by invoice
		for _, v := range visits {
			if want := map[string]string{"": "InvoiceCreated", "InvoiceCreated": "InvoiceCancelled"}[last[v.invoice]]; v.event != want || v.outOfOrder {
				r.Errorf("%s of %s came after %q, out of order %v", v.event, v.invoice, last[v.invoice], v.outOfOrder)
			}
			last[v.invoice] = v.event
			var n int
			_, err := fmt.Sscanf(v.sequence, "1.%d", &n)
			must(r.T, err)
			if v.id != held[n-1].id || v.body != held[n-1].body {
				r.Errorf("%s is not as it was pulled", v.sequence)
			}
			r.wantSigned(v, r.shop.secret, theURL)
		}
		r.same(get(r.bench, r.status(hook), "paybell", "state"), "active")
		r.same(get(r.bench, r.status(hook), "paybell", "since"), "<nil>")
	})
}

// What waits for its next attempt is held, too.
func TestPauseHoldsWhatFailed(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		r.shopfront.say(always(500))
		r.cancel(r.invoice(r.shop))
		time.Sleep(time.Second)
		r.wantStates(hook, "pending", "pending")
		r.pause(hook)
		r.wantStory(r.story(hook, r.pull(hook)[0].id), "asked for invoiceCreated", "held until the webhook is enabled")
		r.shopfront.say(nil)
		r.shopfront.forget()
		time.Sleep(time.Minute)
		r.wantStates(hook, "held", "held")
		r.same(len(r.shopfront.visits()), "0")
		r.wantJob(r.enable(hook, `{"missed":"send"}`), "missed", "running", "0", "2")
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered", "delivered")
		r.same(r.shopfront.sequences(), "1.1 1.2")
		r.same(r.pull(hook)[0].attempts, "2")
	})
}

// Skipped, nothing of it comes, and what is new does.
func TestEnableSkips(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		r.shopfront.say(always(500))
		failing := r.invoice(r.shop)
		time.Sleep(time.Second)
		r.pause(hook)
		quiet := r.invoice(r.shop)
		r.cancel(failing)
		time.Sleep(time.Minute)
		r.wantStates(hook, "held", "held", "held")
		r.shopfront.say(nil)
		r.shopfront.forget()
		job := r.enable(hook, `{"missed":"skip"}`)
		r.wantJob(job, "skip", "running", "0", "3")
		time.Sleep(time.Minute)
		r.wantJob(r.job(get(r.bench, job, "id")), "skip", "finished", "3", "3")
		r.wantStates(hook, "exhausted", "exhausted", "exhausted")
		r.cancel(quiet)
		time.Sleep(time.Second)
		r.same(r.shopfront.sequences(), "1.4")
		r.wantStates(hook, "exhausted", "exhausted", "exhausted", "delivered")
		// They are not lost: they can be sent again.
		r.wantJob(r.resend(hook, `{"after":0}`), "after", "running", "0", "4")
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered", "delivered", "delivered", "delivered")
	})
}

// No attempt begins later than a second after a change was answered; the answer
// says how many had begun before.
func TestInFlight(t *testing.T) {
	for name, change := range map[string]func(r *rig, hook string) answer{
		"pause": func(r *rig, hook string) answer { return r.pause(hook) },
		"PUT": func(r *rig, hook string) answer {
			return r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+hook, strings.Replace(anything, "/x", "/elsewhere", 1))
		},
		"DELETE": func(r *rig, hook string) answer { return r.call(r.shop, "DELETE", hooksPath(r.shop)+"/"+hook, "") },
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				hook := r.hookAt(theURL, every, "")
				other := r.hookAt("https://other.example/", every, "")
				r.run()
				open := make(chan struct{})
				r.shopfront.say(func(v visit) response {
					if v.url == theURL {
						return response{hold: open}
					}
					return response{}
				})
				for range 12 { // the first of which fill the slots of a new endpoint
					r.invoice(r.shop)
				}
				synctest.Wait()
				if a := change(r, other); a.header.Get("Paybell-In-Flight") != "0" {
					r.Errorf("%q are in flight at another", a.header.Get("Paybell-In-Flight"))
				}
				a := change(r, hook)
				if a.status >= 300 || a.header.Get("Paybell-In-Flight") != "8" {
					r.Errorf("%d, in flight %q, want 8", a.status, a.header.Get("Paybell-In-Flight"))
				}
				r.shopfront.forget()
				time.Sleep(time.Second)
				close(open)
				time.Sleep(time.Minute)
				for _, v := range r.shopfront.visits() {
					if v.url == theURL {
						r.Errorf("%s began after the change", v.sequence)
					}
				}
				if name != "DELETE" {
					if a := change(r, hook); a.header.Get("Paybell-In-Flight") != "0" {
						r.Errorf("%q are still in flight", a.header.Get("Paybell-In-Flight"))
					}
				}
			})
		})
	}
	inRig(t, func(r *rig) { // a process that sends nothing says so, too
		hook := r.hookAt(theURL, every, "")
		r.desk.Wire = nil
		r.same(r.pause(hook).header.Get("Paybell-In-Flight"), "0")
		a := r.call(r.shop, "PUT", hooksPath(r.shop)+"/nothing", anything)
		r.wantProblem(a, 404)
		r.same(a.header.Values("Paybell-In-Flight"), "[]")
	})
}

// Pausing twice is pausing once, and what is disabled is not paused instead.
func TestPauseTwice(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		r.pause(hook)
		r.invoice(r.shop)
		since := get(r.bench, r.status(hook), "paybell", "since")
		time.Sleep(time.Hour)
		r.pause(hook)
		r.same(get(r.bench, r.status(hook), "paybell", "since"), fmt.Sprint(since))
		r.wantJob(r.enable(hook, "{}"), "missed", "running", "0", "1")
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered")

		r.shopfront.say(always(410))
		r.invoice(r.shop)
		time.Sleep(time.Second)
		r.same(get(r.bench, r.status(hook), "paybell", "state"), "disabled")
		r.pause(hook)
		r.same(get(r.bench, r.status(hook), "paybell", "state"), "disabled")
	})
}

// A webhook that changes while it is paused stays paused, and what it missed goes
// to the new URL.
func TestChangedWhilePaused(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		r.pause(hook)
		r.invoice(r.shop)
		r.ok(200, r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+hook, `{"notificationsUrl":"https://new.example/","notifications":"`+every+`"}`))
		r.invoice(r.shop)
		time.Sleep(time.Minute)
		r.same(get(r.bench, r.status(hook), "paybell", "state"), "paused")
		r.same(get(r.bench, r.status(hook), "endpoint", "endpoint"), "https://new.example:443")
		r.same(len(r.shopfront.visits()), "0")
		r.wantJob(r.enable(hook, ""), "missed", "running", "0", "2")
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered", "delivered")
		r.same(len(r.shopfront.visits()), "2")
		for _, v := range r.shopfront.visits() {
			r.same(v.url, "https://new.example/")
		}
	})
}

// A webhook that is paused again before what it missed was sent misses nothing.
func TestPausedAgainBeforeTheJobRan(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.pause(hook)
		first := r.invoice(r.shop)
		time.Sleep(time.Second)
		r.enable(hook, "")
		time.Sleep(time.Millisecond)
		r.pause(hook)
		r.step() // and the job finds that nobody rings
		time.Sleep(time.Second)
		r.enable(hook, "")
		r.runAll()
		time.Sleep(time.Minute)
		r.cancel(first)
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered", "delivered")
	})
}

// A job that brings what was missed cannot be left half done: what is new would
// wait behind the other half.
func TestCancelWhatWasMissed(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.pause(hook)
		r.invoice(r.shop)
		for _, body := range []string{"", `{"missed":"skip"}`} {
			job := get(r.bench, r.enable(hook, body), "id").(string)
			r.wantProblem(r.call(r.shop, "POST", resendsPath(r.shop)+"/"+job+"/cancel", ""), 409, "pause the webhook", "missed: skip")
			r.same(get(r.bench, r.job(job), "state"), "running")
			r.pause(hook)
			r.step()
			r.step()
		}
	})
}

// Who wanted all of it and changes their mind gets nothing of it.
func TestChangeOfMind(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.pause(hook)
		for range 3 {
			r.invoice(r.shop)
		}
		r.enable(hook, "")
		r.pause(hook)
		job := r.enable(hook, `{"missed":"skip"}`)
		r.same(get(r.bench, job, "what"), "skip")
		r.runAll()
		time.Sleep(time.Minute)
		r.same(len(r.shopfront.visits()), "0")
		r.wantStates(hook, "exhausted", "exhausted", "exhausted")
	})
}

// What the watcher found while a webhook was paused was missed, also when it began
// to look before.
func TestPausedWhileTheWatcherLooks(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		id := get(r.bench, r.ok(201, r.call(r.shop, "POST", createPath, strings.TrimSuffix(tenUSD, "}")+`,"payment":{"paymentCurrency":"LTCT"}}`)), "invoices", 0, "id").(string)
		r.runAll()
		time.Sleep(time.Second)
		r.ok(200, r.call(r.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", ""))
		w := r.newWatcher(func() {
			time.Sleep(time.Second) // a node that takes its time
			r.pause(hook)
		})
		_, err := w.Step(r.Context())
		must(r.T, err)
		told := r.pull(hook)
		if last := told[len(told)-1]; last.event != "InvoicePaid" || last.state != "held" {
			r.Fatalf("got %+v", told)
		}
		time.Sleep(time.Second)
		r.enable(hook, "")
		time.Sleep(time.Hour)
		for _, n := range r.pull(hook) {
			if n.state != "delivered" {
				r.Errorf("%s %s is %s: %v", n.sequence, n.event, n.state, get(r.bench, r.story(hook, n.id), "next"))
			}
		}
	})
}

// Pressing the button again, since the answer got lost, is pressing once.
func TestEnableTwice(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.pause(hook)
		r.invoice(r.shop)
		first := r.enable(hook, "")
		for range 5 {
			time.Sleep(time.Second)
			again := r.enable(hook, "")
			if get(r.bench, again, "id") != get(r.bench, first, "id") {
				r.Errorf("there is another job: %v, the first was %v", again, first)
			}
		}
		r.same(len(get(r.bench, r.ok(200, r.call(r.shop, "GET", resendsPath(r.shop), "")), "items").([]any)), "1")
		r.runAll()
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered")
		r.same(len(r.shopfront.visits()), "1")
	})
}

// A client that has nothing to say says so in its own way.
func TestEnableWithNothingToSay(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		for _, body := range []string{"", "{}", "[]", `{"missed":null}`, `{"missed":""}`} {
			r.pause(hook)
			r.wantJob(r.enable(hook, body), "missed", "running", "", "")
		}
	})
}

// Enabling what rings brings nothing again, and skips nothing that is on its way.
func TestEnableWhatRings(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		r.invoice(r.shop)
		time.Sleep(time.Second)
		job := r.enable(hook, "")
		time.Sleep(time.Minute)
		r.wantJob(r.job(get(r.bench, job, "id")), "missed", "finished", "0", "0")
		r.same(len(r.shopfront.visits()), "1")
	})
}

// hostileBodies are bodies that no route of ours can mean anything by.
var hostileBodies = []string{
	`"x"`, "1", "{", `{"missed":"send"`, "\x00", "{\"\x00\":1}", "{\"event\":\"\xff\"}", `{"missed":"send","missed":"skip"}`, strings.Repeat("[", 100), `{"unknown":1}`, `{"MISSED":"skip"}`,
}

func TestHostileSwitches(t *testing.T) {
	b := newBench(t)
	hook := b.webhook(b.shop)
	path := hooksPath(b.shop) + "/" + hook
	before := b.facts(b.invoice(b.shop, ""))
	for _, body := range hostileBodies {
		status := 400
		if body[0] != '{' && body[0] != '[' {
			status = 401 // nobody signs such a thing
		}
		for _, end := range []string{"/enable", "/test", "/resend", "/pause"} {
			b.wantProblem(b.call(b.shop, "POST", path+end, body), status)
		}
	}
	for _, value := range []string{"1", "true", "{}", `["skip"]`, `"x"`, `"skip\u0000"`, `" skip"`, "1e400", `"` + strings.Repeat("s", 100_000) + `"`} {
		a := b.call(b.shop, "POST", path+"/enable", `{"missed":`+value+`}`)
		b.wantField(a, "missed")
		if len(a.body) > 2000 {
			t.Errorf("the problem has %d bytes", len(a.body))
		}
	}
	for _, value := range []string{`""`, "null", "1", "true", "{}", `["invoicePaid"]`, `"x"`, `"invoicePaid,invoiceCompleted"`, `"invoicePaid\u0000"`, "1e400", `"` + strings.Repeat("s", 100_000) + `"`} {
		a := b.call(b.shop, "POST", path+"/test", `{"event":`+value+`}`)
		b.wantField(a, "event")
		if len(a.body) > 2000 {
			t.Errorf("the problem has %d bytes", len(a.body))
		}
	}
	b.wantProblem(b.call(b.shop, "POST", path+"/test", ""), 400)
	b.wantField(b.call(b.shop, "POST", path+"/test", "{}"), "event")

	foreign := paybell.NewWebhookID()
	for _, id := range []string{"x", foreign, strings.Repeat("x", 10_000), "%00", "%ff", "%2e%2e", "a%2Fb", "'%20OR%201=1--", "%F0%9F%98%80"} {
		for _, call := range []string{"GET ", "POST /pause", "POST /enable", "POST /test", "POST /resend", "GET /notifications/x"} {
			method, end, _ := strings.Cut(call, " ")
			body := map[string]string{"/test": `{"event":"invoicePaid"}`, "/resend": `{"after":0}`}[end]
			a := b.call(b.shop, method, hooksPath(b.shop)+"/"+id+end, body)
			b.wantProblem(a, http.StatusNotFound)
			if len(a.body) > 2000 {
				t.Errorf("%s of %.20s: the problem has %d bytes", call, id, len(a.body))
			}
			if end == "/notifications/x" {
				b.wantProblem(b.call(b.shop, method, path+"/notifications/"+id, ""), http.StatusNotFound)
			}
		}
		for _, call := range []string{"GET ", "POST /cancel"} {
			method, end, _ := strings.Cut(call, " ")
			b.wantProblem(b.call(b.shop, method, resendsPath(b.shop)+"/"+id+end, ""), http.StatusNotFound)
		}
		for _, end := range []string{"/resends", "/endpoints", "/webhooks/" + hook} {
			b.wantProblem(b.call(b.shop, "GET", "/api/v1/merchant/clients/"+id+end, ""), http.StatusNotFound)
		}
	}
	if after := b.facts(b.invoice(b.shop, "")); strings.Count(after, `"active"`) != strings.Count(before, `"active"`) || strings.Contains(after, "running") {
		t.Errorf("something was changed: %s", after)
	}
	// The names of a client that are good elsewhere are good here.
	dashed := strings.Replace(path, b.shop.id, paybell.DashedClientID(b.shop.id), 1)
	b.want(200, b.shop, "GET", dashed, "")
	b.want(200, b.shop, "POST", dashed+"/pause", "[]")
}

// What was on the wire while its webhook was paused, and got there, is delivered,
// and does not come again.
func TestPausedWhileItIsOnTheWire(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		open := make(chan struct{})
		r.shopfront.say(func(visit) response { return response{hold: open} })
		invoice := r.invoice(r.shop)
		synctest.Wait()
		r.same(r.pause(hook).header.Get("Paybell-In-Flight"), "1")
		r.cancel(invoice)
		time.Sleep(2 * time.Second)
		close(open)
		time.Sleep(2 * time.Second)
		r.wantStates(hook, "delivered", "held")
		r.enable(hook, "")
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered", "delivered")
		r.same(r.shopfront.sequences(), "1.1 1.2")
	})
}

// What failed while its webhook was paused is brought when it is enabled.
func TestFailedWhileItWasPaused(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, "")
		r.runAll()
		for _, status := range []int{500, 410} {
			before := len(r.pull(hook))
			open := make(chan struct{})
			r.shopfront.say(func(visit) response { return response{hold: open, status: status} })
			invoice := r.invoice(r.shop)
			synctest.Wait()
			r.pause(hook)
			r.cancel(invoice)
			time.Sleep(2 * time.Second)
			close(open)
			time.Sleep(5 * time.Minute)
			r.same(get(r.bench, r.status(hook), "paybell", "state"), "paused")
			for _, n := range r.pull(hook)[before:] {
				r.same(n.state, "held")
			}
			r.shopfront.say(nil)
			r.enable(hook, "")
			time.Sleep(time.Minute)
			for _, n := range r.pull(hook) {
				r.same(n.state, "delivered")
			}
		}
	})
}
