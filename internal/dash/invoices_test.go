package dash

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/watch"
)

// till is an integration that invoices are made for.
type till struct {
	*rig
	owner desk.Actor
	as    desk.Actor // the owner, for the integration
	w     *watch.Watcher
}

func (r *rig) till(name string) *till {
	r.Helper()
	return r.tillOf(r.ownerActor(), name)
}

func (r *rig) tillOf(owner desk.Actor, name string) *till {
	r.Helper()
	c, _, err := r.desk.CreateClient(r.Context(), owner, desk.NewClient{Name: name, Permissions: paybell.AllPermissions})
	must(r.T, err)
	as, err := r.desk.As(r.Context(), owner, c.ID)
	must(r.T, err)
	return &till{r, owner, as, &watch.Watcher{DB: r.desk.DB, Chain: r.desk.Sandbox.(*sandbox.Chain), Every: time.Second}}
}

// bill is an invoice about 10 USD, and what write makes of it.
func (s *till) bill(write func(*paybell.Bill)) paybell.Invoice {
	s.Helper()
	ten := decimal.NewFromInt(10)
	b := paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}}
	if write != nil {
		write(&b)
	}
	inv, err := s.desk.CreateInvoice(s.Context(), s.as, desk.NewInvoice{Bill: b})
	must(s.T, err)
	return inv
}

func numbered(number string) func(*paybell.Bill) {
	return func(b *paybell.Bill) { b.Number = number }
}

