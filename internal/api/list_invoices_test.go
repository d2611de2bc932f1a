package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

const listPath = "/api/v2/merchant/invoices"

// placed makes an invoice as if it had been created at a moment.
func (b *bench) placed(c client, at time.Time, bill paybell.Bill) string {
	b.Helper()
	bill.Currency, bill.Total = "5057", decimal.NewFromInt(10)
	bill.Breakdown.Subtotal = bill.Total
	created := paybell.Create(paybell.Invoice{
		ID: paybell.NewUUID(at), MerchantID: b.merchantOf(c), ClientID: c.id, Bill: bill,
		ExpiresAt: time.Now().Add(paybell.DefaultTerms.Lifetime), Window: time.Hour,
	}, at)
	must(b.T, store.Do(b.Context(), b.db, func(tx *store.Tx) error { return tx.Apply(created) }))
	return created.Invoice.ID
}

// list reads one page.
func (b *bench) list(c client, query string) []string {
	b.Helper()
	return idsOf(b, b.want(200, c, "GET", listPath+query, ""))
}

func idsOf(b *bench, page any) (ids []string) {
	b.Helper()
	for _, item := range get(b, page, "items").([]any) {
		ids = append(ids, get(b, item, "id").(string))
	}
	return ids
}

// pages reads a list to its end the way a client does: by following paging.next.
// Between the pages it calls between.
func (b *bench) pages(c client, path string, between func()) (ids []string) {
	b.Helper()
	for n := 0; path != ""; n++ {
		if n > 100 {
			b.Fatalf("the list never ends: %s", path)
		}
		page := b.want(200, c, "GET", path, "")
		ids = append(ids, idsOf(b, page)...)
		next, more := get(b, page, "paging", "next").(string)
		after, _ := get(b, page, "paging", "cursors", "after").(string)
		path = ""
		if more {
			u, err := url.Parse(next)
			must(b.T, err)
			b.same(u.Query().Get("after"), after)
			path = strings.TrimPrefix(next, b.url)
		} else {
			b.same(after, "")
		}
		between()
	}
	return ids
}

// Newest first, those of the whole merchant, and of nobody else.
func TestListInvoices(t *testing.T) {
	b := newBench(t)
	var made []string
	for i := range 5 {
		c := b.shop
		if i == 2 {
			c = b.sibling
		}
		made = append(made, b.invoice(c, fmt.Sprintf(`,"invoiceId":%d`, i)))
	}
	other := b.invoice(b.stranger, "")
	b.want(200, b.shop, "POST", "/api/v1/merchant/invoices/"+made[3]+"/cancel", "")
	slices.Reverse(made)

	for limit := 1; limit <= 6; limit++ {
		for _, version := range bothVersions {
			if read := b.pages(b.shop, fmt.Sprintf("/api/%s/merchant/invoices?limit=%d", version, limit), func() {}); !slices.Equal(read, made) {
				t.Errorf("by pages of %d: read %v, want %v", limit, read, made)
			}
		}
	}
	for query, want := range map[string]int{
		"?status=cancelled": 1, "?status=Unpaid": 4, "?status=paid": 0, "?clientId=" + b.sibling.id: 1, "?limit=100": 5, "": 5,
		"?clientId=" + b.stranger.id: 0, "?from=&to=&q=&status=&integration=&after=&payoutWalletId=&limit=": 5, "?unknown=x": 5,
		"?clientId=" + paybell.DashedClientID(b.sibling.id): 1, "?clientId=" + strings.ToUpper(b.sibling.id): 1,
	} {
		b.same(len(b.list(b.shop, query)), strconv.Itoa(want))
	}
	for _, never := range []string{"draft", "scheduled", "deleted", "Deleted"} { // which the contract knows (3.1)
		for _, version := range bothVersions {
			page := b.want(200, b.shop, "GET", "/api/"+version+"/merchant/invoices?status="+never, "")
			b.same(get(b, page, "items"), "[]")
			b.same(get(b, page, "paging", "next"), "<nil>")
		}
	}
	b.same(b.list(b.stranger, ""), fmt.Sprint([]string{other}))
	b.same(b.list(b.stranger, "?clientId="+b.shop.id), "[]")
	b.same(b.list(b.stranger, "?integration="+b.shop.id), "[]")
	b.same(b.list(b.stranger, "?q="+made[0]), "[]")

	for _, version := range bothVersions {
		path := "/api/" + version + "/merchant/invoices"
		for query, field := range map[string]string{
			"?status=none": "status", "?status=paid,unpaid": "status", "?limit=0": "limit", "?limit=101": "limit", "?limit=x": "limit", "?limit=-1": "limit",
			"?limit=1.5": "limit", "?limit=99999999999999999999": "limit", "?after=x": "after", "?after=%00": "after", "?after=MTIz": "after",
			"?after=" + made[0]: "after", "?clientId=7": "clientId", "?clientId=" + made[0][:35]: "clientId",
			"?from=x": "from", "?from=2026-13-01": "from", "?from=2026-02-30": "from", "?from=1767323045": "from", "?from=2026-01-02T03:04:05+01:00": "from",
			"?to=x": "to", "?to=2026-1-2": "to", "?to=2026-01-02T25:00:00Z": "to", "?to=tomorrow": "to",
			"?q=a+b+c+d+e": "q", "?q=a%00b": "q", "?q=%ff": "q", "?integration=%00": "integration", "?integration=%c3": "integration", "?status=%00": "status",
		} {
			b.wantField(b.call(b.shop, "GET", path+query, ""), field)
		}
	}
	b.wantProblem(b.call(b.limited(b.merchant("Third"), paybell.AllPermissions&^paybell.ListInvoices), "GET", listPath, ""), 403, "listInvoices")
}

