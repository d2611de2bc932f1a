package paybell

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// tiers are n of them, each above the one before it.
func tiers(n int) (all []Tier) {
	for i := range n {
		all = append(all, Tier{From: NewUnits(uint64(i)), Confirmations: i + 1})
	}
	return all
}

func TestPolicyCheck(t *testing.T) {
	one := []Tier{{Confirmations: 1}}
	for name, p := range map[string]Policy{
		"the least":  {Completed: one},
		"the most":   {Paid: 100, Completed: []Tier{{Confirmations: 100}}},
		"many tiers": {Paid: 1, Completed: tiers(MaxTiers)},
		"the same":   {Completed: []Tier{{Confirmations: 6}, {From: NewUnits(1), Confirmations: 6}, {From: greatest, Confirmations: 7}}},
		"paid later": {Paid: 6, Completed: one}, // then it is completed with 6
	} {
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range Currencies() {
		if c.Confirmations > 0 {
			if err := DefaultPolicy(c).Check(); err != nil {
				t.Errorf("the default of %s: %v", c.Symbol, err)
			}
		}
	}
	for name, tt := range map[string]struct {
		Policy
		field string
	}{
		"paid before it was sent": {Policy{Paid: -1, Completed: one}, "paid"},
		"paid very late":          {Policy{Paid: 101, Completed: one}, "paid"},
		"no tiers":                {Policy{}, "completed"},
		"empty tiers":             {Policy{Completed: []Tier{}}, "completed"},
		"too many tiers":          {Policy{Completed: tiers(MaxTiers + 1)}, "completed"},
		"none needed":             {Policy{Completed: []Tier{{Confirmations: 0}}}, "completed"},
		"fewer than none":         {Policy{Completed: []Tier{{Confirmations: -1}}}, "completed"},
		"very late":               {Policy{Completed: []Tier{{Confirmations: 101}}}, "completed"},
		"very late for much":      {Policy{Completed: []Tier{{Confirmations: 1}, {From: NewUnits(1), Confirmations: 101}}}, "completed"},
		"fewer for much":          {Policy{Completed: []Tier{{Confirmations: 6}, {From: NewUnits(1), Confirmations: 5}}}, "completed"},
		"none for much":           {Policy{Completed: []Tier{{Confirmations: 1}, {From: NewUnits(1)}}}, "completed"},
		"nothing for little":      {Policy{Completed: []Tier{{From: NewUnits(1), Confirmations: 1}}}, "completed"},
		"twice the same":          {Policy{Completed: []Tier{{Confirmations: 1}, {From: NewUnits(5), Confirmations: 2}, {From: NewUnits(5), Confirmations: 3}}}, "completed"},
		"twice from 0":            {Policy{Completed: []Tier{{Confirmations: 1}, {Confirmations: 2}}}, "completed"},
		"descending":              {Policy{Completed: []Tier{{Confirmations: 1}, {From: greatest, Confirmations: 2}, {From: NewUnits(5), Confirmations: 3}}}, "completed"},
	} {
		err, ok := errors.AsType[*Error](tt.Check())
		if !ok || err.Code != Invalid || err.Fields[tt.field] == "" || len(err.Fields) != 1 {
			t.Errorf("%s: got %v, want advice for %s", name, err, tt.field)
		}
	}
}

// Whatever Check lets pass asks for what it says: the tier that an amount is in
// decides, no amount is in none, and it is the same after it was kept.
func TestAnyPolicy(t *testing.T) {
	amount := rapid.Map(rapid.Uint64(), NewUnits)
	count := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(-1, MaxConfirmations+1))
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Paid: count.Draw(t, "paid")}
		froms := rapid.SliceOfN(amount, 0, MaxTiers).Draw(t, "from")
		counts := rapid.SliceOfN(count, len(froms)+1, len(froms)+1).Draw(t, "confirmations")
		if rapid.IntRange(0, 5).Draw(t, "in order") > 0 {
			slices.SortFunc(froms, Units.Cmp)
			slices.Sort(counts)
			froms = slices.Insert(froms, 0, Units{})
		}
		for i, from := range froms {
			p.Completed = append(p.Completed, Tier{From: from, Confirmations: counts[i]})
		}
		if p.Check() != nil {
			return
		}
		kept, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Policy
		if err := json.Unmarshal(kept, &back); err != nil || back.Paid != p.Paid || !slices.Equal(back.Completed, p.Completed) {
			t.Fatalf("%+v comes back as %+v, %v", p, back, err)
		}
		ask := func(due Units, tier Tier) {
			paid, completed := p.Required(due)
			if paid != p.Paid || completed != max(paid, tier.Confirmations) || completed < 1 || completed > MaxConfirmations {
				t.Fatalf("%+v asks for %d and %d for %s", p, paid, completed, due)
			}
		}
		for i, tier := range p.Completed {
			ask(tier.From, tier)
			if i > 0 {
				ask(tier.From.Sub(NewUnits(1)), p.Completed[i-1])
			}
		}
		ask(greatest, p.Completed[len(p.Completed)-1])
	})
}
