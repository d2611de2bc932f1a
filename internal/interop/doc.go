// Package interop holds shops' programs that were written from the
// documentation of the CoinPayments API alone, in PHP and in Node, and a test
// that lets them play the whole flow with the real binary. They import nothing
// of Paybell, so that what they agree about is worth something: two senders
// that sign requests the way the official PHP SDK and a generated Node client
// do, and two receivers that verify webhooks.
package interop
