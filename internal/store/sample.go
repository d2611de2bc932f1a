package store

import (
	"time"

	"github.com/paybell/paybell"
)

// Sample is deliveries that stand for more: every so many-th of those that were made
// in a span of time.
type Sample struct {
	Deliveries []paybell.Delivery // with their state and their times only
	Every      int64              // 1: all of them
}

// few is how many of its newest deliveries of each webhook are read at once: most
// webhooks have no more to say.
const few = 20

// SampleDeliveries reads, of the deliveries of webhooks that were made since a moment,
// about most, evenly spread: numbers have no gaps, so it knows where to look.
func (tx *Tx) SampleDeliveries(webhookIDs []string, since time.Time, most int64) (s Sample, err error) {
	type numbers struct {
		id          string
		first, last int64
	}
	s.Every = 1
	total := int64(0)
	var busy []numbers
	for _, id := range webhookIDs {
		last, err := list(tx, scanSample, "SELECT "+sampleColumns+" FROM deliveries d WHERE d.webhook_id = $1 ORDER BY d.number DESC LIMIT $2", id, few)
		if err != nil {
			return s, err
		}
		if len(last) == few && !last[few-1].CreatedAt.Before(since) {
			first, err := tx.numberAt(id, since.Add(-time.Microsecond))
			if err != nil {
				return s, err
			}
			busy = append(busy, numbers{id, first + 1, last[0].Number})
			total += last[0].Number - first
			continue
		}
		for _, d := range last {
			if !d.CreatedAt.Before(since) {
				s.Deliveries = append(s.Deliveries, d)
			}
		}
	}
	if total += int64(len(s.Deliveries)); total > most {
		s.Every = (total + most - 1) / most
		s.Deliveries = everyOf(s.Deliveries, s.Every)
	}
	for _, n := range busy {
		found, err := list(tx, scanSample, `WITH RECURSIVE picks (number) AS (SELECT CAST($2 AS BIGINT) UNION ALL SELECT number + $4 FROM picks WHERE number + $4 <= $3)
			SELECT `+sampleColumns+" FROM picks CROSS JOIN deliveries d WHERE d.webhook_id = $1 AND d.number = picks.number", // in this order
			n.id, n.first, n.last, s.Every)
		if err != nil {
			return s, err
		}
		s.Deliveries = append(s.Deliveries, found...)
	}
	return s, nil
}

// everyOf keeps every n-th, beginning with the first.
func everyOf(all []paybell.Delivery, n int64) (kept []paybell.Delivery) {
	for i := int64(0); i < int64(len(all)); i += n {
		kept = append(kept, all[i])
	}
	return kept
}

const sampleColumns = "d.number, d.state, d.marks, d.failing_since, d.created_at, d.finished_at"

func scanSample(s scanner) (d paybell.Delivery, err error) {
	var marks int64
	err = s.Scan(&d.Number, &d.State, &marks, when{&d.FailingSince}, when{&d.CreatedAt}, when{&d.FinishedAt})
	d.Resent = marks&resent != 0
	return d, err
}
