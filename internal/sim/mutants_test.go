package sim

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var mutants = flag.Bool("mutants", false, "break the product in known ways, and see whether the seeds notice")

// change is a piece of a file that a mutant has otherwise.
type change struct{ file, was, is string }

// mutant is a product with a fault in it that must not go unnoticed.
type mutant struct {
	name    string
	says    string // what is wrong with it, in the words of a seed that fails; an expression
	changes []change
}

// TestMutants plays seeds against products that are broken on purpose. Nothing of
// that is in the product: the compiler is given other files in place of some.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("takes minutes; go test ./internal/sim -run TestMutants -mutants")
	}
	for _, m := range []mutant{
		{"acknowledge before sending", "was never made", []change{{"internal/deliver/fly.go",
			"\t\ta, hold := attempt(", `
		var early store.Result
		early.Attempt.WebhookID, early.Attempt.Number, early.Attempt.N = f.head.WebhookID, f.head.Number, f.head.Attempts+1
		early.Attempt.StartedAt = time.Now().UTC()
		early.Delivery = f.head.Next(early.Attempt, nil, 0)
		_, _ = store.Update(context.Background(), d.db, func(tx *store.Tx) ([]bool, error) { return tx.Record([]store.Result{early}, time.Now()) })
		a, hold := attempt(`}}},
		{"move the cursor outside the transaction", "on the chain, and", []change{{"internal/watch/watch.go",
			"\tcursor := from.cursor\n", `
	cursor := from.cursor
	if err := store.Do(ctx, w.DB, func(tx *store.Tx) error { return move(tx, cursor, batch.Cursor, at) }); err != nil {
		return err
	}
	cursor.Version++
	cursor.Position, cursor.ScannedAt = batch.Cursor, at
`}}},
		{"write a result without its epoch", "had taken that for dead", []change{{"internal/deliver/fly.go",
			"\tif err := tx.Serving(id); err != nil {", "\tif err := error(nil); err != nil {"},
			{"internal/deliver/fly.go", "\t\tif a.by != id {", "\t\tif a.by != id && false {"}}},
		{"publish before commit", "committed", []change{{"internal/store/writer.go",
			"\tif err == nil {\n\t\terr = w.db.faultAt(BeforeCommit)\n\t}\n", `
	if err == nil {
		for _, r := range all {
			w.db.committed(r.fresh)
		}
		err = w.db.faultAt(BeforeCommit)
	}
`}}},
		{"pass the head of a lane while the endpoint is down", "was passed, but", []change{{"delivery.go",
			" && accepted.After(d.FailingSince)", ""}}},
		{"believe what was read of a webhook for ten seconds", "any more|do not verify|endpoint is disabled", []change{{"internal/deliver/deliver.go",
			"targetAge  = 500 * time.Millisecond", "targetAge  = 10 * time.Second"}}},
		{"take a body that breaks off for an answer", "is recorded as", []change{{"internal/deliver/attempt.go",
			"\tcase err != nil:\n\t\tgot.failure", "\tcase false:\n\t\tgot.failure"}}},
		{"take a delivery into a lane with a gap before it", "out of order", []change{{"internal/deliver/endpoint.go",
			"l.failed || len(l.queue) >= maxQueue || f.Previous != 0 && f.Previous != l.last", "len(l.queue) >= maxQueue"}}},
		{"forget what is being recorded", "had recorded as delivered", []change{{"internal/deliver/deliver.go",
			" || e.finished[name] >= h.Number", ""}}},
		{"go on without a beat", "taken for dead at|the endpoint is", []change{{"internal/deliver/shards.go",
			"(d.Alone || time.Since(s.beaten) < doubtAt)", "true"}}},
		{"do not wait for a server that asks for time", "for time until", []change{{"internal/deliver/endpoint.go",
			"if r.Hold.After(e.notUntil) {", "if false {"}}},
		{"do not say what is out of order", "out of order", []change{{"internal/deliver/attempt.go",
			"\tif d.OutOfOrder {", "\tif false {"}}},
	} {
		t.Run(m.name, m.noticed)
	}
}

// noticed fails when the seeds are fine with a mutant.
func (m mutant) noticed(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for _, c := range m.changes {
		file := filepath.Join(root, filepath.FromSlash(c.file))
		from := file
		if replace[file] != "" {
			from = replace[file]
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), c.was) != 1 {
			t.Fatalf("%s says %d times %q, not once: mend this mutant", c.file, strings.Count(string(text), c.was), c.was)
		}
		replace[file] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(replace[file], []byte(strings.Replace(string(text), c.was, c.is, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, ".", "-run", "TestSeeds", "-seeds", "50", "-stop").CombinedOutput()
	caught := regexp.MustCompile(`(?m)^\d+ seeds .*$`).Find(out)
	switch {
	case err == nil:
		t.Errorf("50 seeds noticed nothing")
	case !strings.Contains(string(out), replaying) || !regexp.MustCompile(m.says).Match(out):
		t.Errorf("it did not fail by what is wrong with it:\n%s", regexp.MustCompile(`(?m)^\s+sim_test\.go:\d+: .*$`).FindAll(out, 20))
	default:
		t.Logf("noticed: %s", caught)
		for _, line := range regexp.MustCompile(`(?m)^\s+sim_test\.go:\d+: (.*)$`).FindAllStringSubmatch(string(out), 6) {
			if !strings.HasPrefix(line[1], "the story") {
				t.Logf("  %.220s", line[1])
			}
		}
	}
}
