package store

import (
	"time"

	"github.com/paybell/paybell"
)

// Stock is how much there is of what an operator watches.
type Stock struct {
	Undelivered [5]int64 // pending deliveries younger than a minute, 10 minutes, an hour, a day, and the rest
	Oldest      time.Time
	Endpoints   map[paybell.EndpointState]int64 // those that are not well
}

// Ages are the borders of Stock.Undelivered.
var ages = [4]time.Duration{time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour}

// Stock counts. It reads an index from end to end, of pending deliveries only.
func (tx *Tx) Stock(now time.Time) (s Stock, err error) {
	var border [4]int64
	for i, age := range ages {
		border[i] = micros(now.Add(-age))
	}
	type count struct{ class, n, oldest int64 }
	classes, err := list(tx, func(row scanner) (c count, err error) { return c, row.Scan(&c.class, &c.n, &c.oldest) },
		`SELECT CASE WHEN created_at > $1 THEN 0 WHEN created_at > $2 THEN 1 WHEN created_at > $3 THEN 2 WHEN created_at > $4 THEN 3 ELSE 4 END AS class,
			COUNT(*), MIN(created_at) FROM deliveries WHERE state = 'pending' GROUP BY class`, border[0], border[1], border[2], border[3])
	if err != nil {
		return s, err
	}
	for _, c := range classes {
		s.Undelivered[c.class] = c.n
		if at := moment(c.oldest); s.Oldest.IsZero() || at.Before(s.Oldest) {
			s.Oldest = at
		}
	}
	s.Endpoints = map[paybell.EndpointState]int64{paybell.EndpointFailing: 0, paybell.EndpointPaused: 0, paybell.EndpointDisabled: 0}
	states, err := list(tx, func(row scanner) (c count, err error) { return c, row.Scan(&c.class, &c.n) },
		`SELECT CASE WHEN disabled_at > 0 THEN 2 WHEN paused_until > $1 THEN 1 ELSE 0 END AS class, COUNT(*)
		FROM endpoints WHERE failing_since > 0 OR disabled_at > 0 OR paused_until > $1 GROUP BY class`, micros(now))
	for _, c := range states {
		s.Endpoints[[]paybell.EndpointState{paybell.EndpointFailing, paybell.EndpointPaused, paybell.EndpointDisabled}[c.class]] = c.n
	}
	return s, err
}
