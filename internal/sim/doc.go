// Package sim plays Paybell in virtual time.
package sim
