package api

import "strings"

// Patterns lists what the server answers as the mux has it, both versions
// written out, and who may call it: "anonymous", "signed" or "account".
func (s *Server) Patterns() map[string]string {
	whose := map[guard]string{anonymous: "anonymous", signed: "signed", account: "account"}
	patterns := map[string]string{}
	for _, rt := range s.routes() {
		for _, version := range versions(rt.pattern) {
			patterns[version] = whose[rt.guard&^(withBody|known)]
		}
	}
	return patterns
}

// PutOffPatterns lists those of them that are not offered.
func PutOffPatterns() (patterns []string) {
	for _, rt := range putOff() {
		patterns = append(patterns, versions(rt.pattern)...)
	}
	return patterns
}

func versions(pattern string) []string {
	if !strings.Contains(pattern, "v{1,2}") {
		return []string{pattern}
	}
	return []string{strings.Replace(pattern, "v{1,2}", "v1", 1), strings.Replace(pattern, "v{1,2}", "v2", 1)}
}
