package api

import "sync"

// streams counts what is open, by client.
type streams struct {
	mu   sync.Mutex
	open map[string]int
}

func (s *streams) enter(clientID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[clientID] >= maxStreams {
		return false
	}
	if s.open == nil {
		s.open = map[string]int{}
	}
	s.open[clientID]++
	return true
}

func (s *streams) leave(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[clientID]--; s.open[clientID] == 0 {
		delete(s.open, clientID)
	}
}
