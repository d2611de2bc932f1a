package dash

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func TestWallets(t *testing.T) {
	r := newRig(t)
	v, looker := r.owner, r.invited("looker@a.example", paybell.RoleReadOnly)
	const path = "/dash/wallets"
	v.get(path).want(t, 200, "This server watches no real coins yet.", "Litecoin Testnet", "No integration yet", "completed after 3", "Until you have a wallet for real coins",
		"Bitcoin (BTC)", "paybell serve --bitcoin-node", "paybell serve --litecoin-node", "Not in this version", "Ether (ETH)", "Euro (EUR)", "Mine a block").
		wantNot(t, "Add wallet", `role="switch"`, "/new/BTC", "This version takes the test coin only")
	looker.get(path).want(t, 200, "No integration yet").wantNot(t, "Mine a block", "Add New")
	v.get(path+"/new/BTC").want(t, 404)
	v.post(path+"/test-coin", "offer", "yes").want(t, 409, "add one first")

	v.follow(v.post(path+"/mine", "blocks", "1")).want(t, 200, "Mined 1 block: the test ledger&#39;s height is 1.")
	v.follow(v.post(path+"/mine", "blocks", "3")).want(t, 200, "Mined 3 blocks: the test ledger&#39;s height is 4.", "<dd>Block 4</dd>")
	for _, blocks := range []string{"", "x", "0", "-1", "1001", "99999999999999999999"} {
		v.post(path+"/mine", "blocks", blocks).want(t, 422)
	}
	looker.post(path+"/mine", "blocks", "1").want(t, 403)
	looker.get(path).want(t, 200, "<dd>Block 4</dd>")
}

func TestTerms(t *testing.T) {
	r := newRig(t)
	v, looker := r.owner, r.invited("looker@a.example", paybell.RoleReadOnly)
	c, _, err := r.desk.CreateClient(t.Context(), r.ownerActor(), desk.NewClient{Name: "Shop <1>"})
	must(t, err)
	const list = "/dash/wallets"
	path := list + "/terms/" + c.ID
	v.get(list).want(t, 200, "Shop &lt;1&gt;", "1 h", "7 d", "None", "You decide", path).wantNot(t, "Shop <1>")
	looker.get(list).want(t, 200, "Shop &lt;1&gt;").wantNot(t, path)
	v.get(path).want(t, 200, `data-modal="/dash/wallets"`, `name="window" value="1"`, "<option selected>hours</option>", `name="lifetime" value="7"`, `name="tolerance" value="0"`, "Invoices that exist keep")

	form := func(change ...string) []string {
		values := map[string]string{"window": "15", "windowUnit": "minutes", "lifetime": "36", "lifetimeUnit": "hours", "tolerance": "0,5 %", "late": "yes"}
		for i := 0; i+1 < len(change); i += 2 {
			values[change[i]] = change[i+1]
		}
		var pairs []string
		for name, value := range values {
			pairs = append(pairs, name, value)
		}
		return pairs
	}
	for _, bad := range []struct{ name, value, says, shows string }{
		{"window", "x", "Payment window is not a number", `value="x"`},
		{"window", "", "Payment window is not a number", `value="15"`},
		{"window", "-5", "Payment window is not a number", `value="-5"`},
		{"window", "4", "Payment window must be 5 minutes to 24 hours.", `value="4"`},
		{"window", "1441", "must be 5 minutes to 24 hours", ""},
		{"windowUnit", "years", "choose minutes, hours or days", ""},
		{"lifetime", "0.1", "Lifetime must be at least as long as the payment window.", `value="0.1"`},
		{"lifetime", "9999999999", "Lifetime must be at most 365 days.", ""},
		{"tolerance", "much", "Tolerance is not a percentage", `value="much"`},
		{"tolerance", "0.555", "Tolerance has more than two digits", ""},
		{"tolerance", "10.01", "Tolerance must be 0 to 10 percent.", ""},
		{"tolerance", "99999999999999999999", "Tolerance must be 0 to 10 percent.", ""},
		{"tolerance", `"><script>`, "Tolerance is not a percentage", "&#34;&gt;&lt;script&gt;"},
	} {
		a := v.post(path, form(bad.name, bad.value)...).want(t, 422, bad.says, " checked")
		if bad.value != "" && !strings.Contains(a.body, bad.shows) {
			t.Errorf("%s %q is not shown again", bad.name, bad.value)
		}
		if strings.HasSuffix(bad.name, "Unit") == strings.Contains(a.body, `aria-invalid="true"`) && bad.name != "windowUnit" {
			t.Errorf("%s %q is not marked", bad.name, bad.value)
		}
	}
	v.follow(v.post(path, form()...)).want(t, 200, "15 min", "1 d 12 h", "0.5 %", "Accepted", "The terms of Shop &lt;1&gt; are saved.")
	got, err := r.desk.Client(t.Context(), r.ownerActor(), c.ID)
	must(t, err)
	if want := (paybell.Terms{Window: 15 * time.Minute, Lifetime: 36 * time.Hour, Tolerance: 50, AcceptLate: true}); got.Terms != want {
		t.Errorf("the terms are %+v, want %+v", got.Terms, want)
	}
	v.post(path, form("late", "", "window", "7.5")...).want(t, 303)
	v.get(path).want(t, 200, `name="window" value="450"`, "<option selected>seconds</option>").wantNot(t, " checked")
	v.get("/dash/settings/audit").want(t, 200, "Changed the terms", "window 15m, lifetime 36h, tolerance 0.50 %, late money accepted")

	looker.get(path).want(t, 403)
	looker.post(path, form()...).want(t, 403)
	r.invited("staff@a.example", paybell.RoleStaff).post(path, form()...).want(t, 303)
	theirs, _, err := r.desk.CreateClient(t.Context(), r.merchant(), desk.NewClient{Name: "x"})
	must(t, err)
	for _, id := range []string{theirs.ID, "x", paybell.NewClientID()} {
		v.get(list+"/terms/"+id).want(t, 404)
		v.post(list+"/terms/"+id, form()...).want(t, 404)
	}
}

func TestLengths(t *testing.T) {
	for d, want := range map[time.Duration]length{
		time.Hour: {"1", "hours"}, 24 * time.Hour: {"24", "hours"}, 48 * time.Hour: {"2", "days"}, 90 * time.Minute: {"90", "minutes"},
		90 * time.Second: {"90", "seconds"}, 365 * 24 * time.Hour: {"365", "days"}, 0: {"0", "seconds"},
	} {
		got := newLength(d)
		if got != want {
			t.Errorf("%v is %v, want %v", d, got, want)
		}
		if back, err := got.read("x"); err != nil || back != d {
			t.Errorf("%v reads as %v, %v", got, back, err)
		}
	}
	for bp, want := range map[int]string{0: "0", 1: "0.01", 50: "0.5", 125: "1.25", 1000: "10"} {
		if got := percent(bp); got != want {
			t.Errorf("%d basis points are %s, want %s", bp, got, want)
		}
		if back, err := readPercent("x", want+" %"); err != nil || back != bp {
			t.Errorf("%s %% is %d, %v", want, back, err)
		}
	}
}