// scan looks at the chain until nothing is due.
func (s *till) scan() {
	s.Helper()
	for range 3 {
		if _, err := s.w.Step(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
}

// press sends one of an invoice's forms.
func (v *visitor) press(id, button string, pairs ...string) answer {
	v.rig.Helper()
	return v.post("/dash/invoices/"+id+"/"+button, pairs...)
}

// lines are the ids of the invoices that a page lists, in its order.
func lines(a answer) (ids []string) {
	for _, m := range regexp.MustCompile(`<tr id="inv-([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// titles are what the timeline of an invoice says, the newest first.
func titles(a answer) (all []string) {
	for _, m := range regexp.MustCompile(`<li id="[^"]+"[^>]*>\s*<p><strong>([^<]*)</strong>`).FindAllStringSubmatch(a.body, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

func (v *visitor) wantTitles(id string, want ...string) answer {
	v.rig.Helper()
	a := v.get("/dash/invoices/"+id).want(v.rig.T, http.StatusOK)
	if got := titles(a); !slices.Equal(got, want) {
		v.rig.Errorf("the timeline says %q, want %q", got, want)
	}
	return a
}

func TestNoInvoices(t *testing.T) {
	r := newRig(t)
	looker := r.invited("look@cafe-bell.example", paybell.RoleReadOnly)
	r.owner.get("/dash/invoices").want(t, 200, "<h1>Invoices</h1>", "No invoice yet", `href="/dash/integrations/api/new"`, "Add an integration").wantNot(t, `class="filters`, "Export CSV")
	looker.get("/dash/invoices").want(t, 200, "No invoice yet").wantNot(t, "/dash/invoices/new", "/dash/integrations/api/new")
	r.owner.get("/dash/invoices/new").want(t, 200, "Add an integration first", `href="/dash/integrations/api/new"`).wantNot(t, "<select")
	r.till("Web shop")
	r.owner.get("/dash/invoices").want(t, 200, "No invoice yet", `class="button" href="/dash/invoices/new"`)
	r.owner.get("/dash/invoices?q=x").want(t, 200, "No invoice found", "Clear the filters", `class="filters`)
	r.owner.get("/dash/invoices.csv").want(t, 200, "Invoice ID,Number")
}

func TestInvoiceList(t *testing.T) {
	r := newRig(t)
	shop, other := r.till("Web shop"), r.till("Wholesale <b>")
	looker := r.invited("look@cafe-bell.example", paybell.RoleReadOnly)
	m, err := r.desk.CreateMerchant(t.Context(), "Others", "")
	must(t, err)
	theirs := r.tillOf(desk.Owner(m.ID), "Theirs").bill(numbered("WC-1"))

	plain := shop.bill(nil)
	first := shop.bill(func(b *paybell.Bill) {
		b.Number, b.PONumber, b.Description = "WC-1", "PO-9", "Blue <script>alert(1)</script> shirt"
		b.Buyer = &paybell.Party{Name: paybell.Name{First: "Zoë", Last: "O'Hara & <i>"}, Email: "zoe@example.com"}
	})
	second := other.bill(numbered("WC-12"))
	must(t, r.desk.CancelInvoice(t.Context(), shop.owner, second.ID))
	all := []string{second.ID, first.ID, plain.ID}

	page := r.owner.get("/dash/invoices").want(t, 200, "WC-1</a>", "PO PO-9", "Blue &lt;script&gt;alert(1)&lt;/script&gt; shirt", "Zoë O&#39;Hara &amp; &lt;i&gt;", "zoe@example.com",
		"10.00 USD", ">Unpaid</span>", ">Cancelled</span>", ">Test</span>", "Wholesale &lt;b&gt;", plain.ID[:8]+"…", "Export CSV", "New invoice").wantNot(t, "<script>alert", "<b>", theirs.ID, "Older", "Newest")
	if got := lines(page); !slices.Equal(got, all) {
		t.Errorf("listed are %v, want %v", got, all)
	}
	today, tomorrow := time.Now().UTC().Format(time.DateOnly), time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for query, want := range map[string][]string{
		"state=cancelled": {second.ID}, "state=unpaid": {first.ID, plain.ID}, "state=paid": nil,
		"client=" + shop.as.ClientID: {first.ID, plain.ID}, "client=" + other.as.ClientID + "&state=unpaid": nil, "client=" + paybell.NewClientID(): nil,
		"from=" + today: all, "from=" + today + "&to=" + today: all, "from=" + tomorrow: nil, "to=2026-01-01": nil,
		"q=shirt": {first.ID}, "q=blue+zoe@example": {first.ID}, "q=nothing": nil, "q=wc": {second.ID, first.ID},
		"q=" + theirs.ID: nil, "q=" + plain.ID: {plain.ID}, "q=po-9": {first.ID}, "q=wc-12&state=unpaid": nil,
		"before=x": all, "before=5.x": all, "before=" + place(first.CreatedAt, first.ID): {plain.ID}, "unknown=1": all,
	} {
		a := r.owner.get("/dash/invoices?"+query).want(t, 200, `class="filters`)
		if got := lines(a); !slices.Equal(got, want) {
			t.Errorf("%s lists %v, want %v", query, got, want)
		}
		if len(want) == 0 {
			a.want(t, 200, "No invoice found")
		}
	}
	// Just this number first, although a newer one has it, too.
	exact := r.owner.get("/dash/invoices?q=wc-1").want(t, 200, "Exactly “wc-1”", "Also in")
	if got := lines(exact); !slices.Equal(got, []string{first.ID, second.ID}) {
		t.Errorf("by a number are listed %v", got)
	}
	for query, says := range map[string]string{
		"from=31.1.2026": "From must be a date", "to=2026-02-30": "To must be a date", "from=2026-02-02&to=2026-02-01": "From is after To",
		"state=none": "no such state", "client=7": "no such integration", "q=a+b+c+d+e": "four words", "q=" + strings.Repeat("x", 201): "four words",
	} {
		r.owner.get("/dash/invoices?"+query).want(t, 200, says, `class="filters`).wantNot(t, `id="inv-`)
		r.owner.get("/dash/invoices.csv?"+query).want(t, http.StatusUnprocessableEntity, says)
	}
	// What was looked for stays in the form.
	r.owner.get("/dash/invoices?q=%22%3Cb%3E&state=paid&client="+shop.as.ClientID+"&from=2026-01-02&to=2026-01-03").want(t, 200, `value="&#34;&lt;b&gt;"`, `name="state" value="paid"`,
		`value="`+shop.as.ClientID+`" selected`, `name="from" value="2026-01-02"`, `name="to" value="2026-01-03"`, "state=unpaid")
	r.owner.get("/dash/invoices?q=wc&state=unpaid").want(t, 200, `href="/dash/invoices.csv?q=wc&amp;state=unpaid"`)

	looker.get("/dash/invoices").want(t, 200, "WC-12").wantNot(t, "/dash/invoices/new")
}

func TestInvoicePages(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	var want []string
	for i := range 2*invoicesOnPage + 3 {
		want = append(want, shop.bill(numbered(fmt.Sprint("WC-", i))).ID)
	}
	slices.Reverse(want)
	var read []string
	path := "/dash/invoices?q=wc"
	for range 5 {
		a := r.owner.get(path).want(t, 200)
		read = append(read, lines(a)...)
		older := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(a.body)
		if older == nil {
			break
		}
		path = html.UnescapeString(older[1])
	}
	if !slices.Equal(read, want) {
		t.Errorf("read %d invoices, want %d", len(read), len(want))
	}
	r.owner.get(path).want(t, 200, `href="/dash/invoices?q=wc">Newest</a>`)
	last := want[len(want)-1]
	inv, _, err := r.desk.Invoice(t.Context(), r.ownerActor(), last)
	must(t, err)
	r.owner.get("/dash/invoices?before="+place(inv.CreatedAt, last)).want(t, 200, "No older invoices", `href="/dash/invoices"`)
}

// A search that has not come to the end says how far it came, and leads on.
func TestSearchGoesOn(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	users, err := r.desk.Users(t.Context(), r.ownerActor())
	must(t, err)
	line := newInvoiceLine(shop.bill(numbered("WC-1")), nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, found := range map[string][]invoiceLine{"nothing": nil, "one": {line}} {
		p := &page{view: view{Template: "invoices.html", Data: invoiceList{
			invoiceQuery: invoiceQuery{Words: "needle"}, Lines: found, Older: "/dash/invoices?before=1.x&q=needle", LookedTo: at,
		}}, request: &request{Request: httptest.NewRequest(http.MethodGet, "/dash/invoices?q=needle", nil)}, Person: &person{User: users[0]}}
		body, err := p.render("live")
		must(t, err)
		for _, text := range []string{"Searched back to <time datetime=\"2026-01-02T03:04:05", `href="/dash/invoices?before=1.x&amp;q=needle"`, "Search further back"} {
			if !strings.Contains(string(body), text) {
				t.Errorf("with %s found, the page does not say %q:\n%s", name, text, body)
			}
		}
	}
	// And is not made again at every change.
	s := &invoiceSearch{Server: &Server{Desk: r.desk}, last: view{Title: "as it was"}, ends: time.Now(), took: time.Hour}
	req := &request{Request: httptest.NewRequest(http.MethodGet, "/dash/invoices?q=needle", nil), Person: desk.Person{User: users[0]}}
	if v, err := s.look(t.Context(), req); err != nil || v.Title != "as it was" {
		t.Errorf("it was made again: %+v, %v", v, err)
	}
	s.took = 0
	if v, err := s.look(t.Context(), req); err != nil || v.Title != "Invoices" {
		t.Errorf("it is not made again: %+v, %v", v, err)
	}
}

func TestInvoiceExport(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	looker := r.invited("look@cafe-bell.example", paybell.RoleReadOnly)
	m, err := r.desk.CreateMerchant(t.Context(), "Others", "")
	must(t, err)
	r.tillOf(desk.Owner(m.ID), "Theirs").bill(numbered("THEIRS"))
	evil := shop.bill(func(b *paybell.Bill) {
		b.Number, b.PONumber, b.Description = "=1+1", "+5", "-2, \"quoted\"\r\nand on"
		b.Buyer = &paybell.Party{Name: paybell.Name{First: "@SUM(A1)"}, Email: "\tx@example.com"}
	})
	paid := shop.bill(numbered("WC-2"))
	r.owner.press(paid.ID, "test/exact").want(t, 303)
	shop.scan()
	r.owner.press(paid.ID, "test/confirm").want(t, 303)
	shop.scan()

	a := r.owner.get("/dash/invoices.csv").want(t, 200)
	if got := a.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/csv; charset=utf-8") {
		t.Errorf("the type is %s", got)
	}
	if got := a.Header.Get("Content-Disposition"); got != `attachment; filename="invoices-`+time.Now().UTC().Format(time.DateOnly)+`.csv"` {
		t.Errorf("the file is %s", got)
	}
	if bare := strings.Count(a.body, "\n") - strings.Count(a.body, "\r\n"); bare != 0 {
		t.Errorf("%d lines end without a carriage return", bare)
	}
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	must(t, err)
	if len(rows) != 3 || len(rows[0]) != len(exportColumns) || rows[1][0] != paid.ID {
		t.Fatalf("the rows are %q", rows)
	}
	for i, want := range map[int]string{1: "'=1+1", 2: "'+5", 4: "Unpaid", 6: "yes", 7: "USD", 8: "10.00", 9: "'-2, \"quoted\"\nand on", 10: "'@SUM(A1)", 11: "'\tx@example.com", 12: "Web shop", 13: "", 15: ""} {
		if rows[2][i] != want {
			t.Errorf("%s is %q, want %q", rows[0][i], rows[2][i], want)
		}
	}
	for i, want := range map[int]string{4: "Completed", 15: "LTCT", 16: "0.125", 17: "0.125", 18: "0.0125"} {
		if rows[1][i] != want {
			t.Errorf("%s is %q, want %q", rows[0][i], rows[1][i], want)
		}
	}
	for _, i := range []int{3, 13, 14} {
		if at, err := time.Parse(time.RFC3339, rows[1][i]); err != nil || time.Since(at) > time.Hour {
			t.Errorf("%s is %q", rows[0][i], rows[1][i])
		}
	}
	if rows[1][19] == "" {
		t.Error("there is no transaction")
	}
	r.owner.get("/dash/invoices.csv?q=wc-2").want(t, 200, paid.ID).wantNot(t, evil.ID)
	r.owner.get("/dash/invoices.csv?state=cancelled").want(t, 200, "Invoice ID").wantNot(t, evil.ID, paid.ID)
	looker.get("/dash/invoices.csv").want(t, 200, paid.ID)
	r.visitor().get("/dash/invoices.csv").want(t, http.StatusSeeOther)
}

// Pages follow on each other, and a file that is not whole says so.
func TestLongExport(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	for range exportPage + 5 {
		shop.bill(nil)
	}
	users, err := r.desk.Users(t.Context(), r.ownerActor())
	must(t, err)
	export := func(most int) [][]string {
		w := httptest.NewRecorder()
		req := &request{Request: httptest.NewRequest(http.MethodGet, "/dash/invoices.csv", nil), Person: desk.Person{User: users[0]}}
		must(t, (&Server{Desk: r.desk}).exportAtMost(w, req, most))
		file := csv.NewReader(w.Body)
		file.FieldsPerRecord = -1
		rows, err := file.ReadAll()
		must(t, err)
		return rows
	}
	seen := map[string]bool{}
	rows := export(maxExported)
	for _, row := range rows[1:] {
		seen[row[0]] = true
	}
	if len(rows) != exportPage+6 || len(seen) != exportPage+5 {
		t.Errorf("the file has %d rows about %d invoices", len(rows), len(seen))
	}
	for _, most := range []int{3, exportPage, exportPage + 1} {
		rows := export(most)
		if last := rows[len(rows)-1]; len(rows) != most+2 || len(last) != 1 || !strings.Contains(last[0], fmt.Sprintf("%d invoices at most", most)) {
			t.Errorf("at most %d: %d rows, the last is %q", most, len(rows), last)
		}
	}
	if rows := export(exportPage + 5); len(rows) != exportPage+6 {
		t.Errorf("a whole file has %d rows", len(rows))
	}
}

// invoiceForm is the form of a new invoice, filled in.
func (v *visitor) invoiceForm(client string, pairs ...string) []string {
	v.rig.Helper()
	a := v.get("/dash/invoices/new").want(v.rig.T, 200)
	return append([]string{"key", formKey(v.rig.T, a), "client", client, "currency", "5057"}, pairs...)
}

var idInPath = regexp.MustCompile(`^/dash/invoices/([0-9a-f-]{36})$`)

func TestCreateInvoice(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	r.till("Wholesale")
	v := r.owner
	v.get("/dash/invoices/new").want(t, 200, "<h1>New invoice</h1>", `<option value="`+shop.as.ClientID+`">Web shop`, `value="5057" data-symbol="USD" data-digits="2" selected`, `placeholder="What is sold"`)
	if n := strings.Count(v.get("/dash/invoices/new").body, `name="item"`); n != moreRows {
		t.Errorf("there are %d rows", n)
	}
	form := v.invoiceForm(shop.as.ClientID, "number", "WC-9", "po", "PO-9", "description", "Order <9>", "item", "Shirt", "quantity", "3", "price", "9.95",
		"item", "", "quantity", "", "price", "", "item", "Bag", "quantity", "", "price", "0.15", "shipping", "4.90", "tax", "1", "discount", "0.90",
		"name", "Ada King Lovelace", "email", "ada@example.com", "note", "Thank you")
	more := v.post("/dash/invoices/new", append(form, "more", "1")...).want(t, 200, `value="Shirt"`, `value="9.95"`, `value="0.15"`, "Thank you", "<output>35.00 USD</output>").wantNot(t, `role="alert"`)
	if n := strings.Count(more.body, `name="item"`); n != 3+moreRows {
		t.Errorf("with more, there are %d rows", n)
	}
	made := v.post("/dash/invoices/new", form...).want(t, 303)
	m := idInPath.FindStringSubmatch(made.Header.Get("Location"))
	if m == nil {
		t.Fatalf("it leads to %s", made.Header.Get("Location"))
	}
	v.follow(made).want(t, 200, "The invoice was created", "35.00 USD", "WC-9", "Order &lt;9&gt;", "Ada King Lovelace", "/checkout/?invoice-id="+m[1])
	inv, _, err := r.desk.Invoice(t.Context(), r.ownerActor(), m[1])
	must(t, err)
	b, _ := json.Marshal(inv.Bill)
	var is, wants any
	must(t, json.Unmarshal(b, &is))
	must(t, json.Unmarshal([]byte(`{"currency":"5057","total":"35","breakdown":{"subtotal":"30","shipping":"4.9","handling":"0","taxTotal":"1","discount":"0.9"},
		"items":[{"name":"Shirt","quantity":3,"amount":"29.85","originalAmount":"29.85"},{"name":"Bag","quantity":1,"amount":"0.15","originalAmount":"0.15"}],
		"number":"WC-9","poNumber":"PO-9","description":"Order <9>","notesToRecipient":"Thank you",
		"buyer":{"name":{"firstName":"Ada King","lastName":"Lovelace"},"emailAddress":"ada@example.com","address":{}},
		"merchantOptions":{"showAddress":false,"showEmail":false,"showPhone":false,"showRegistrationNumber":false,"showTaxId":false}}`), &wants))
	if fmt.Sprint(is) != fmt.Sprint(wants) || inv.ClientID != shop.as.ClientID {
		t.Errorf("the bill is %s", b)
	}
	// Sent again it makes nothing more; with something else in it, it does.
	if again := v.post("/dash/invoices/new", form...).want(t, 303); again.Header.Get("Location") != made.Header.Get("Location") {
		t.Errorf("sent again, it leads to %s", again.Header.Get("Location"))
	}
	changed := slices.Clone(form)
	changed[slices.Index(changed, "PO-9")] = "PO-10"
	if other := v.post("/dash/invoices/new", changed...).want(t, 303); other.Header.Get("Location") == made.Header.Get("Location") {
		t.Error("another invoice is not made")
	}
	if n := len(lines(v.get("/dash/invoices"))); n != 2 {
		t.Errorf("there are %d invoices", n)
	}
	log, err := r.desk.AuditLog(t.Context(), r.ownerActor(), "", 1)
	must(t, err)
	if len(log) != 1 || log[0].Action != "createInvoice" || log[0].Who != "user ada@cafe-bell.example" {
		t.Errorf("the audit log says %+v", log)
	}
}

func TestCreateInvoiceWrong(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	looker := r.invited("look@cafe-bell.example", paybell.RoleReadOnly)
	m, err := r.desk.CreateMerchant(t.Context(), "Others", "")
	must(t, err)
	theirs := r.tillOf(desk.Owner(m.ID), "Theirs")
	shop.bill(func(b *paybell.Bill) { b.PONumber = "TAKEN" })
	v := r.owner
	good := []string{"item", "Shirt", "quantity", "2", "price", "9.95", "note", "kept <note>"}
	for name, tt := range map[string]struct {
		client string
		pairs  []string
		says   []string
	}{
		"no client":         {"", good, []string{"Integration: choose the integration"}},
		"another's client":  {theirs.as.ClientID, good, []string{"Integration: choose the integration"}},
		"no item":           {"", nil, nil},
		"nothing":           {shop.as.ClientID, []string{"item", " ", "quantity", "", "price", ""}, []string{"Items: say what is sold"}},
		"no name":           {shop.as.ClientID, []string{"item", "", "quantity", "", "price", "1"}, []string{"Name of item 1: give the item a name", `maxlength="127" placeholder="What is sold" autocomplete="off" aria-invalid="true"`}},
		"no price":          {shop.as.ClientID, []string{"item", "a", "quantity", "", "price", "", "item", "b", "quantity", "", "price", "1"}, []string{"Price of item 1 is missing"}},
		"second price":      {shop.as.ClientID, []string{"item", "a", "quantity", "", "price", "1", "item", "", "quantity", "", "price", "", "item", "b", "quantity", "", "price", "1,50"}, []string{"Price of item 3 is not an amount", `value="1,50"`}},
		"negative":          {shop.as.ClientID, []string{"item", "a", "quantity", "", "price", "-1"}, []string{"Price of item 1"}},
		"too fine":          {shop.as.ClientID, []string{"item", "a", "quantity", "", "price", "1.001"}, []string{"Price of item 1: 1.001 has more than the 2 decimals"}},
		"quantity":          {shop.as.ClientID, []string{"item", "a", "quantity", "1.5", "price", "1"}, []string{"Quantity of item 1 must be a whole number"}},
		"zero":              {shop.as.ClientID, []string{"item", "a", "quantity", "0", "price", "1"}, []string{"Quantity of item 1"}},
		"free":              {shop.as.ClientID, []string{"item", "a", "quantity", "1", "price", "0"}, []string{"Total must be more than 0"}},
		"discount too high": {shop.as.ClientID, append([]string{"discount", "20"}, good...), []string{"Total: cannot be negative"}},
		"tax":               {shop.as.ClientID, append([]string{"tax", "x"}, good...), []string{"Tax is not an amount"}},
		"shipping":          {shop.as.ClientID, append([]string{"shipping", "1e3"}, good...), []string{"Shipping is not an amount"}},
		"currency":          {shop.as.ClientID, append([]string{"currency", "0"}, good...), nil},
		"po number":         {shop.as.ClientID, append([]string{"po", "TAKEN"}, good...), []string{"PO number:", "is on another invoice", `name="po" value="TAKEN" maxlength="16" autocomplete="off" aria-invalid="true"`}},
		"email":             {shop.as.ClientID, append([]string{"email", "nobody"}, good...), []string{"Buyer&#39;s email is not an e-mail address", `value="nobody"`}},
		"long":              {shop.as.ClientID, append([]string{"description", strings.Repeat("ü", 201)}, good...), []string{"Description has 201 characters"}},
	} {
		form := v.invoiceForm(tt.client, tt.pairs...)
		if name == "currency" {
			form = slices.Concat([]string{"key", form[1], "client", form[3]}, tt.pairs)
		}
		a := v.post("/dash/invoices/new", form...).want(t, http.StatusUnprocessableEntity, append(tt.says, `role="alert"`)...)
		if strings.Contains(strings.Join(tt.pairs, " "), "kept") {
			a.want(t, http.StatusUnprocessableEntity, "kept &lt;note&gt;", `value="Shirt"`, `value="9.95"`)
		}
		if n := strings.Count(a.body, `name="item"`); n < moreRows {
			t.Errorf("%s: there are %d rows", name, n)
		}
	}
	if n := len(lines(v.get("/dash/invoices"))); n != 1 {
		t.Errorf("there are %d invoices", n)
	}
	looker.get("/dash/invoices/new").want(t, http.StatusForbidden)
	looker.post("/dash/invoices/new", v.invoiceForm(shop.as.ClientID, good...)...).want(t, http.StatusForbidden)
	looker.post("/dash/invoices/new", append(v.invoiceForm(shop.as.ClientID, good...), "more", "1")...).want(t, http.StatusForbidden)
}

// The whole way of an invoice with test coins, as the page tells it.
func TestTestCoins(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	v := r.owner
	inv := shop.bill(numbered("WC-1"))
	id := inv.ID
	v.wantTitles(id, "Created").want(t, 200, "Test coins", "Choose the coin", "Pay exactly", "Waits for the buyer to choose a coin", "The buyer has not chosen a coin", "By the integration Web shop.").
		wantNot(t, "Bump its fee", "Take the blocks back", "End the time", "Mine 3 blocks")
	v.follow(v.press(id, "test/open")).want(t, 200, "0.125 LTCT can be paid now.", "Waits for 0.125 LTCT until", "Pay exactly", "End the time")
	v.press(id, "test/half").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+id).want(t, 200, "Underpaid", "0.0625 LTCT came; 0.0625 LTCT are missing.", "Pay what is missing", "Not in a block yet.", "Bump its fee", "Double-spend it", "Mine 3 blocks")
	v.press(id, "test/bump").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+id).want(t, 200, "It replaces transaction", "Replaced by another transaction")
	v.press(id, "test/exact").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+id).want(t, 200, ">Paid</span>", "The whole amount was seen")
	v.press(id, "test/mine").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+id).want(t, 200, "1 of 3 confirmations", "Mine 2 blocks", "Take the blocks back").wantNot(t, "Bump its fee")
	v.press(id, "test/reorg").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+id).want(t, 200, "Its block was taken back")
	v.press(id, "test/drop").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+id).want(t, 200, "Dropped: no node knows it", "Went back to pending")
	v.press(id, "test/exact").want(t, 303)
	shop.scan()
	v.press(id, "test/confirm").want(t, 303)
	shop.scan()
	v.wantTitles(id, "Completed", "Paid", "0.0625 LTCT seen", "Went back to pending", "Flags changed", "Paid", "0.0625 LTCT seen", "0.0625 LTCT seen", "Still pending", "0.0625 LTCT seen",
		"Pending", "Litecoin Testnet chosen", "Created").want(t, 200, ">Completed</span>", "Confirmed.")

	// Late: the time ends first.
	late := shop.bill(numbered("WC-2")).ID
	v.press(late, "test/open").want(t, 303)
	v.press(late, "test/expire").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+late).want(t, 200, "Litecoin Testnet payment timed out", "One payment timed out with nothing.").wantNot(t, "End the time")
	v.press(late, "test/exact").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+late).want(t, 200, ">Late</span>", "Money came after the time was up.", "Accept as is</button>")
	v.follow(v.press(late, "accept")).want(t, 200, "What is there is accepted as enough.", "Accepted as is", ">Paid</span>")

	// Too much, and double-spent.
	much := shop.bill(numbered("WC-3")).ID
	v.press(much, "test/much").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+much).want(t, 200, ">Overpaid</span>", "0.1875 LTCT")
	v.press(much, "test/replace").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+much).want(t, 200, ">Replaced</span>", "Replaced by another transaction: this money does not come.")

	// What is not possible is said on the page.
	for step, says := range map[string]string{"bump": "pay first", "replace": "pay first", "drop": "pay first", "reorg": "No transaction of this invoice is in a block"} {
		v.press(much, "test/"+step).want(t, http.StatusUnprocessableEntity, says, "WC-3", `role="alert"`)
	}
	cancelled := shop.bill(nil).ID
	must(t, r.desk.CancelInvoice(t.Context(), r.ownerActor(), cancelled))
	v.press(cancelled, "test/open").want(t, http.StatusUnprocessableEntity, "takes no more payments")
	v.press(cancelled, "test/half").want(t, http.StatusUnprocessableEntity, "takes no more payments")
	v.press(cancelled, "test/none").want(t, http.StatusNotFound)
	v.press(paybell.NewUUID(time.Now()), "test/mine").want(t, http.StatusNotFound)
}

