// Package paybell is the domain of Paybell, a self-hosted crypto invoice
// gateway whose webhook notifications never get lost. It is pure: no I/O, no
// clock, no context. Everything else is around it. This is the tour, bottom up.
//
// # The words
//
// A [Merchant] has integration clients ([Client]); a client has webhooks
// ([Webhook]) and makes invoices ([Invoice]). A coin chosen for an invoice is a
// [Payment]: an address, an exact amount, a locked rate, for a window of time.
// What a chain shows of money to that address is a [Transfer]. What happens to
// an invoice is told in a [Notification], which is brought to each webhook that
// wants it as a [Delivery], in one or more attempts ([Attempt]).
//
// # What happens to an invoice
//
// One pure function decides it: [Invoice.Next]. It is given the whole present
// set of transfers, never a difference, and what somebody asks for ([Open],
// [Cancel], [Accept]); it returns a list of [Change], one per notification. The
// state follows the facts, up and down, except where order in time decides:
// that is the table in command.go. The amount due is rounded once ([UnitsOf]);
// after that only integers ([Units]) are compared.
//
// [Change.Tell] makes the bytes of the notification. They never change again.
//
// # What keeps it
//
// internal/store keeps everything in SQLite (or PostgreSQL: the SQL is one text
// for both). Only a transaction can ask or write anything. tx.Apply writes the
// invoice, guarded by its version, the notifications of its changes and their
// deliveries in one transaction: what is committed will be notified. Few goroutines
// write (one on SQLite, a few on PostgreSQL), and many bodies share one commit; when
// one of them fails, what it did is taken back alone (writer.go). They tell last, and
// all at once (tell.go, later.go), and remember whom clients tell (memory.go).
//
// Any number of processes can share a PostgreSQL. There is no leader, and nothing is
// kept in a process that is not a cache. They wake each other by NOTIFY, which is only
// a hint (notify.go). Rows are locked in one order: cursors, keys of addresses,
// clients, invoices by id, webhooks by id, endpoints. Only the server migrates, once, and
// migrations only add, so that two versions can run side by side (compat.go).
//
// # What moves it
//
// internal/watch looks at the chains. A Watcher reads its cursor, scans, and
// writes what it found and the moved cursor in one transaction, by
// compare-and-set. Whom an address belongs to is asked after the chain was read, so
// an address made meanwhile is never missed. Time-outs wait until the
// chain was scanned past their moment, so downtime expires nothing.
//
// internal/chain/sandbox is the chain of the test coin: a journal of operations,
// folded. internal/chain/bitcoin looks at real ones through full nodes: it keeps its
// own chain of headers in the cursor, reads blocks and the mempool, and asks the
// store which addresses are ours after it has read, so that none is missed; it also
// knows receiving keys ([Wallet]). internal/watch/chaintest is the one suite that
// both pass; internal/btcd starts the real node for it, and for the demo.
//
// internal/deliver brings deliveries to merchants. A pending delivery is a row;
// the Dispatcher's memory is a cache of such rows. Deliveries of one invoice to
// one webhook are a lane: only its head is attempted, and only heads have a due
// time, so the index of what is due never holds what may not go. Fresh commits
// are handed over directly. Results are written many at a time. A crash between
// a POST and its record means the same bytes again: at least once, never less.
//
// What is about a merchant's server ([Health], endpoint.go) is shared by all
// webhooks there: requests at a time, Retry-After, how long it has been failing.
// A head that may not go (its webhook was paused, moved, deleted) is settled when
// it is met, with its lane: that keeps every change of a webhook small. What was
// missed, or is to be sent again, is a job ([Resend], resend.go). Several processes
// deal the endpoints out among them (shards.go); what another commits for an endpoint
// of ours is hinted at and read at once (hints.go). dialer.go refuses private
// addresses at the moment of dialling.
//
// internal/prune deletes what is over. internal/telemetry counts what an operator
// watches. internal/loop is the one loop around all
// that works in steps.
//
// # What can be asked
//
// internal/desk holds the use cases, one verb per file, with the check who may.
// internal/api translates them to the CoinPayments API: server.go lists the
// routes, door.go lets requests in, auth.go verifies signatures, lenient.go reads
// what real clients send, version.go writes money as the two versions have it.
// An answer that has to be the same when a request comes again is written in the
// transaction of what it tells (desk/once.go). internal/rates knows rates, from a
// table for now.
//
// People ask by two rooms of pages, made by the server and whole without
// JavaScript: internal/checkout for buyers, internal/dash for the merchant's people,
// who sign in ([User], [Session]; what they do is kept as [AuditEntry]). A page that
// is looked at stays true: its live part is sent again whenever it changes
// (internal/web, live.go), and the browser changes only what is other.
//
// cmd/paybell is the only place that wires: serve, demo, and the operator's
// tools. internal/shop is the merchant's server that the demo plays; it shares
// no code with the sender, so that what it verifies is worth something.
//
// # What holds it
//
// internal/archtest holds the arrows between these packages. testdata/script
// drives the real binary. internal/killtest kills it, many times.
// internal/interop lets foreign shops, in PHP and Node, play the whole flow.
// internal/sim runs several processes in virtual time against faults of every
// kind, by seeds.
// internal/browser walks through the pages in a real browser.
// internal/hostile is receivers that misbehave, each in its own way; cmd/hostile
// lets any sender try them.
package paybell
