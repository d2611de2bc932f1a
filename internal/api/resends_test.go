package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/store"
)

// giveUp makes n deliveries that were tried twice and given up.
func (r *rig) giveUp(url string, n int) (hook string) {
	r.Helper()
	hook = r.hookAt(url, every, `,"retrySchedule":[1]`)
	r.shopfront.say(always(500))
	r.run()
	for range n {
		r.invoice(r.shop)
	}
	for range 60 {
		time.Sleep(time.Minute)
		if all := r.pull(hook); all[len(all)-1].state == "exhausted" {
			break
		}
	}
	r.stop()
	states := map[string]int{}
	for _, d := range r.pull(hook) {
		states[d.state]++
	}
	r.same(states, fmt.Sprintf("map[exhausted:%d]", n))
	r.shopfront.say(nil)
	r.shopfront.forget()
	return hook
}

// One notification is sent again: the same id, number and bytes, to this webhook
// only.
func TestResendOne(t *testing.T) {
	inRig(t, func(r *rig) {
		hook, other := r.hookAt(theURL, every, ""), r.hookAt("https://other.example/", every, "")
		r.runAll()
		for range 3 {
			r.invoice(r.shop)
		}
		time.Sleep(time.Second)
		first := r.visitOf(r.pull(hook)[1].id)
		r.shopfront.forget()
		at := time.Now().UTC().Format(time.RFC3339)
		job := r.resend(hook, `{"notificationId":"`+first.id+`"}`)
		r.wantJob(job, "one", "running", "0", "1")
		r.same(get(r.bench, job, "created"), at)
		r.same(get(r.bench, job, "finished"), "<nil>")
		r.same(get(r.bench, job, "webhookId"), hook)
		time.Sleep(2 * time.Second)
		r.wantJob(r.job(get(r.bench, job, "id")), "one", "finished", "1", "1")
		visits := r.shopfront.visits()
		if len(visits) != 1 {
			r.Fatalf("%d came", len(visits))
		}
		again := visits[0]
		if again.id != first.id || again.sequence != "1.2" || again.body != first.body || again.url != theURL || again.outOfOrder || again.test {
			r.Errorf("got %+v, was %+v", again, first)
		}
		r.wantSigned(again, r.shop.secret, theURL)
		if sentAs(first.header, paybell.HeaderSignature) == sentAs(again.header, paybell.HeaderSignature) {
			r.Error("it has the signature of before, which is too old to count")
		}
		told := r.pull(hook)[1]
		r.same(told.state, "delivered")
		r.same(told.attempts, "2")
		r.same(len(get(r.bench, r.story(hook, first.id), "attempts").([]any)), "2")
		r.same(r.pull(other)[1].attempts, "1")

		// What is on its way is not made again: it comes as it is.
		r.shopfront.say(always(500))
		r.invoice(r.shop)
		time.Sleep(time.Second)
		waiting := r.pull(hook)[3]
		r.same(waiting.state, "pending")
		job = r.resend(hook, `{"notificationId":"`+waiting.id+`"}`)
		r.wantJob(job, "one", "running", "0", "0")
		time.Sleep(2 * time.Second)
		r.wantJob(r.job(get(r.bench, job, "id")), "one", "finished", "0", "0")
		r.same(r.pull(hook)[3].attempts, "1")
	})
}

// A resent delivery gets its full schedule again.
func TestResentHasAFullSchedule(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 1)
		id := r.pull(hook)[0].id
		r.wantStory(r.story(hook, id), "", "its schedule is over; it can be resent")
		r.shopfront.say(always(500))
		r.runAll()
		r.resend(hook, `{"notificationId":"`+id+`"}`)
		time.Sleep(time.Minute)
		r.same(len(r.shopfront.visits()), "2")
		r.wantStates(hook, "exhausted")
		r.same(r.pull(hook)[0].attempts, "4")
		r.same(len(get(r.bench, r.story(hook, id), "attempts").([]any)), "4")
	})
}

