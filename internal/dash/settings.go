package dash

func (s *Server) settingsRoutes() []route { return nil }
