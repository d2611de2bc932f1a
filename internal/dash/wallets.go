package dash

func (s *Server) walletRoutes() []route { return nil }