// Nothing was ever paid out to a wallet. Who asks is checked all the same, and
// how.
func TestListByPayoutWallet(t *testing.T) {
	b := newBench(t)
	b.invoice(b.shop, "")
	for _, version := range bothVersions {
		path := "/api/" + version + "/merchant/invoices?payoutWalletId=x"
		page := b.want(200, b.shop, "GET", path, "")
		b.same(get(b, page, "items"), "[]")
		b.same(get(b, page, "paging", "next"), "<nil>")
		b.wantField(b.call(b.shop, "GET", path+"&status=none", ""), "status")
		b.wantField(b.call(b.shop, "GET", path+"&limit=x", ""), "limit")
		b.wantField(b.call(b.shop, "GET", path+"&limit=101", ""), "limit")
		b.wantField(b.call(b.shop, "GET", path+"&limit=0", ""), "limit")
		b.wantField(b.call(b.shop, "GET", path+"&q=a+b+c+d+e", ""), "q")
		b.wantProblem(b.call(b.limited(b.merchant("Third"), paybell.AllPermissions&^paybell.ListInvoices), "GET", path, ""), 403, "listInvoices")
	}
}

// from and to are both included; a day is all of it, and so is a second.
func TestListByTime(t *testing.T) {
	b := newBench(t)
	moment := func(s string) time.Time {
		at, err := time.Parse("2006-01-02T15:04:05.999999Z07:00", s)
		must(t, err)
		return at
	}
	names, ids := map[string]string{}, map[string]string{}
	for name, at := range map[string]string{
		"a": "2026-01-01T23:59:59.999999Z", "b": "2026-01-02T00:00:00Z", "c": "2026-01-02T12:00:00Z", "d": "2026-01-02T12:00:00.5Z",
		"e": "2026-01-02T12:00:00.999999Z", "f": "2026-01-02T12:00:01Z", "g": "2026-01-02T23:59:59.999999Z", "h": "2026-01-03T00:00:00Z",
	} {
		ids[name] = b.placed(b.shop, moment(at), paybell.Bill{})
		names[ids[name]] = name
	}
	for query, want := range map[string]string{
		"": "hgfedcba",
		// days
		"from=2026-01-02": "hgfedcb", "to=2026-01-02": "gfedcba", "from=2026-01-02&to=2026-01-02": "gfedcb", "from=2026-01-03": "h", "to=2026-01-01": "a",
		"from=2026-01-04": "", "to=2025-12-31": "", "from=2026-01-03&to=2026-01-02": "", "from=2026-01-01&to=2026-01-03": "hgfedcba",
		// whole seconds
		"from=2026-01-02T12:00:00Z": "hgfedc", "to=2026-01-02T12:00:00Z": "edcba", "from=2026-01-02T12:00:00Z&to=2026-01-02T12:00:00Z": "edc",
		"from=2026-01-02T12:00:01Z": "hgf", "to=2026-01-02T11:59:59Z": "ba", "to=2026-01-02T00:00:00Z": "ba", "from=2026-01-02T00:00:00Z": "hgfedcb",
		"from=2026-01-02T12:00:00&to=2026-01-02T12:00:00": "edc", // UTC unless it says otherwise
		// parts of seconds
		"from=2026-01-02T12:00:00.5Z": "hgfed", "to=2026-01-02T12:00:00.5Z": "dcba", "from=2026-01-02T12:00:00.500001Z": "hgfe", "to=2026-01-02T12:00:00.499999Z": "cba",
		"from=2026-01-02T12:00:00.999999Z&to=2026-01-02T12:00:00.999999Z": "e",
		// elsewhere
		"from=2026-01-02T13:00:00%2B01:00": "hgfedc", "to=2026-01-02T06:00:00-06:00": "edcba", "from=2026-01-02T01:00:00%2B01:00&to=2026-01-02T00:59:59%2B01:00": "",
		// the ends of time
		"from=0001-01-01&to=9999-12-31": "hgfedcba", "from=9999-12-31": "", "to=0001-01-01": "", "to=1969-12-31T23:59:59Z": "", "to=1970-01-01": "",
	} {
		var read strings.Builder
		for _, id := range b.pages(b.shop, listPath+"?limit=3&"+query, func() {}) {
			read.WriteString(names[id])
		}
		if read.String() != want {
			t.Errorf("%s: %s, want %s", query, read.String(), want)
		}
	}
	// Of one moment, the ids decide.
	for range 5 {
		b.placed(b.stranger, moment("2026-01-02T12:00:00Z"), paybell.Bill{})
	}
	all := b.list(b.stranger, "?limit=100")
	if read := b.pages(b.stranger, listPath+"?limit=2", func() {}); !slices.Equal(read, all) || len(read) != 5 {
		t.Errorf("read %v, want %v", read, all)
	}
}

