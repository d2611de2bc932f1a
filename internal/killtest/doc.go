// Package killtest proves that nothing acknowledged is lost: it kills the real
// server again and again while shops create, pay and cancel invoices, and then
// holds what arrived at their webhooks against what they were told.
//
// While the server is killed one endpoint fails and one hangs, and the others
// must not notice. The sick recover when the healthy have everything; then all
// that was committed must arrive there, too.
//
// The same is done to several processes on a PostgreSQL, of which now the one that
// answers is killed, now one that works, and now the database; and to processes that
// are cut off from the database in the middle of a delivery, or frozen, or that join
// and leave: what they are late with changes nothing, no endpoint is served by two at
// the same time, and none waits for long.
//
// There are tests only. Nothing of Paybell's product is imported: what a shop signs
// and verifies is written here a second time, from the contract.
//
//	go test ./internal/killtest -run 'TestKills$' -v [-seed N] [-kills N] [-invoices N]
//	go test ./internal/killtest -run TestKillsPostgres -v [-seed N] [-pgkills N] [-pginvoices N]
//	go test ./internal/killtest -run TestProcesses -v
//
// The seed decides what is done and when a kill is due. What the two processes
// make of it is up to their schedulers, so a seed is the same pressure again,
// not the same run. A kill ends the process, not the machine: what it proves is
// the order of commit, answer and POST, not that the disk keeps its word.
package killtest
