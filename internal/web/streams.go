package web

import "sync"

// Streams counts what is open, by key. The zero value is ready; Most is set once.
type Streams struct {
	Most int // of one key at a time

	mu   sync.Mutex
	open map[string]int
}

// Enter takes a place of key; false: there is none. Who got one calls Leave.
func (s *Streams) Enter(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key] >= s.Most {
		return false
	}
	if s.open == nil {
		s.open = map[string]int{}
	}
	s.open[key]++
	return true
}

// Leave gives a place back.
func (s *Streams) Leave(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key]--; s.open[key] == 0 {
		delete(s.open, key)
	}
}
