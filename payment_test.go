package paybell

import (
	"fmt"
	"slices"
	"testing"
)

// Of very many transfers the greatest that stand are told, in order; all of them count.
func TestToldIsBounded(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT, func(p *Payment) { p.Due = NewUnits(1_000_000) })
	for i := range 3 * MaxTold {
		s.send(p, NewUnits(uint64(1+i)))
		s.chain[i].TxID = fmt.Sprintf("%03d", (i*7)%(3*MaxTold))
	}
	s.chain[len(s.chain)-1].Status = Dropped // the greatest does not stand
	s.look()
	told, more := s.inv.Told(s.payment(p))
	if len(told) != MaxTold || more != 2*MaxTold || !slices.IsSortedFunc(told, compareTransfers) {
		t.Fatalf("%d told, %d left out", len(told), more)
	}
	for _, tr := range told {
		if !tr.Standing() || tr.Amount.Cmp(NewUnits(2*MaxTold-1)) < 0 {
			t.Errorf("told: %+v", tr)
		}
	}
	if seen := s.inv.Money(s.payment(p)).Seen; seen.Cmp(NewUnits(3*MaxTold*(3*MaxTold-1)/2)) != 0 {
		t.Errorf("seen %s", seen)
	}
	body := decode(t, s.all[len(s.all)-1].Tell(Merchant{}, 0).Body)["invoice"].(map[string]any)["paybell"].(map[string]any)["payments"].([]any)[0].(map[string]any)
	if n := len(body["transfers"].([]any)); n != MaxTold || fmt.Sprint(body["transfersLeftOut"]) != fmt.Sprint(2*MaxTold) {
		t.Errorf("the body has %d and leaves out %v", n, body["transfersLeftOut"])
	}
}