func TestInvoiceActions(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	v := r.owner
	inv := shop.bill(numbered("WC-1"))
	path := "/dash/invoices/" + inv.ID
	v.get(path).want(t, 200, `action="`+path+`/cancel"`, "data-confirm=", "No money stands for this invoice; there is nothing to accept.").wantNot(t, `action="`+path+`/accept"`)
	v.press(inv.ID, "accept").want(t, http.StatusUnprocessableEntity, "No money stands", "WC-1")
	v.follow(v.press(inv.ID, "cancel")).want(t, 200, "The invoice is cancelled.", ">Cancelled</span>", "It is cancelled already.")
	paid := shop.bill(nil)
	v.press(paid.ID, "test/exact").want(t, 303)
	shop.scan()
	v.get("/dash/invoices/"+paid.ID).want(t, 200, "The invoice is paid and can no longer be cancelled.", "It is paid in full; there is nothing to accept.")
	v.press(paid.ID, "cancel").want(t, http.StatusUnprocessableEntity, "can no longer be cancelled")

	// Refunds are notes.
	pop := path + "/refund"
	v.get(pop).want(t, 200, `<dialog open class="narrow" data-modal="`+path+`"`, "Note a refund", "nobody is told")
	v.post(pop, "txid", "feed01", "amount", "one", "currency", "1002").want(t, http.StatusUnprocessableEntity, "Amount is not an amount", `value="feed01"`, `value="1002" selected`, `value="one" inputmode="decimal" maxlength="30" autocomplete="off" required aria-invalid="true"`)
	v.post(pop, "txid", "", "amount", "1", "currency", "1002").want(t, http.StatusUnprocessableEntity, "Transaction: say which transaction")
	v.post(pop, "txid", "x", "amount", "1", "currency", "none").want(t, http.StatusUnprocessableEntity, "Coin:")
	v.post(pop, "txid", "x", "amount", "0.000000001", "currency", "1002").want(t, http.StatusUnprocessableEntity, "decimals")
	v.follow(v.post(pop, "txid", "feed<01>", "amount", "0.05", "currency", "1002")).want(t, 200, "The refund is noted.", "Refund of 0.05 LTCT noted", "feed&lt;01&gt;", "By ada@cafe-bell.example.")
	v.post(pop, "txid", "feed<01>", "amount", "0.05", "currency", "1002").want(t, http.StatusUnprocessableEntity, "noted already")
	v.follow(v.post(pop, "txid", "feed02", "amount", "1", "currency", "1")).want(t, 200, "Refund of 1 BTC noted", "Refund of 0.05 LTCT noted", ">Cancelled</span>")
}

