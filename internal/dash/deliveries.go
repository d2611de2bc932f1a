package dash

func (s *Server) deliveryRoutes() []route { return nil }
