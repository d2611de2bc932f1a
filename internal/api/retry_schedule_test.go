package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// usual is the schedule of who asks for none.
func usual() string {
	var all []string
	for _, p := range paybell.RetrySchedule {
		all = append(all, fmt.Sprint(int(p/time.Second)))
	}
	return "[" + strings.Join(all, " ") + "]"
}

// A webhook keeps its schedule until it is given another, or none.
func TestRetrySchedule(t *testing.T) {
	b := newBench(t)
	schedule := func(hook, want string) {
		t.Helper()
		b.same(get(b, b.want(200, b.shop, "GET", hooksPath(b.shop)+"/"+hook, ""), "paybell", "retrySchedule"), want)
		for _, version := range bothVersions {
			list := b.want(200, b.shop, "GET", "/api/"+version+"/merchant/clients/"+b.shop.id+"/webhooks", "")
			b.same(get(b, list, "items", 0, "paybell", "retrySchedule"), want)
		}
	}
	body := func(more string) string { return strings.TrimSuffix(hookBody, "}") + more + "}" }
	hook := b.webhook(b.shop)
	schedule(hook, usual())
	for _, step := range []struct{ more, want string }{
		{"", usual()},
		{`,"retrySchedule":[1,86400]`, "[1 86400]"},
		{"", "[1 86400]"}, // as clients that do not know it write
		{`,"retrySchedule":null`, "[1 86400]"},
		{`,"retrySchedule":[5]`, "[5]"},
		{`,"retrySchedule":[]`, usual()},
		{`,"retrySchedule":[` + strings.Repeat("60,", 31) + `60]`, "[" + strings.Repeat("60 ", 31) + "60]"},
		{`,"retryschedule":[7]`, "[7]"}, // as other keys: in any case
	} {
		b.want(200, b.shop, "PUT", hooksPath(b.shop)+"/"+hook, body(step.more))
		schedule(hook, step.want)
	}
	for _, version := range bothVersions {
		made := get(b, b.want(200, b.shop, "POST", "/api/"+version+"/merchant/clients/"+b.shop.id+"/webhooks", body(`,"retrySchedule":[3600,1]`)), "id").(string)
		b.same(get(b, b.want(200, b.shop, "GET", hooksPath(b.shop)+"/"+made, ""), "paybell", "retrySchedule"), "[3600 1]")
		none := get(b, b.want(200, b.shop, "POST", "/api/"+version+"/merchant/clients/"+b.shop.id+"/webhooks", body(`,"retrySchedule":[]`)), "id").(string)
		b.same(get(b, b.want(200, b.shop, "GET", hooksPath(b.shop)+"/"+none, ""), "paybell", "retrySchedule"), usual())
	}
}

// What is no schedule is refused, wherever a webhook is given, and changes nothing.
func TestRetryScheduleBounds(t *testing.T) {
	b := newBench(t)
	hook := b.webhook(b.shop)
	before := b.facts(b.invoice(b.shop, ""))
	for _, value := range []string{
		"[0]", "[-1]", "[86401]", "[5,0]", "[5,86401,5]", "[9223372036854775807]", "[-9223372036854775808]", "[9223372037]", "[18446744073709551616]", "[1e3]", "[1.5]", "[1e400]",
		`["5"]`, `"5"`, "5", "true", "{}", "[[5]]", "[true]", `"5,30"`, "[" + strings.Repeat("5,", 32) + "5]", "[" + strings.Repeat("5,", 100_000) + "5]",
	} {
		with := strings.TrimSuffix(hookBody, "}") + `,"retrySchedule":` + value + "}"
		for call, field := range map[string]string{
			"POST " + hooksPath(b.shop): "retrySchedule", "PUT " + hooksPath(b.shop) + "/" + hook: "retrySchedule", "POST " + createPath: "webhooks[0].retrySchedule",
		} {
			method, path, _ := strings.Cut(call, " ")
			body := with
			if path == createPath {
				body = strings.TrimSuffix(tenUSD, "}") + `,"webhooks":[` + with + `]}`
			}
			a := b.call(b.shop, method, path, body)
			if len(a.body) > 2000 {
				t.Errorf("%s: the problem has %d bytes", call, len(a.body))
			}
			p := b.wantProblem(a, 400)
			if text := fmt.Sprint(p["errors"]); !strings.Contains(text, "retrySchedule") {
				t.Errorf("%.40s: %s %s says %v %s, want %s", value, method, path, p["detail"], text, field)
			}
		}
	}
	if after := b.facts(b.invoice(b.shop, "")); strings.Count(after, "retrySchedule") != strings.Count(before, "retrySchedule") || !strings.Contains(after, "[5,30,120") {
		t.Errorf("something was changed: %s", after)
	}
}

// What was written is what is refused: a number is not shown as another one.
func TestRetryScheduleSaysWhatIsWrong(t *testing.T) {
	b := newBench(t)
	for value, wrong := range map[string]string{"[-5]": "0s", "[9223372036854775807]": "277h46m40s"} {
		a := b.call(b.shop, "POST", hooksPath(b.shop), strings.TrimSuffix(hookBody, "}")+`,"retrySchedule":`+value+"}")
		b.wantField(a, "retrySchedule")
		if strings.Contains(string(a.body), wrong) {
			t.Errorf("of %s it says %s", value, a.body)
		}
	}
}

// The schedule is what is kept to, also by what was pending when it changed, and by
// what is given with an invoice.
func TestRetryScheduleIsKept(t *testing.T) {
	inRig(t, func(r *rig) {
		_, in := r.withHook(`"notifications":["invoiceCreated"],"retrySchedule":[100,100]`)
		hook := r.hookAt(theURL, every, `,"retrySchedule":[10,1000]`)
		r.shopfront.say(always(500))
		r.run()
		r.invoice(r.shop)
		time.Sleep(30 * time.Minute)
		gaps := func(url string) (all []time.Duration) {
			var last time.Time
			for _, v := range r.shopfront.visits() {
				if v.url != url {
					continue
				}
				if !last.IsZero() {
					all = append(all, v.at.Sub(last))
				}
				last = v.at
			}
			return all
		}
		for url, want := range map[string][]time.Duration{theURL: {10 * time.Second, 1000 * time.Second}, "https://in.example/x": {100 * time.Second, 100 * time.Second}} {
			got := gaps(url)
			if len(got) != len(want) {
				r.Fatalf("%s: the pauses are %v, want %v", url, got, want)
			}
			for i := range want {
				if got[i] < want[i] || got[i] > want[i]+want[i]/5+5*time.Second {
					r.Errorf("%s: the pauses are %v, want %v and up to a fifth more", url, got, want)
				}
			}
		}
		r.wantStates(hook, "exhausted")
		r.wantStates(in, "exhausted")

		r.shopfront.forget()
		r.invoice(r.shop)
		time.Sleep(5 * time.Second)
		r.ok(200, r.call(r.shop, "PUT", hooksPath(r.shop)+"/"+hook, `{"notificationsUrl":"`+theURL+`","notifications":["invoiceCreated"],"retrySchedule":[10]}`))
		time.Sleep(5 * time.Minute)
		r.same(len(r.shopfront.visits()), "2") // the attempt after the change finds that there is no other
		r.wantStates(hook, "exhausted", "exhausted")
	})
}