// failedSince is what was given up since a moment; a dry run counts it.
func TestResendFailedSince(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 5)
		middle := time.Now().UTC().Add(time.Minute)
		time.Sleep(time.Hour)
		r.shopfront.say(always(500))
		r.run()
		for range 3 {
			r.invoice(r.shop)
		}
		time.Sleep(time.Minute)
		r.shopfront.say(nil)
		r.shopfront.forget()
		r.invoice(r.shop)
		time.Sleep(time.Minute)
		r.stop()
		path := hooksPath(r.shop) + "/" + hook + "/resend"
		for _, tc := range [][2]string{
			{middle.Format(time.RFC3339), "3"}, {middle.Add(-2 * time.Hour).Format(time.RFC3339), "8"}, {"1999-12-31", "8"}, {"2030-01-01", "0"},
			{middle.Format("2006-01-02T15:04:05"), "3"}, {"0001-01-02", "8"}, {"9999-12-31", "0"},
		} {
			v := r.ok(200, r.call(r.shop, "POST", path, `{"dryRun":true,"failedSince":"`+tc[0]+`"}`))
			r.same(v, "map[total:"+tc[1]+"]")
		}
		for after, want := range map[string]string{`0`: "9", `"0"`: "9", `"1.0"`: "9", `"1.5"`: "4", `"1.9"`: "0", `1.5`: "4", `"1.1000"`: "0"} {
			v := r.ok(200, r.call(r.shop, "POST", path, `{"dryRun":true,"after":`+after+`}`))
			r.same(v, "map[total:"+want+"]")
		}
		r.same(r.ok(200, r.call(r.shop, "POST", path, `{"dryRun":true,"notificationId":"`+r.pull(hook)[0].id+`"}`)), "map[total:1]")
		r.same(get(r.bench, r.ok(200, r.call(r.shop, "GET", resendsPath(r.shop), "")), "items"), "[]") // nothing happened
		for _, n := range r.pull(hook)[:8] {
			r.same(n.state, "exhausted")
		}

		r.shopfront.forget()
		r.runAll()
		job := r.resend(hook, `{"failedSince":"`+middle.Format(time.RFC3339)+`"}`)
		r.wantJob(job, "failed", "running", "0", "3")
		time.Sleep(time.Minute)
		r.wantJob(r.job(get(r.bench, job, "id")), "failed", "finished", "3", "3")
		r.wantStates(hook, "exhausted", "exhausted", "exhausted", "exhausted", "exhausted", "delivered", "delivered", "delivered", "delivered")
		r.same(len(r.shopfront.visits()), "3")

		// After a number: whatever became of them, in order per invoice.
		r.shopfront.forget()
		job = r.resend(hook, `{"after":"1.4"}`)
		r.wantJob(job, "after", "running", "0", "5")
		time.Sleep(time.Minute)
		r.wantJob(r.job(get(r.bench, job, "id")), "after", "finished", "5", "5")
		r.wantStates(hook, "exhausted", "exhausted", "exhausted", "exhausted", "delivered", "delivered", "delivered", "delivered", "delivered")
		r.same(len(r.shopfront.visits()), "5")
	})
}

// What was missed of one invoice comes in order, and what was missed before
// something newer that went says so.
func TestResentOrder(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.hookAt(theURL, every, `,"retrySchedule":[1]`)
		r.shopfront.say(func(v visit) response {
			if v.event == "InvoiceCreated" {
				return response{status: 500}
			}
			return response{}
		})
		r.runAll()
		invoice := r.invoice(r.shop)
		time.Sleep(time.Minute) // its creation is given up
		r.cancel(invoice)
		time.Sleep(time.Minute)
		r.wantStates(hook, "exhausted", "delivered")
		r.shopfront.say(nil)
		r.shopfront.forget()
		r.resend(hook, `{"failedSince":"1999-01-01"}`)
		time.Sleep(time.Minute)
		if v := r.shopfront.visits(); len(v) != 1 || !v[0].outOfOrder || v[0].sequence != "1.1" {
			r.Errorf("got %+v", v)
		}
		r.same(get(r.bench, r.story(hook, r.pull(hook)[0].id), "outOfOrder"), "true")
		r.shopfront.forget()
		r.resend(hook, `{"after":0}`) // all of it again, as it is to be read
		time.Sleep(time.Minute)
		r.same(r.shopfront.sequences(), "1.1 1.2")
	})
}