// Who may only look sees no buttons, and may press none; nobody sees another
// merchant's.
func TestInvoicesOfOthers(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	inv := shop.bill(numbered("WC-1"))
	looker := r.invited("look@cafe-bell.example", paybell.RoleReadOnly)
	staff := r.invited("staff@cafe-bell.example", paybell.RoleStaff)
	m, err := r.desk.CreateMerchant(t.Context(), "Others", "")
	must(t, err)
	theirs := r.tillOf(desk.Owner(m.ID), "Theirs").bill(numbered("SECRET"))
	path := "/dash/invoices/" + inv.ID
	looker.get(path).want(t, 200, "WC-1", "The buyer’s link").wantNot(t, `method="post" action="/dash/invoices`, "Test coins", "What you can do")
	staff.get(path).want(t, 200, "Test coins", "What you can do")
	buttons := []string{"cancel", "accept", "refund"}
	for step := range testSteps {
		buttons = append(buttons, "test/"+step)
	}
	for _, button := range buttons {
		form := []string{"txid", "x", "amount", "1", "currency", "1002"}
		looker.press(inv.ID, button, form...).want(t, http.StatusForbidden)
		for _, v := range []*visitor{r.owner, staff} {
			v.press(theirs.ID, button, form...).want(t, http.StatusNotFound).wantNot(t, "SECRET")
			v.press("x", button, form...).want(t, http.StatusNotFound)
		}
	}
	looker.get(path+"/refund").want(t, http.StatusForbidden)
	for _, v := range []*visitor{r.owner, looker} {
		v.get("/dash/invoices/"+theirs.ID).want(t, http.StatusNotFound).wantNot(t, "SECRET")
		v.get("/dash/invoices/x").want(t, http.StatusNotFound)
	}
	r.owner.get("/dash/invoices/"+theirs.ID+"/refund").want(t, http.StatusNotFound)
	r.visitor().get(path).want(t, http.StatusSeeOther)
	staff.press(inv.ID, "cancel").want(t, 303)
}

