package dash

func (s *Server) integrationRoutes() []route { return nil }