// A thousand presses of the button are one job.
func TestThousandPresses(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 3)
		other := r.giveUp("https://other.example/", 1)
		ids := map[any]int{}
		for i := range 1000 {
			if i == 500 {
				time.Sleep(time.Minute)
			}
			ids[get(r.bench, r.resend(hook, `{"failedSince":"1999-12-31"}`), "id")]++
		}
		r.same(len(ids), "1")
		// What is asked for otherwise is another.
		for _, body := range []string{`{"failedSince":"1999-12-30"}`, `{"after":0}`, `{"after":"1.1"}`, `{"notificationId":"` + r.pull(hook)[0].id + `"}`} {
			ids[get(r.bench, r.resend(hook, body), "id")]++
		}
		ids[get(r.bench, r.resend(other, `{"failedSince":"1999-12-31"}`), "id")]++
		r.same(len(ids), "6")
		list := get(r.bench, r.ok(200, r.call(r.shop, "GET", resendsPath(r.shop), "")), "items").([]any)
		r.same(len(list), "6")
		r.shopfront.forget()
		r.runAll()
		time.Sleep(time.Minute)
		r.wantStates(hook, "delivered", "delivered", "delivered", "delivered") // the fourth is of the other's invoice
		if n := len(r.shopfront.visits()); n < 5 || n > 5+5+4+3+1 {
			r.Errorf("%d came", n)
		}
		for id := range ids {
			r.wantJob(r.job(id), "", "finished", "", "")
		}
		if again := r.resend(hook, `{"failedSince":"1999-12-31"}`); ids[get(r.bench, again, "id")] > 0 {
			r.Error("a job that is over is started again")
		}
	})
}

// A press that comes at the same time as another is the same job, too.
func TestPressesAtOnce(t *testing.T) {
	b := newBench(t)
	hook := b.listener(b.shop)
	b.invoice(b.shop, "")
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { b.call(b.shop, "POST", hooksPath(b.shop)+"/"+hook+"/resend", `{"after":0}`) })
	}
	wg.Wait()
	b.same(len(get(b, b.want(200, b.shop, "GET", resendsPath(b.shop), ""), "items").([]any)), "1")
}

// fill makes n more deliveries of a webhook like its first, in a state.
func (r *rig) fill(hook string, n int, state paybell.DeliveryState) {
	r.Helper()
	must(r.T, store.Do(r.Context(), r.db, func(tx *store.Tx) error { return tx.Fill(hook, 1, n, state) }))
}

// A cancelled job makes nothing more; what it made is still sent.
func TestCancelResend(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 1)
		r.fill(hook, 599, paybell.Exhausted)
		job := get(r.bench, r.resend(hook, `{"after":0}`), "id").(string)
		r.step() // one page
		r.wantJob(r.job(job), "after", "running", "256", "600")
		path := resendsPath(r.shop) + "/" + job
		r.wantJob(r.ok(200, r.call(r.shop, "POST", path+"/cancel", "")), "after", "cancelled", "256", "600")
		at := get(r.bench, r.job(job), "finished")
		r.same(at, time.Now().UTC().Format(time.RFC3339))
		time.Sleep(time.Hour)
		r.wantJob(r.ok(200, r.call(r.shop, "POST", path+"/cancel", "[]")), "after", "cancelled", "256", "600")
		r.same(get(r.bench, r.job(job), "finished"), at.(string))
		r.runAll()
		time.Sleep(time.Minute)
		r.wantJob(r.job(job), "after", "cancelled", "256", "600")
		r.same(len(r.shopfront.visits()), "256")

		// One that is over stays so.
		job = get(r.bench, r.resend(hook, `{"after":0}`), "id").(string)
		time.Sleep(time.Minute)
		r.wantJob(r.job(job), "after", "finished", "600", "600")
		r.wantJob(r.ok(200, r.call(r.shop, "POST", resendsPath(r.shop)+"/"+job+"/cancel", "")), "after", "finished", "600", "600")
	})
}