// What strangers wrote is text.
func TestHostileInvoice(t *testing.T) {
	r := newRig(t)
	const evil = `<script>alert("x")</script>`
	shop := r.till(evil)
	inv := shop.bill(func(b *paybell.Bill) {
		b.Number, b.PONumber, b.Description, b.Notes, b.NotesToRecipient = evil, "<b>po", evil, evil, evil
		b.Buyer = &paybell.Party{CompanyName: evil, Name: paybell.Name{First: evil, Last: evil}, Email: evil, Address: paybell.Address{Address1: evil, City: evil}}
		b.Items = []paybell.Item{{Name: evil, Description: evil, Quantity: 2, Amount: decimal.NewFromInt(10)}}
		b.CustomData, b.Metadata = json.RawMessage(`{"a":"<script>alert(1)</script>"}`), json.RawMessage(`{"integration":"<script>","n":{"m":1}}`)
	})
	for _, path := range []string{"/dash/invoices", "/dash/invoices?q=script", "/dash/invoices/" + inv.ID, "/dash/invoices/" + inv.ID + "/refund", "/dash/invoices/new"} {
		r.owner.get(path).want(t, 200, "&lt;script&gt;").wantNot(t, "<script>", "<b>po")
	}
	r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, "&#34;n&#34;: {\n    &#34;m&#34;: 1", "× 2")
}

