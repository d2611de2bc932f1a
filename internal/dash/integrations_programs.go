package dash

import (
	"embed"
	"strings"
	"text/template"
)

//go:embed integrations_programs/*.txt
var programFiles embed.FS

var programTexts = template.Must(template.ParseFS(programFiles, "integrations_programs/*.txt"))

// program is a text that makes an invoice when it is run: how to sign, in one
// language.
type program struct {
	ID, Name string
	Run      string // how
	Text     string
}

// programKinds are the languages, in the order in which they are shown.
var programKinds = []program{
	{ID: "curl", Name: "curl", Run: "Paste it into a terminal."},
	{ID: "go", Name: "Go", Run: "Save it as invoice.go, then: go run invoice.go"},
	{ID: "php", Name: "PHP", Run: "Save it as invoice.php, then: php invoice.php"},
	{ID: "node", Name: "Node", Run: "Save it as invoice.mjs, then: node invoice.mjs"},
	{ID: "python", Name: "Python", Run: "Save it as invoice.py, then: python3 invoice.py"},
}

// exampleInvoice is what the programs ask for.
const exampleInvoice = `{
  "currency": "USD",
  "items": [{"name": "Coffee", "quantity": {"value": 1, "type": "quantity"}, "amount": "10.00"}],
  "amount": {"breakdown": {"subtotal": "10.00"}, "total": "10.00"}
}`

// programs writes the programs for a client. Without its secret they take it from
// the environment, as PAYBELL_SECRET.
func (s *Server) programs(clientID, secret string) []program {
	all := make([]program, len(programKinds))
	for i, p := range programKinds {
		var b strings.Builder
		values := struct{ URL, ClientID, Secret, Body string }{s.PublicURL + "/api/v2/merchant/invoices", clientID, secret, exampleInvoice}
		if err := programTexts.ExecuteTemplate(&b, p.ID+".txt", values); err != nil {
			panic(err) // the texts are ours
		}
		p.Text = b.String()
		all[i] = p
	}
	return all
}