// A job is on disk: one resender begins it, others go on, and nothing comes twice
// or is left out. What is made pending while nothing sends is sent later.
func TestResendSurvivesRestarts(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 1)
		r.fill(hook, 699, paybell.Delivered)
		job := get(r.bench, r.resend(hook, `{"after":0}`), "id")
		for round := 0; get(r.bench, r.job(job), "state") == "running"; round++ {
			if round > 100 {
				r.Fatalf("it does not end: %v", r.job(job))
			}
			first, second := r.resender(), r.resender() // two processes at once
			var wg sync.WaitGroup
			for _, one := range []*deliver.Resender{first, second} {
				wg.Go(func() {
					if _, err := one.Step(r.Context()); err != nil {
						r.Error(err)
					}
				})
			}
			wg.Wait()
			r.run() // a server that lives for a moment
			time.Sleep(time.Second)
			r.stop()
		}
		r.runAll()
		time.Sleep(time.Minute)
		r.wantJob(r.job(job), "after", "finished", "700", "700")
		seen := map[string]int{}
		for _, v := range r.shopfront.visits() {
			seen[v.sequence]++
		}
		r.same(len(seen), "700")
		r.same(len(r.shopfront.visits()), "700")
	})
}

// What happens now is not kept waiting by what is sent again.
func TestLiveGoesFirst(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 1)
		r.fill(hook, 1499, paybell.Exhausted)
		r.shopfront.say(func(visit) response { return response{took: 100 * time.Millisecond} }) // 1.1 s each
		r.runAll()
		r.resend(hook, `{"after":0}`)
		time.Sleep(5 * time.Second)
		for range 10 {
			id := r.invoice(r.shop)
			time.Sleep(1200 * time.Millisecond)
			if r.visitAbout(id) == nil {
				r.Error("what is new waits for more than one attempt that was under way")
			}
		}
		if n := len(r.shopfront.visits()); n > 1400 {
			r.Errorf("the resend was over before it began: %d", n)
		}
	})
}

// A job ends when its webhook does not ring any more.
func TestResendOfWhatStopsToRing(t *testing.T) {
	for name, stop := range map[string]func(r *rig, hook string){
		"pause":  func(r *rig, hook string) { r.pause(hook) },
		"DELETE": func(r *rig, hook string) { r.ok(204, r.call(r.shop, "DELETE", hooksPath(r.shop)+"/"+hook, "")) },
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				hook := r.giveUp(theURL, 3)
				job := r.resend(hook, `{"after":0}`)
				stop(r, hook)
				r.runAll()
				time.Sleep(time.Minute)
				r.wantJob(r.job(get(r.bench, job, "id")), "after", "cancelled", "0", "3")
				r.same(len(r.shopfront.visits()), "0")
			})
		})
	}
}

// A number at the end of all numbers is one after which there is nothing.
func TestResendAfterTheLastNumber(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 3)
		for _, after := range []string{"1.9223372036854775807", "1.9223372036854775806", "1.9223372036854770808", "1.9223372036854770807"} {
			job := r.resend(hook, `{"after":"`+after+`"}`)
			r.wantJob(job, "after", "running", "0", "0")
			for range 5 {
				r.step()
			}
			r.wantJob(r.job(get(r.bench, job, "id")), "after", "finished", "0", "0")
		}
	})
}

