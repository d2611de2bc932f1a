//go:build race

package sim

// With the race detector everything takes twenty times as long: there are fewer
// seeds, and less happens in each.
const (
	defaultSeeds = 20
	shortDays    = true
)