// A page about very much is bounded, and says so.
func TestCrowdedInvoice(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	inv := shop.bill(func(b *paybell.Bill) {
		b.Items = nil
		for range 60 {
			b.Items = append(b.Items, paybell.Item{Name: "Pen", Quantity: 1, Amount: decimal.NewFromInt(1)})
		}
		b.Total = decimal.NewFromInt(60)
		b.Breakdown.Subtotal = b.Total
	})
	_, p, err := r.desk.OpenPayment(t.Context(), inv.ID, paybell.LTCT)
	must(t, err)
	at := time.Now().UTC()
	must(t, store.Do(t.Context(), r.desk.DB, func(tx *store.Tx) error {
		for i := range 100 {
			w := paybell.Webhook{ID: fmt.Sprint("hook-", i), ClientID: inv.ClientID, InvoiceID: inv.ID, URL: fmt.Sprintf("https://%d.example/", i), Origin: fmt.Sprintf("https://%d.example:443", i), Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: at}
			if err := tx.CreateWebhook(w); err != nil {
				return err
			}
		}
		for i := range 1000 {
			t := paybell.Transfer{Network: p.Network, TxID: fmt.Sprint("tx-", i), Asset: p.Currency, Address: p.Address, PaymentID: p.ID, Amount: paybell.NewUnits(1), Status: paybell.Mempool, SeenAt: at.Add(time.Duration(i) * time.Second)}
			if err := tx.RecordTransfer(inv.ID, t, false); err != nil {
				return err
			}
		}
		whole, err := tx.Invoice(inv.ID)
		if err != nil {
			return err
		}
		for i := range 5 {
			whole.Version++
			if err := tx.Apply(paybell.Change{Event: paybell.InvoiceFlagged, At: at.Add(time.Duration(i+60) * time.Minute), Invoice: whole}); err != nil {
				return err
			}
		}
		return nil
	}))
	began := time.Now()
	a := r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, "And 10 more.", "more before that", "and at least 95 more", "Older deliveries are not shown here.")
	if n := len(titles(a)); n != maxEntries {
		t.Errorf("there are %d entries", n)
	}
	if len(a.body) > 200<<10 {
		t.Errorf("the page has %d bytes", len(a.body))
	}
	t.Logf("it took %s and has %d bytes", time.Since(began), len(a.body))
}

