package dash

import "context"

// alerts is what has to be seen on every page: endpoints that fail or were disabled.
func (s *Server) alerts(ctx context.Context, r *request) ([]alert, error) { return nil, nil }