// Jobs that have to wait for their endpoint are in nobody's way, and one client
// has so many of them and no more.
func TestResendsOfOthers(t *testing.T) {
	inRig(t, func(r *rig) {
		merchants := []client{r.shop}
		for range 9 {
			c := r.bench.client(r.merchant)
			r.hide(c.secret)
			merchants = append(merchants, c)
		}
		shop := r.shop
		for _, c := range merchants {
			r.shop = c
			hook := r.hookAt(theURL, "invoiceCreated", "")
			r.invoice(r.shop)
			r.fill(hook, 600, paybell.DeliveryPending) // and nobody takes them
			for i := range 20 {
				r.resend(hook, fmt.Sprintf(`{"failedSince":"1999-01-01T00:00:%02d"}`, i))
			}
			r.wantProblem(r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/resend", `{"failedSince":"1998-01-01"}`), 409, "20 resends", "cancel it")
			r.resend(hook, `{"failedSince":"1999-01-01T00:00:07"}`) // which is there
		}
		r.shop = shop
		time.Sleep(time.Second)
		theirs := get(r.bench, r.ok(200, r.call(r.stranger, "POST", hooksPath(r.stranger), `{"notificationsUrl":"https://stranger.example/","notifications":"invoiceCreated"}`)), "id").(string)
		r.invoice(r.stranger)
		r.pauseOf(r.stranger, theirs)
		job := get(r.bench, r.ok(200, r.call(r.stranger, "POST", hooksPath(r.stranger)+"/"+theirs+"/enable", "")), "id").(string)
		resender := r.resender()
		for range 10 {
			_, err := resender.Step(r.Context())
			must(r.T, err)
			time.Sleep(time.Second)
		}
		r.same(get(r.bench, r.ok(200, r.call(r.stranger, "GET", resendsPath(r.stranger)+"/"+job, "")), "state"), "finished")
	})
}

func (r *rig) pauseOf(c client, hook string) {
	r.Helper()
	r.ok(200, r.call(c, "POST", hooksPath(c)+"/"+hook+"/pause", ""))
}

// Pressed again while new things happen, it is still the same job.
func TestPressesWhileThereIsTraffic(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 1)
		first := r.resend(hook, `{"after":0}`)
		r.invoice(r.shop)
		again := r.resend(hook, `{"after":0}`)
		r.same(get(r.bench, again, "id"), get(r.bench, first, "id").(string))
	})
}

