package dash

func (s *Server) invoiceRoutes() []route { return nil }