// q finds what people remember of an invoice: parts of its numbers, of who buys,
// of what; all of them, in any case. Its id is found as a whole.
func TestListByWords(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, `,"invoiceId":"WHMCS_42","poNumber":"PO-7%","description":"Blue \"socks\" 50% off","buyer":{"companyName":"Größe & Co","name":{"firstName":"Ada","lastName":"Lovelace"},
		"emailAddress":"Ada@Example.com","phoneNumber":"+(5)5"},"items":[{"name":"Sock_left","sku":"SKU9","amount":"6"},{"name":"C:\\sock","amount":"4"}],
		"notes":"a secret note","customData":{"k":"hidden"},"metadata":{"integration":"plugin:x"}`)
	other := b.invoice(b.shop, `,"invoiceId":"WHMCS-43"`)
	for q, found := range map[string]bool{
		"WHMCS_42": true, "whmcs_42": true, "cs_4": true, "42": true, "s-43": false, "WHMCS?42": false, "whmcs%": false,
		"po-7%": true, "po-7_": false, "50%": true, "5_%": false, `"socks"`: true, "BLUE": true, "sock_l": true, "sock%": false, "sockl": false, `c:\sock`: true, `c:\\sock`: false, `\`: true,
		"ada": true, "lovelace": true, "ada@example.com": true, "ADA@EXAMPLE": true, "größe": true, "GRÖSSE": false, "GRÖßE": true, "& co": true,
		"ada socks blue": true, "ada s-43": false, "ada love whmcs off": true, "ada ada ada ada": true, "  ada \t ": true,
		"secret": false, "hidden": false, "plugin": false, "+(5)5": false, "sku9": false, id: true, strings.ToUpper(id): true, id + " ada": true, "ada " + id: true, id + " s-43": false, id[:13]: false, id[1:]: false, "'": false, "ada'--": false,
	} {
		read := b.list(b.shop, "?q="+url.QueryEscape(q))
		if slices.Contains(read, id) != found {
			t.Errorf("q=%s found %v, want it found: %v", q, read, found)
		}
	}
	b.same(len(b.list(b.shop, "?q=whmcs")), "2")
	b.same(len(b.list(b.shop, "?q="+id+"+"+other)), "0") // no invoice is both
	b.same(len(b.list(b.shop, "?q="+other+"+"+id)), "0")

	// The merchant's own number may look like an id of ours.
	const order = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	numbered := b.invoice(b.shop, `,"invoiceId":"`+order+`"`)
	b.same(b.list(b.shop, "?q="+order), fmt.Sprint([]string{numbered}))
	b.same(b.list(b.shop, "?q="+order[9:]), fmt.Sprint([]string{numbered}))
	b.same(b.list(b.shop, "?q=%20"), fmt.Sprint([]string{numbered, other, id})) // no words
}

// integration is a client, or what the metadata say of the program.
func TestListByIntegration(t *testing.T) {
	b := newBench(t)
	made := map[string]string{
		"shop's whmcs":    b.invoice(b.shop, `,"metadata":{"integration":"plugin:whmcs_8","hostname":"plugin:other"}`),
		"sibling's whmcs": b.invoice(b.sibling, `,"metadata":{"integration":"plugin:whmcs_8"}`),
		"shop's other":    b.invoice(b.shop, `,"metadata":{"integration":"plugin:other"}`),
		"shop's long":     b.invoice(b.shop, `,"metadata":{"integration":"`+strings.Repeat("é", 127)+`"}`),
		"shop's odd":      b.invoice(b.shop, `,"metadata":{"integration":7}`),
		"sibling's none":  b.invoice(b.sibling, ""),
	}
	for integration, want := range map[string][]string{
		"plugin:whmcs_8": {"shop's whmcs", "sibling's whmcs"}, "plugin:other": {"shop's other"}, "plugin:whmcs": {}, "PLUGIN:OTHER": {}, "%": {}, "7": {},
		strings.Repeat("é", 127): {"shop's long"}, "": slices.Sorted(func(yield func(string) bool) {
			for name := range made {
				if !yield(name) {
					return
				}
			}
		}),
		b.shop.id: {"shop's whmcs", "shop's other", "shop's long", "shop's odd"}, b.sibling.id: {"sibling's whmcs", "sibling's none"},
		paybell.DashedClientID(b.sibling.id): {"sibling's whmcs", "sibling's none"}, strings.ToUpper(b.sibling.id): {"sibling's whmcs", "sibling's none"},
		b.stranger.id: {}, paybell.NewClientID(): {},
	} {
		var ids []string
		for _, name := range want {
			ids = append(ids, made[name])
		}
		read := b.list(b.shop, "?integration="+url.QueryEscape(integration))
		if slices.Sort(ids); !slices.Equal(slices.Sorted(slices.Values(read)), ids) {
			t.Errorf("integration=%s: %d invoices, want %v", integration, len(read), want)
		}
	}
	row := get(b, b.want(200, b.shop, "GET", listPath+"?integration=plugin:other", ""), "items", 0)
	b.same(get(b, row, "metadata"), "map[integration:plugin:other]")
}

// listed is an invoice as the test knows it.
type listed struct {
	id, status, clientID, integration, word string
	at                                      time.Time
}

// Every filter with every other, page by page while new invoices come: each that
// was there is read once, in its order, and none that is new.
func TestListFiltersTogether(t *testing.T) {
	b := newBench(t)
	var all []listed // newest first
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	clients := []client{b.shop, b.sibling}
	add := func(n int, at time.Time) listed {
		l := listed{clientID: clients[n%2].id, integration: "plugin:" + strconv.Itoa(n/2%2), word: []string{"red", "green"}[n/4%2], at: at, status: "unpaid"}
		l.id = b.placed(clients[n%2], at, paybell.Bill{
			Description: "the " + l.word + " one", Metadata: []byte(`{"integration":"` + l.integration + `"}`),
		})
		if n/8%2 == 1 {
			b.want(200, clients[n%2], "POST", listPath+"/"+l.id+"/cancel", "")
			l.status = "cancelled"
		}
		return l
	}
	for n := range 64 {
		all = append([]listed{add(n, day.Add(time.Duration(n)*time.Hour))}, all...)
	}
	filters := []struct {
		query string
		fits  func(listed) bool
	}{
		{"status=cancelled", func(l listed) bool { return l.status == "cancelled" }},
		{"clientId=" + b.sibling.id, func(l listed) bool { return l.clientID == b.sibling.id }},
		{"integration=plugin:1", func(l listed) bool { return l.integration == "plugin:1" }},
		{"q=RED+one", func(l listed) bool { return l.word == "red" }},
		{"from=2026-01-03", func(l listed) bool { return !l.at.Before(day.AddDate(0, 0, 1)) }},
		{"to=2026-01-04T02:00:00Z", func(l listed) bool { return !l.at.After(day.Add(50 * time.Hour)) }},
	}
	for set := range 1 << len(filters) {
		query, want := []string{"limit=" + strconv.Itoa(2+set%3)}, all
		for i, f := range filters {
			if set&(1<<i) != 0 {
				query = append(query, f.query)
				want = slices.DeleteFunc(slices.Clone(want), func(l listed) bool { return !f.fits(l) })
			}
		}
		var ids, later []string
		for _, l := range want {
			ids = append(ids, l.id)
		}
		version := bothVersions[set%2]
		read := b.pages(b.shop, "/api/"+version+"/merchant/invoices?"+strings.Join(query, "&"), func() {
			if len(later) < 2 { // newer than all, and fitting but for its time
				l := add(10+len(later), all[0].at.Add(time.Hour))
				all, later = append([]listed{l}, all...), append(later, l.id)
			}
		})
		if !slices.Equal(read, ids) {
			t.Errorf("%v: read %d invoices, want %d:\n%v\n%v", query, len(read), len(ids), read, ids)
		}
	}
}

// The links of a page keep its filters, and its next one is followed as it is.
func TestListLinks(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.invoice(b.shop, `,"description":"a&b=c é+d"`)
	}
	const query = "?q=a%26b%3Dc+%C3%A9%2Bd&limit=2&status=unpaid"
	for _, version := range bothVersions {
		path := "/api/" + version + "/merchant/invoices"
		page := b.want(200, b.shop, "GET", path+query, "")
		first := get(b, page, "paging", "first").(string)
		b.same(first, b.url+path+"?limit=2&q=a%26b%3Dc+%C3%A9%2Bd&status=unpaid")
		b.same(get(b, page, "paging", "limit"), "2")
		b.same(get(b, page, "paging", "previous"), "<nil>")
		next := b.want(200, b.shop, "GET", strings.TrimPrefix(get(b, page, "paging", "next").(string), b.url), "")
		b.same(len(get(b, next, "items").([]any)), "1")
		b.same(get(b, next, "paging", "first"), first)
		b.same(get(b, next, "paging", "next"), "<nil>")
		b.same(b.want(200, b.shop, "GET", strings.TrimPrefix(first, b.url), ""), fmt.Sprint(page))
	}
	// A page that ends with the last invoice leads to an empty one.
	page := b.want(200, b.shop, "GET", listPath+"?limit=3", "")
	empty := b.want(200, b.shop, "GET", strings.TrimPrefix(get(b, page, "paging", "next").(string), b.url), "")
	b.same(get(b, empty, "items"), "[]")
	b.same(get(b, empty, "paging", "next"), "<nil>")
	b.same(get(b, b.want(200, b.shop, "GET", listPath, ""), "paging", "limit"), "25")
}

// What a row has of shipping and metadata is less than the invoice has, and its
// payments are there with their money.
func TestRowsOfTheList(t *testing.T) {
	b := newBench(t)
	id := get(b, b.want(201, b.shop, "POST", createPath, rich("v2", b.shop)), "invoices", 0, "id").(string)
	b.invoice(b.shop, `,"shipping":{"method":"by hand"},"metadata":{"hostname":"x"}`)
	b.invoice(b.shop, "")
	b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", `{"amount":"0.1"}`)
	b.watch()
	for _, version := range bothVersions {
		rows := get(b, b.want(200, b.shop, "GET", "/api/"+version+"/merchant/invoices", ""), "items")
		inv := b.read(b.shop, version, id)
		row := get(b, rows, 2).(map[string]any)
		b.same(row["shipping"], fmt.Sprint(map[string]any{"address": at(b, inv, "shipping/address")}))
		b.same(row["metadata"], "map[integration:plugin:whmcs_8]")
		b.same(row["payments"], fmt.Sprint(inv["payments"]))
		b.same(len(get(b, row, "payments").([]any)), "1")
		for _, key := range []string{"buyer", "status", "created", "expires", "invoiceId", "invoiceDate", "dueDate", "currency", "description", "notes",
			"notesToRecipient", "emailDelivery", "isEmailDelivery", "partialAcceptAvailable", "isLifeTimeFinished", "paybell", "state"} {
			b.same(row[key], fmt.Sprint(inv[key]))
		}
		b.same(get(b, rows, 1, "metadata"), "<nil>")
		b.same(get(b, rows, 1, "shipping"), "map[address:map[]]")
		b.same(get(b, rows, 0, "shipping"), "<nil>")
		b.same(get(b, rows, 0, "payments"), "[]")
	}
}

// What happened to an invoice is read by pages, too.
func TestHistory(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, `,"payment":{"paymentCurrency":"LTCT"}`)
	b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", `{"amount":"0.1"}`)
	b.watch()
	b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", "")
	b.watch()
	b.want(200, b.shop, "POST", "/api/v1/sandbox/mine", `{"blocks":3}`)
	b.watch()
	want := "created updated pending pending paid completed" // updated: a coin was chosen, which made it pending
	for _, version := range bothVersions {
		start := "/api/" + version + "/merchant/invoices/" + id + "/history"
		for limit := 1; limit <= 6; limit++ {
			var read []string
			for path, n := start+"?limit="+strconv.Itoa(limit), 0; path != "" && n < 10; n++ {
				page := b.want(200, b.shop, "GET", path, "")
				for _, item := range get(b, page, "items").([]any) {
					read = append(read, get(b, item, "eventType").(string))
				}
				next, _ := get(b, page, "paging", "next").(string)
				path = strings.TrimPrefix(next, b.url)
			}
			b.same(strings.Join(read, " "), want)
		}
		for query, field := range map[string]string{
			"?limit=0": "limit", "?limit=101": "limit", "?limit=x": "limit", "?after=x": "after", "?after=-1": "after", "?after=1.5": "after", "?after=99999999999999999999": "after",
		} {
			b.wantField(b.call(b.shop, "GET", start+query, ""), field)
		}
		b.same(get(b, b.want(200, b.shop, "GET", start+"?after=100", ""), "items"), "[]")
	}
	cancelled := b.invoice(b.shop, "")
	b.want(200, b.shop, "POST", createPath+"/"+cancelled+"/cancel", "")
	b.same(get(b, b.want(200, b.sibling, "GET", createPath+"/"+cancelled+"/history", ""), "items", 1, "eventType"), "cancelled")
	expired := b.invoice(b.shop, `,"payment":{"paymentCurrency":"LTCT"}`)
	b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+expired+"/expire", `{"what":"lifetime"}`)
	b.watch()
	b.same(get(b, b.want(200, b.shop, "GET", createPath+"/"+expired+"/history?after=4", ""), "items", 0, "eventType"), "timedOut")
	b.wantProblem(b.call(b.stranger, "GET", createPath+"/"+id+"/history", ""), 404)
	b.wantProblem(b.call(b.shop, "GET", createPath+"/x/history", ""), 404)
}
