// Package paybell is the domain of Paybell: the words, the states of an
// invoice, the bytes of a notification. It is pure: no I/O, no clock, no
// context.
package paybell