func TestHostileResends(t *testing.T) {
	b := newBench(t)
	hook, other := b.listener(b.shop), b.webhook(b.shop)
	theirs := b.listener(b.stranger)
	b.invoice(b.shop, "")
	b.invoice(b.stranger, "")
	path := hooksPath(b.shop) + "/" + hook + "/resend"
	for _, body := range []string{
		"{}", "[]", "", `{"dryRun":true}`, `{"notificationId":"x","after":0}`, `{"notificationId":"x","failedSince":"2026-01-02"}`, `{"after":0,"failedSince":"2026-01-02"}`,
		`{"notificationId":"","failedSince":"","after":null}`, `{"notificationId":"` + b.kept(hook)[0].NotificationID + `","after":0}`,
	} {
		b.wantProblem(b.call(b.shop, "POST", path, body), 400)
	}
	for field, values := range map[string][]string{
		"after": {
			`"x"`, "5", `"5"`, "1", "-1", "1.", "1.-5", `"1.5x"`, `"1.05"`, `"01.5"`, `"1.99999999999999999999"`, `"99999999999999999999.1"`, `"0.5"`, `"1.5\u0000"`, "1e3", "true", "{}", "[]", `["1.5"]`, `" 1.5"`,
			`"` + strings.Repeat("1", 100_000) + `"`,
		},
		"failedSince": {
			`"x"`, "5", "1767322145", `"2026-13-01"`, `"2026-01-02T03:04:05+99:00"`, `"10000-01-01"`, `"0000-12-31"`, `"2026-01-02\u0000"`, "true", "{}", "[]", `"yesterday"`, `" 2026-01-02"`,
		},
		"notificationId": {"true", "{}", "[]", `["x"]`},
		"dryRun":         {`"yes"`, "1", `"true"`, "{}", "[]"},
	} {
		for _, value := range values {
			if value == "1." || value == "1.-5" {
				value = `"` + value + `"`
			}
			body := `{"` + field + `":` + value + `}`
			if field == "dryRun" {
				body = `{"after":0,"dryRun":` + value + `}`
			}
			a := b.call(b.shop, "POST", path, body)
			b.wantField(a, field)
			if len(a.body) > 2000 {
				t.Errorf("the problem has %d bytes", len(a.body))
			}
		}
	}
	for _, id := range []string{`"x"`, `"\u0000"`, "5", "1e400", `"` + strings.Repeat("x", 100_000) + `"`, `"' OR 1=1 --"`, `"` + b.kept(theirs)[0].NotificationID + `"`} {
		a := b.call(b.shop, "POST", path, `{"notificationId":`+id+`}`)
		b.wantProblem(a, 404, "was not for this webhook")
		if len(a.body) > 2000 {
			t.Errorf("the problem has %d bytes", len(a.body))
		}
	}
	b.wantProblem(b.call(b.shop, "POST", hooksPath(b.shop)+"/"+other+"/resend", `{"notificationId":"`+b.kept(hook)[0].NotificationID+`"}`), 404, "was not for this webhook")
	for _, after := range []string{"7.1", "2.1", "9223372036854775807.1"} {
		for _, dry := range []string{"true", "false"} {
			b.wantProblem(b.call(b.shop, "POST", path, `{"after":"`+after+`","dryRun":`+dry+`}`), 409, "epoch", "which is 1")
		}
	}
	b.same(get(b, b.want(200, b.shop, "GET", resendsPath(b.shop), ""), "items"), "[]")

	// Others' jobs do not exist.
	job := get(b, b.want(202, b.stranger, "POST", hooksPath(b.stranger)+"/"+theirs+"/resend", `{"after":0}`), "id").(string)
	for _, id := range []string{job, paybell.NewUUID(time.Now()), strings.ToUpper(job)} {
		b.wantProblem(b.call(b.shop, "GET", resendsPath(b.shop)+"/"+id, ""), 404, "there is no resend")
		b.wantProblem(b.call(b.shop, "POST", resendsPath(b.shop)+"/"+id+"/cancel", ""), 404, "there is no resend")
	}
	b.same(get(b, b.want(200, b.stranger, "GET", resendsPath(b.stranger)+"/"+job, ""), "state"), "running")
}

// An empty number is a mistake: it must not mean that everything is sent again.
func TestResendAfterNothing(t *testing.T) {
	b := newBench(t)
	hook := b.listener(b.shop)
	b.wantField(b.call(b.shop, "POST", hooksPath(b.shop)+"/"+hook+"/resend", `{"after":""}`), "after")
}

// Of many jobs the newest are listed, the newest first.
func TestListResends(t *testing.T) {
	inRig(t, func(r *rig) {
		hook := r.giveUp(theURL, 1)
		var last any
		for i := range 105 {
			last = get(r.bench, r.resend(hook, fmt.Sprintf(`{"failedSince":"2001-01-01T00:%02d:00","dryRun":false}`, i%60)), "id")
			time.Sleep(time.Second)
			r.step()
		}
		list := r.ok(200, r.call(r.shop, "GET", resendsPath(r.shop), ""))
		r.same(len(get(r.bench, list, "items").([]any)), "100")
		r.same(get(r.bench, list, "items", 0, "id"), last.(string))
		r.same(get(r.bench, list, "paging", "limit"), "100")
		r.same(get(r.bench, r.ok(200, r.call(r.sibling, "GET", resendsPath(r.sibling), "")), "items"), "[]")
	})
}

// visitAbout is the first request about an invoice; nil: there was none.
func (r *rig) visitAbout(invoice string) *visit {
	for _, v := range r.shopfront.visits() {
		if v.invoice == invoice {
			return &v
		}
	}
	return nil
}
