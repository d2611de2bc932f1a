// Package sim plays Paybell in virtual time, with everything going wrong that can,
// and then holds what happened against what is promised.
//
// There are tests only.
//
//	go test ./internal/sim                                     300 seeds (20 with the race detector)
//	go test ./internal/sim -run TestSeeds -seeds 1 -seed 42 -story   one again, and what happens in it
//	go test ./internal/sim -run TestSeeds -seeds 10000 -timeout 3h   a night's work
//	go test ./internal/sim -run TestMutants -mutants -v        does it see anything?
//
// # A seed
//
// A seed is a world (world_test.go) in a synctest bubble: days of some seconds in
// which much happens, nights of up to six days in which all processes are down, then
// all is made well and time passes until nothing is pending. What is real: the
// domain, the store on a SQLite file, the desk, the watcher over the sandbox chain,
// the dispatcher with its shards and its resends. Three processes run at a time,
// each with a handle of its own on the one file (process_test.go), so they share
// what servers on one PostgreSQL share, and only that. What is simulated: the
// network with the merchants' servers (network_test.go), and who asks for things
// (shop_test.go).
//
// # What goes wrong
//
// kinds_test.go lists it, the run counts it, and a run of 300 seeds fails when a
// kind has happened less than 20 times. Some of it needs a word (trouble_test.go):
//
//   - A crash is of the process, not of the machine: from some statement, commit or
//     moment on nothing that it does has an effect. Its open transaction is rolled
//     back, as the kernel's death of a connection would have it. That SQLite keeps
//     its word when the power goes is SQLite's business; nothing is synced here.
//   - A frozen process (SIGSTOP, a paused machine) neither sends nor hears nor
//     writes. It freezes after its next commit, not inside of a transaction, where
//     it would hold the one lock that SQLite has; and it still reads, because the
//     dispatcher does that with a mutex held, and virtual time stands still while
//     somebody waits for a mutex.
//   - A clock cannot jump in a bubble. What a jump of the wall clock changes is how
//     far away stored due times are; so it is they that jump, in a transaction of
//     nobody's, while processes run. Beside that, processes with clocks wrong by
//     hours write invoices. Durations are measured by clocks that do not jump.
//   - There is no second machine: that the order of commits is the same for all who
//     look, PostgreSQL has to promise, and storetest asks it.
//
// # What is judged
//
// Triggers write every change of a row that matters into a ledger, in the order of
// the transactions, and each transaction has its writer (ledger_test.go). So there
// is a history that owes nothing to the store's code, and beside it the list of all
// requests as the network saw them. judge_test.go and requests_test.go hold them
// against each other:
//
//   - each version of an invoice is a notification, and what a client was answered
//     is there; invoices and transfers are what the chain says they are;
//   - each notification is a delivery for just those webhooks that wanted it when it
//     was committed, numbered without a gap, and in the end each is delivered, but
//     for webhooks that are deleted;
//   - nothing is delivered that a server did not accept, nothing is recorded that was
//     not done, nothing done in peace is not recorded, and a delivery goes from state
//     to state for a reason only;
//   - no request tells of what is not committed; same id, same bytes; both kinds of
//     signatures verify with the secrets of that moment;
//   - first arrivals are in order in each lane, or say that they are not; a head is
//     passed only where its server took something else; one request per lane at a
//     time;
//   - no request starts to a URL, a webhook or an endpoint later than a second after
//     it was changed, paused, disabled or deleted, counted from the commit, without
//     what the process slept; none before the time that a server has asked for;
//   - requests start only where the shard is, and results of a process that others
//     have taken for dead change nothing;
//   - memory stays bounded, and is empty when nothing is left to do; what is due when
//     all is well is brought soon, by processes that came through all this.
//
// # Again
//
// Everything that is drawn is drawn from the seed. What is not: ids and secrets, the
// jitter of retries, and the order in which goroutines run that could run at once. So
// a seed is nearly always the same story, and when it is not, its neighbours tell
// it. The mutants (mutants_test.go) are products broken on purpose, each noticed
// within 50 seeds, or the simulation is.
package sim
