package dash

import "context"

// overview is what needs attention first, then how the day goes.
func (s *Server) overview(ctx context.Context, r *request) (view, error) {
	return view{Template: "overview.html", Title: "Overview", Area: "overview"}, nil
}