// The page changes while it is looked at.
func TestLiveInvoice(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	inv := shop.bill(numbered("WC-1"))
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/dash/invoices/"+inv.ID, nil)
	must(t, err)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := r.owner.http.Do(req)
	must(t, err)
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	events.Buffer(nil, 1<<20)
	said := map[string]bool{}
	pressed := false
	for events.Scan() {
		for _, text := range []string{`id="live"`, ">Unpaid</span>", ">Paid</span>"} {
			said[text] = said[text] || strings.Contains(events.Text(), text)
		}
		if strings.Contains(events.Text(), "<h1>") {
			t.Error("the whole page is sent")
		}
		if said[">Unpaid</span>"] && !pressed {
			pressed = true
			r.owner.press(inv.ID, "test/exact").want(t, 303)
			shop.scan()
		}
		if said[">Paid</span>"] {
			return
		}
	}
	t.Errorf("the stream said %v and ended: %v", said, events.Err())
}

// What a webhook was told stands at what happened.
func TestInvoiceDeliveries(t *testing.T) {
	r := newRig(t)
	shop := r.till("Web shop")
	w, err := r.desk.CreateWebhook(t.Context(), r.ownerActor(), shop.as.ClientID, desk.NewWebhook{URL: "http://127.0.0.1:9/hook", Events: paybell.AllEvents.Names()})
	must(t, err)
	inv := shop.bill(numbered("WC-1"))
	link := fmt.Sprintf(`href="/dash/deliveries/%s/%s/1"`, shop.as.ClientID, w.ID)
	r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, link, "is being sent", "127.0.0.1:9/hook").wantNot(t, "No webhook was told")
	record := func(a paybell.Attempt) {
		t.Helper()
		must(t, store.Do(t.Context(), r.desk.DB, func(tx *store.Tx) error {
			all, err := tx.Deliveries(w.ID, 0, 1)
			if err != nil {
				return err
			}
			a.WebhookID, a.Number, a.N, a.StartedAt = w.ID, 1, all[0].Attempts+1, time.Now()
			_, err = tx.Record([]store.Result{{Delivery: all[0].Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: w.URL}}, time.Now())
			return err
		}))
	}
	record(paybell.Attempt{Status: 500, Failure: "the server answered 500 <b>"})
	r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, "1 attempt failed (the server answered 500 &lt;b&gt;); next try <time")
	record(paybell.Attempt{Status: 500, Failure: strings.Repeat("x", 300)})
	r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, "2 attempts failed ("+strings.Repeat("x", 79)+"…)")
	record(paybell.Attempt{Status: 200, Duration: time.Millisecond})
	r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, "delivered at attempt 3 after")
	must(t, r.desk.CancelInvoice(t.Context(), r.ownerActor(), inv.ID))
	_, err = r.desk.PauseWebhook(t.Context(), r.ownerActor(), shop.as.ClientID, w.ID)
	must(t, err)
	other := shop.bill(nil)
	r.owner.get("/dash/invoices/"+other.ID).want(t, 200, "held, because the webhook does not ring now")
	quiet := r.till("Quiet").bill(nil)
	r.owner.get("/dash/invoices/"+quiet.ID).want(t, 200, "No webhook was told of any of this.", "Webhooks of Quiet")
}

