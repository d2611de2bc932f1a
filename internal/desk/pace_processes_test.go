package desk_test

import (
	"net/netip"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// Guesses are counted over all processes: asking another one gives no more of them.
func TestPacesOverProcesses(t *testing.T) {
	o := onPostgres(t)
	processes := []*desk.Desk{o.Desk, {DB: o.DB}, {DB: o.DB}}
	try := func(i int, email string) error {
		_, _, err := processes[i%len(processes)].SignIn(t.Context(), email, "wrong password", "", desk.Visitor{From: netip.AddrFrom4([4]byte{10, 0, byte(len(email)), byte(i)})})
		return err
	}
	for i := range 10 {
		o.wantCode(try(i, "zoe@shop.example"), paybell.Unauthenticated)
	}
	for i := range 6 {
		o.wantCode(try(10+i, "zoe@shop.example"), paybell.RateLimited)
	}
	o.wantCode(try(0, "ada@shop.example"), paybell.Unauthenticated)
}
