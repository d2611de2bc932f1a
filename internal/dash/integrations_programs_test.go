package dash

import (
	"go/format"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/api"
	"github.com/paybell/paybell/internal/desk"
)

// runs is how a program is run that was saved to a file.
var runs = map[string]struct {
	file    string
	command []string
}{
	"curl":   {"invoice.sh", []string{"sh"}},
	"Go":     {"invoice.go", []string{"go", "run"}},
	"PHP":    {"invoice.php", []string{"php"}},
	"Node":   {"invoice.mjs", []string{"node"}},
	"Python": {"invoice.py", []string{"python3"}},
}

// copiedPrograms are the programs of a page, by language, as its buttons copy them.
func copiedPrograms(t *testing.T, a answer) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`data-copy="([^"]+)" hidden>.{0,300}Copy the program in (\w+)</span></button><pre tabindex="0">([^<]+)</pre>`).FindAllStringSubmatch(a.body, -1) {
		all[m[2]] = html.UnescapeString(m[1])
		if seen := html.UnescapeString(m[3]); seen != all[m[2]] {
			t.Errorf("in %s is seen\n%s\nand copied\n%s", m[2], seen, all[m[2]])
		}
	}
	if len(all) != len(runs) {
		t.Fatalf("there are %d programs:\n%s", len(all), a.body)
	}
	return all
}

// Every program does what is said of it when it is pasted: those that are shown
// with the secret, and those of the client's page that find it in the environment.
func TestPrograms(t *testing.T) {
	r := newRig(t)
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/dash/", (&Server{Desk: r.desk, PublicURL: url}).Handler())
	mux.Handle("/api/", (&api.Server{Desk: r.desk, PublicURLs: []string{url}}).Handler())
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	r.url = url // cookies know no ports

	form := r.owner.newForm("Web shop", "")
	shown := r.owner.post(apiPath, form...).want(t, http.StatusCreated)
	id, secret := shownSecret(t, shown)
	page := r.owner.get(apiPath+"/"+id).want(t, 200)
	t.Run("all", func(t *testing.T) {
		for name, text := range copiedPrograms(t, shown) {
			t.Run(name+" as shown once", func(t *testing.T) { t.Parallel(); makesInvoice(t, name, text, "") })
		}
		for name, text := range copiedPrograms(t, page) {
			if strings.Contains(text, secret) || !strings.Contains(text, "PAYBELL_SECRET") {
				t.Errorf("the program in %s is\n%s", name, text)
			}
			t.Run(name, func(t *testing.T) { t.Parallel(); makesInvoice(t, name, text, secret) })
		}
	})
	list, err := r.desk.ListInvoices(t.Context(), r.ownerActor(), desk.InvoiceFilter{Limit: 100}, 1)
	must(t, err)
	if len(list.Invoices) != 2*len(runs) {
		t.Errorf("there are %d invoices", len(list.Invoices))
	}
	for _, inv := range list.Invoices {
		if inv.ClientID != id || inv.Bill.Total.String() != "10" || inv.Bill.Currency != "5057" || inv.State != paybell.Unpaid {
			t.Errorf("an invoice is %+v", inv)
		}
	}
}

// makesInvoice runs a program, with the secret in the environment if it is not in
// the text.
func makesInvoice(t *testing.T, language, text, secret string) {
	t.Helper()
	how := runs[language]
	if _, err := exec.LookPath(how.command[0]); err != nil && language == "Python" {
		t.Skip("there is no Python here")
	}
	if language == "Go" {
		if tidy, err := format.Source([]byte(text)); err != nil || string(tidy) != text {
			t.Errorf("it is not as gofmt writes it: %v\n%s", err, text)
		}
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, how.file), []byte(text), 0o600))
	cmd := exec.CommandContext(t.Context(), how.command[0], append(how.command[1:], how.file)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if secret != "" {
		cmd.Env = append(cmd.Env, "PAYBELL_SECRET="+secret)
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"invoices":[{"id":"`) {
		t.Errorf("%v says %v:\n%s", how.command, err, out)
	}
}
