// Package telemetry is what an operator watches, in the form of Prometheus. The
// first figure is the measure of truth: how many notifications are committed and
// not delivered, by age. Labels are bounded: none names a merchant.
package telemetry

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/paybell/paybell/internal/store"
)

// Metrics holds what is counted by this process, and reads the rest from the
// store when it is asked.
type Metrics struct {
	registry  *prometheus.Registry
	attempts  *prometheus.CounterVec
	first     prometheus.Histogram
	delivered prometheus.Histogram
}

// New makes the metrics of a store. inFlight counts the attempts under way.
func New(db *store.DB, inFlight func() int) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "paybell_attempts_total", Help: "Attempts to deliver a notification, by how they went.",
		}, []string{"result"}),
		first: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "paybell_first_attempt_seconds", Help: "From the commit of a notification to the start of its first attempt.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .5, 1, 5, 30, 300, 3600},
		}),
		delivered: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "paybell_delivered_seconds", Help: "From the commit of a notification to the answer that accepted it.",
			Buckets: []float64{.005, .01, .025, .05, .1, .5, 1, 5, 30, 300, 3600, 6 * 3600, 24 * 3600, 72 * 3600},
		}),
	}
	m.registry.MustRegister(m.attempts, m.first, m.delivered, &stock{db: db},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "paybell_attempts_in_flight", Help: "Attempts under way from this process.",
		}, func() float64 { return float64(inFlight()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Attempted counts an attempt.
func (m *Metrics) Attempted(r *store.Result) {
	a, d := &r.Attempt, &r.Delivery
	if a.N == 1 {
		m.first.Observe(max(0, a.StartedAt.Sub(d.CreatedAt).Seconds()))
	}
	if a.Failure != "" {
		m.attempts.WithLabelValues("failed").Inc()
		return
	}
	m.attempts.WithLabelValues("delivered").Inc()
	m.delivered.Observe(max(0, a.StartedAt.Add(a.Duration).Sub(d.CreatedAt).Seconds()))
}

// Handler serves them.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// stock reads what is in the store, at most once in fresh: with a million rows
// waiting, counting them takes a while.
type stock struct {
	db *store.DB

	mu   sync.Mutex
	at   time.Time
	last store.Stock
	err  error
}

const fresh = 10 * time.Second

var (
	undelivered = prometheus.NewDesc("paybell_undelivered",
		"Notifications that are committed and not delivered, for each webhook that wants them, by age.", []string{"age"}, nil)
	oldest    = prometheus.NewDesc("paybell_oldest_undelivered_seconds", "Age of the oldest of them.", nil, nil)
	held      = prometheus.NewDesc("paybell_endpoints", "Merchants' servers that are not well, by state.", []string{"state"}, nil)
	readable  = prometheus.NewDesc("paybell_store_readable", "1 if the store could be read for these figures.", nil, nil)
	ageLabels = []string{"under 1m", "1m to 10m", "10m to 1h", "1h to 1d", "over 1d"}
)

// Describe is prometheus.Collector's.
func (s *stock) Describe(to chan<- *prometheus.Desc) {
	to <- undelivered
	to <- oldest
	to <- held
	to <- readable
}

// Collect is prometheus.Collector's.
func (s *stock) Collect(to chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.at) >= fresh {
		ctx, cancel := context.WithTimeout(context.Background(), fresh)
		defer cancel()
		s.last, s.err = store.View(ctx, s.db, func(tx *store.Tx) (store.Stock, error) { return tx.Stock(now) })
		s.at = now
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if s.err != nil {
		gauge(readable, 0)
		return // better none than old ones
	}
	gauge(readable, 1)
	for i, label := range ageLabels {
		gauge(undelivered, float64(s.last.Undelivered[i]), label)
	}
	age := 0.0
	if !s.last.Oldest.IsZero() {
		age = max(0, s.at.Sub(s.last.Oldest).Seconds())
	}
	gauge(oldest, age)
	for state, n := range s.last.Endpoints {
		gauge(held, float64(n), string(state))
	}
}
