package dash

func (s *Server) settingsRoutes() []route {
	const users, business = "/dash/settings/users", "/dash/settings/business"
	return []route{
		{"GET /dash/settings", s.page(s.account)},
		{"GET /dash/settings/name", s.page(s.askName)},
		{"POST /dash/settings/name", s.rename},
		{"GET /dash/settings/password", s.page(s.askPassword)},
		{"POST /dash/settings/password", s.changePassword},
		{"POST /dash/settings/second-factor", s.newFactor},
		{"POST /dash/settings/second-factor/confirm", s.confirmFactor},
		{"GET /dash/settings/second-factor/remove", s.page(s.askRemoveFactor)},
		{"POST /dash/settings/second-factor/remove", s.removeFactor},
		{"POST /dash/settings/sessions/others", s.endOtherSessions},
		{"POST /dash/settings/sessions/{session}", s.endSession},

		{"GET " + users, s.page(s.users)},
		{"GET " + users + "/invite", s.page(s.askInvite)},
		{"POST " + users + "/invite", s.invite},
		{"POST /dash/settings/invites/{invite}", s.revokeInvite},
		{"GET " + users + "/{user}", s.page(s.user)},
		{"POST " + users + "/{user}", s.changeRole},
		{"POST " + users + "/{user}/reset", s.resetUser},
		{"POST " + users + "/{user}/remove", s.removeUser},

		{"GET " + business, s.page(s.business)},
		{"POST " + business, s.updateBusiness},
		{"GET " + business + "/token", s.page(s.askToken)},
		{"POST " + business + "/token", s.newToken},
		{"POST " + business + "/tokens/{token}", s.revokeToken},

		{"GET /dash/settings/audit", s.page(s.audit)},

		{"GET /dash/settings/privacy", s.page(s.privacy)},
		{"POST /dash/settings/privacy", s.findBuyer},
		{"POST /dash/settings/privacy/erase", s.eraseBuyer},
	}
}

// settings is a page of the settings. Who may only look sees their own account.
func settings(r *request, template, title string, data any) (view, error) {
	return view{Template: template, Title: title, Area: "settings", Data: data}, mayChange(r)
}