// anonymous is a page without what is another each time.
func anonymous(text string) string {
	for _, change := range []struct{ from, to string }{
		{`datetime="[^"]*">[^<]*<`, `datetime="at">at<`}, {`datetime="[^"]*" data-ago>[^<]*<`, `datetime="at" data-ago>at<`},
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "UUID"}, {`tltc1[0-9a-z…]+`, "ADDRESS"}, {`Copy http[^<]*`, "Copy the link"}, {`http://127\.0\.0\.1:\d+`, "http://paybell"},
		{`[0-9a-f]{64}`, "TXID"}, {`[0-9a-f]{32}`, "CLIENT"}, {`[0-9a-f]{8}…[0-9a-f]{4}`, "SHORT"}, {`before=\d+`, "before=AT"}, {`name="key" value="[^"]*"`, `name="key" value="KEY"`},
		{`<path d="M[^"]*z"/></svg>\n?<p class="tools">`, `<path d="CODE"/></svg><p class="tools">`},
	} {
		text = regexp.MustCompile(change.from).ReplaceAllString(text, change.to)
	}
	return text
}

func (a answer) main(t *testing.T) string {
	t.Helper()
	_, rest, found := strings.Cut(a.body, `<main id="main" tabindex="-1">`)
	body, _, ended := strings.Cut(rest, "</main>")
	if !found || !ended {
		t.Fatalf("the page has no main part:\n%s", a.body)
	}
	return anonymous(body)
}

func TestInvoicesGolden(t *testing.T) {
	r := newRig(t)
	golden(t, "invoices/none", r.owner.get("/dash/invoices").main(t))
	shop := r.till("Web shop")
	golden(t, "invoices/new", r.owner.get("/dash/invoices/new").main(t))
	inv := shop.bill(func(b *paybell.Bill) {
		b.Number, b.PONumber, b.Description = "WC-1", "PO-1", "Order 1"
		b.Items = []paybell.Item{{Name: "Shirt", Quantity: 2, Amount: decimal.NewFromInt(8)}}
		b.Breakdown = paybell.Breakdown{Subtotal: decimal.NewFromInt(8), Shipping: decimal.NewFromInt(3), Discount: decimal.NewFromInt(1)}
		b.Buyer = &paybell.Party{Name: paybell.Name{First: "Ada", Last: "Lovelace"}, Email: "ada@example.com"}
		b.Metadata = json.RawMessage(`{"integration":"plugin:woo"}`)
	})
	golden(t, "invoices/unpaid", r.owner.get("/dash/invoices/"+inv.ID).main(t))
	r.owner.press(inv.ID, "test/half").want(t, 303)
	shop.scan()
	r.owner.follow(r.owner.press(inv.ID, "test/mine"))
	shop.scan()
	golden(t, "invoices/underpaid", r.owner.get("/dash/invoices/"+inv.ID).main(t))
	golden(t, "invoices/refund", r.owner.get("/dash/invoices/" + inv.ID + "/refund").main(t)[:1200])
	golden(t, "invoices/list", r.owner.get("/dash/invoices?"+url.Values{"q": {"wc-1"}}.Encode()).main(t))
}
