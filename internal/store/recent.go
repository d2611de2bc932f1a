package store

import (
	"cmp"
	"container/heap"
	"math"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// Mark is a place in a list of deliveries, newest first: that of a delivery. The
// zero value is before the newest.
type Mark struct {
	At        time.Time
	WebhookID string
	Number    int64
}

func markOf(d paybell.Delivery) Mark { return Mark{d.CreatedAt, d.WebhookID, d.Number} }

// IsZero reports whether m is before the newest.
func (m Mark) IsZero() bool { return m.At.IsZero() }

// compare is positive when m stands before n in the list.
func (m Mark) compare(n Mark) int {
	return cmp.Or(m.At.Compare(n.At), cmp.Compare(m.WebhookID, n.WebhookID), cmp.Compare(m.Number, n.Number))
}

// RecentFilter says which deliveries to list.
type RecentFilter struct {
	// Where they are looked for: of these webhooks, at most MaxRecentHooks; with an
	// invoice, those about it; with a fate that is pending, and no invoice, what waits
	// at these endpoints, and then webhooks only say of which (none: of any).
	WebhookIDs []string
	InvoiceID  string
	Endpoints  []Endpoint

	Fate     paybell.Fate   // empty: any
	Event    paybell.Events // one of these; 0: any
	From, To time.Time      // when they were made, both included; zero: any
	After    Mark           // from here on
	Limit    int            // deliveries of a page
	Look     int            // deliveries that are looked at for one page, some more or less
}

// MaxRecentHooks is how many webhooks, or endpoints, one list is put together of.
const MaxRecentHooks = 500

// RecentPage is a page of such a list.
type RecentPage struct {
	Deliveries []paybell.Delivery // without URL and body
	Next       Mark               // where the next page begins; zero: there is none
	// LookedTo is set when the page ended because enough was looked at: everything
	// made since then was.
	LookedTo time.Time
}

// Recent lists deliveries of several webhooks, the newest first. The numbers of one
// webhook are in the order of time, so each is read backwards from its end, and all
// of them are merged: no index over all deliveries has to be kept for it.
func (tx *Tx) Recent(f RecentFilter) (page RecentPage, err error) {
	if f.After.IsZero() && !f.To.IsZero() {
		f.After = Mark{At: f.To.Add(time.Microsecond)}
	}
	m := merge{f: f, tx: tx, only: map[string]bool{}, size: max(4, 2*f.Limit/max(1, len(f.WebhookIDs)+len(f.Endpoints)))}
	if err := m.open(); err != nil {
		return page, err
	}
	var last Mark
	for m.Len() > 0 {
		d := m.runs[0].rows[0]
		if d.CreatedAt.Before(f.From) {
			return page, nil
		}
		if len(page.Deliveries) == f.Limit {
			page.Next = last
			return page, nil
		}
		last = markOf(d.Delivery)
		if m.wants(d) {
			page.Deliveries = append(page.Deliveries, d.Delivery)
		}
		if len(m.runs[0].rows) == 1 && m.looked >= f.Look && !m.runs[0].over && len(page.Deliveries) < f.Limit {
			page.Next, page.LookedTo = last, last.At
			return page, nil
		}
		if err := m.pass(); err != nil {
			return page, err
		}
	}
	return page, nil
}

func (m *merge) wants(d recent) bool {
	return (m.f.Fate == "" || m.f.Fate == d.Fate()) && (m.f.Event == 0 || m.f.Event&d.event != 0) && (len(m.only) == 0 || m.only[d.WebhookID])
}

// recent is a delivery that is looked at, and its event if that was asked for.
type recent struct {
	paybell.Delivery
	event paybell.Event
}

// merge is the lists that are merged, as a heap: the one with the newest delivery
// is the first.
type merge struct {
	f      RecentFilter
	tx     *Tx
	runs   []*run
	only   map[string]bool // the webhooks, where the lists have others, too; none: all
	looked int             // how many deliveries were read
	size   int             // of the first read of each
}

// run is one of the lists.
type run struct {
	read func(limit int) ([]recent, error) // the next ones
	rows []recent                          // read, and not looked at yet; never empty in the heap
	over bool                              // there are no more to read
	size int                               // of the next read
}

func (m *merge) Len() int { return len(m.runs) }
func (m *merge) Less(i, j int) bool {
	return markOf(m.runs[i].rows[0].Delivery).compare(markOf(m.runs[j].rows[0].Delivery)) > 0
}
func (m *merge) Swap(i, j int) { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }
func (m *merge) Push(r any)    { m.runs = append(m.runs, r.(*run)) }
func (m *merge) Pop() any {
	last := m.runs[len(m.runs)-1]
	m.runs = m.runs[:len(m.runs)-1]
	return last
}

// open finds where each list begins.
func (m *merge) open() error {
	var reads []func(int) ([]recent, error)
	switch {
	case m.f.InvoiceID != "":
		for _, id := range m.f.WebhookIDs {
			reads = append(reads, m.ofInvoice(id))
		}
	case m.f.Fate.Pending():
		for _, id := range m.f.WebhookIDs {
			m.only[id] = true
		}
		for _, e := range m.f.Endpoints {
			reads = append(reads, m.waitingAt(e))
		}
	default:
		for _, id := range m.f.WebhookIDs {
			reads = append(reads, m.ofWebhook(id))
		}
	}
	for _, read := range reads {
		r := &run{read: read, size: m.size}
		if err := m.fill(r); err != nil {
			return err
		}
		if len(r.rows) > 0 {
			heap.Push(m, r)
		}
	}
	return nil
}

// pass goes on behind the newest delivery.
func (m *merge) pass() error {
	r := m.runs[0]
	r.rows = r.rows[1:]
	if err := m.fill(r); err != nil {
		return err
	}
	if len(r.rows) == 0 {
		heap.Pop(m)
	} else {
		heap.Fix(m, 0)
	}
	return nil
}

const maxRun = 1000 // deliveries in one read

// fill reads more of a list if nothing is left of it.
func (m *merge) fill(r *run) error {
	for len(r.rows) == 0 && !r.over {
		rows, err := r.read(r.size)
		if err != nil {
			return err
		}
		m.looked += len(rows)
		r.over = len(rows) < r.size
		r.size = min(maxRun, 2*r.size)
		for _, d := range rows {
			if m.f.After.IsZero() || markOf(d.Delivery).compare(m.f.After) < 0 {
				r.rows = append(r.rows, d)
			}
		}
	}
	return nil
}

const recentColumns = "d.webhook_id, d.number, d.notification_id, d.invoice_id, d.client_id, d.origin, d.state, d.marks, d.attempts, d.failing_since, d.created_at, d.finished_at"

// query is a SELECT of deliveries d from a table: with their events, if those are
// asked for.
func (m *merge) query(table, where string) string {
	if m.f.Event == 0 {
		return "SELECT " + recentColumns + ", 0 FROM " + table + " WHERE " + where
	}
	return "SELECT " + recentColumns + ", n.event FROM " + table + " JOIN notifications n ON n.id = d.notification_id WHERE " + where
}

func (m *merge) scan(s scanner) (d recent, err error) {
	var marks int64
	err = s.Scan(&d.WebhookID, &d.Number, &d.NotificationID, &d.InvoiceID, &d.ClientID, &d.Origin, &d.State, &marks, &d.Attempts,
		when{&d.FailingSince}, when{&d.CreatedAt}, when{&d.FinishedAt}, &d.event)
	d.OutOfOrder, d.Resent, d.Replay = marks&outOfOrder != 0, marks&resent != 0, marks&replay != 0
	d.Epoch = m.tx.db.epoch
	return d, err
}

// ofWebhook reads a webhook's deliveries backwards.
func (m *merge) ofWebhook(id string) func(int) ([]recent, error) {
	upto, there := int64(math.MaxInt64), m.f.After.IsZero()
	if id == m.f.After.WebhookID {
		upto, there = m.f.After.Number-1, true
	}
	return func(limit int) ([]recent, error) {
		rows, err := m.readBack(id, upto, limit)
		if !there && len(rows) == limit && markOf(rows[limit-1].Delivery).compare(m.f.After) >= 0 {
			// There is much in front of where the page begins.
			if upto, err = m.tx.numberAt(id, m.f.After.At); err != nil {
				return nil, err
			}
			rows, err = m.readBack(id, upto, limit)
		}
		there = true
		if len(rows) > 0 {
			upto = rows[len(rows)-1].Number - 1
		}
		return rows, err
	}
}

func (m *merge) readBack(id string, upto int64, limit int) ([]recent, error) {
	return list(m.tx, m.scan, m.query("deliveries d", "d.webhook_id = $1 AND d.number <= $2 ORDER BY d.number DESC LIMIT $3"), id, upto, limit)
}

// numberAt is the number of the last delivery of a webhook that was made until a
// moment. Numbers are in the order of time but for those who were made at the same
// moment by several processes.
func (tx *Tx) numberAt(webhookID string, at time.Time) (int64, error) {
	// One jump after the other, each half as far, never onto what is too new.
	n, _, err := one(tx, scanInt, `WITH RECURSIVE jumps (number, step) AS (
			SELECT CAST(0 AS BIGINT), CAST($3 AS BIGINT)
			UNION ALL
			SELECT number + CASE WHEN COALESCE((SELECT d.created_at FROM deliveries d WHERE d.webhook_id = $1 AND d.number <= jumps.number + jumps.step
				ORDER BY d.number DESC LIMIT 1), 0) <= $2 THEN step ELSE 0 END, step / 2 FROM jumps WHERE step > 0
		) SELECT number FROM jumps WHERE step = 0`, webhookID, micros(at), int64(1)<<40)
	return n, err
}

// ofInvoice reads what one webhook was told of the invoice, backwards.
func (m *merge) ofInvoice(id string) func(int) ([]recent, error) {
	upto := int64(math.MaxInt64)
	return func(limit int) ([]recent, error) {
		rows, err := list(m.tx, m.scan, m.query("deliveries d"+m.tx.db.dialect.byLane, "d.webhook_id = $1 AND d.invoice_id = $2 AND d.number <= $3 ORDER BY d.number DESC LIMIT $4"),
			id, m.f.InvoiceID, upto, limit)
		if len(rows) > 0 {
			upto = rows[len(rows)-1].Number - 1
		}
		return rows, err
	}
}

// waitingAt reads what waits at an endpoint, backwards.
func (m *merge) waitingAt(e Endpoint) func(int) ([]recent, error) {
	after := m.f.After
	if after.IsZero() {
		after.At = time.UnixMicro(math.MaxInt64)
	}
	return func(limit int) ([]recent, error) {
		rows, err := list(m.tx, m.scan, m.query("deliveries d", `d.client_id = $1 AND d.origin = $2 AND d.state = 'pending'
			AND (d.created_at, d.webhook_id, d.number) < ($3, $4, $5) ORDER BY d.created_at DESC, d.webhook_id DESC, d.number DESC LIMIT $6`),
			e.ClientID, e.Origin, micros(after.At), after.WebhookID, after.Number, limit)
		if len(rows) > 0 {
			after = markOf(rows[len(rows)-1].Delivery)
		}
		return rows, err
	}
}

// Glance is a delivery as a list shows it: with what it is about, and its last
// attempt, without its body.
type Glance struct {
	paybell.Delivery
	Event paybell.Event
	Last  paybell.Attempt // without the answer; zero: there was none
}

// Glance reads what a list shows of a delivery that Recent found. The last attempt has
// its number and how it went.
func (tx *Tx) Glance(d paybell.Delivery) (Glance, error) {
	g := Glance{Delivery: d}
	_, _, err := one(tx, func(s scanner) (_ struct{}, err error) {
		var took int64
		err = s.Scan(when{&g.DueAt}, &g.URL, &g.Event, when{&g.Last.StartedAt}, &took, &g.Last.Status, &g.Last.Failure)
		g.Last.Duration = time.Duration(took) * time.Microsecond
		return struct{}{}, err
	}, `SELECT d.due_at, w.url, n.event, COALESCE(a.started_at, 0), COALESCE(a.duration, 0), COALESCE(a.status, 0), COALESCE(a.failure, '')
		FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id JOIN notifications n ON n.id = d.notification_id
		LEFT JOIN attempts a ON a.webhook_id = d.webhook_id AND a.number = d.number AND a.n = d.attempts
		WHERE d.webhook_id = $1 AND d.number = $2`, d.WebhookID, d.Number)
	if !g.Last.StartedAt.IsZero() {
		g.Last.N = d.Attempts
	}
	return g, err
}

// GivenHooks lists webhooks that were given with a client's invoices: those of the
// invoices that were made last until a moment are first.
func (tx *Tx) GivenHooks(clientID string, until time.Time, limit int) ([]paybell.Webhook, error) {
	// The ids of invoices sort by time.
	return list(tx, scanWebhook, "SELECT "+webhookColumns+` FROM webhooks WHERE client_id = $1 AND invoice_id > '' AND invoice_id < $2
		ORDER BY invoice_id DESC LIMIT $3`, clientID, paybell.NewUUID(until.Add(time.Millisecond))[:13], limit)
}

// RecentHook is a webhook of a client's own, and when it was told something last.
type RecentHook struct {
	paybell.Webhook
	ToldAt time.Time // zero: never yet, or not lately
}

// RecentHooks lists the webhooks of a merchant's clients, or of one client, or of one
// of its endpoints: those that were told something last are first. Those that were
// given with invoices are not among them.
func (tx *Tx) RecentHooks(merchantID string, e Endpoint, limit int) ([]RecentHook, error) {
	// An origin may have very many webhooks that were given with invoices: it is not
	// looked for by its index.
	return list(tx, func(s scanner) (h RecentHook, err error) {
		h.Webhook, err = scanWebhook(and{s, []any{when{&h.ToldAt}}})
		return h, err
	}, "SELECT "+ofTable("w", webhookColumns)+`,
			COALESCE((SELECT d.created_at FROM deliveries d WHERE d.webhook_id = w.id ORDER BY d.number DESC LIMIT 1), 0) AS told
		FROM clients c JOIN webhooks w ON w.client_id = c.id AND w.invoice_id = ''
		WHERE c.merchant_id = $1 AND c.state <> 'deleted' AND w.state <> 'deleted' AND ($2 = '' OR c.id = $2) AND ($3 = '' OR w.origin || '' = $3)
		ORDER BY told DESC, w.created_at, w.id LIMIT $4`, merchantID, e.ClientID, e.Origin, limit)
}

// ofTable names columns of a table in a query that has several.
func ofTable(name, columns string) string {
	return name + "." + strings.ReplaceAll(columns, ", ", ", "+name+".")
}

// and is a row that has more columns than its reader knows.
type and struct {
	scanner
	more []any
}

func (a and) Scan(dest ...any) error { return a.scanner.Scan(append(dest, a.more...)...) }
