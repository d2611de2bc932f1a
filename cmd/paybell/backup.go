package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

type backupCmd struct {
	dataFlags
	To        string `help:"File to write. A directory for backups of every day: --to backups/$(date +%F).db" default:"paybell-backup.db" type:"path"`
	Overwrite bool   `help:"Replace a file that is there, once the new backup is whole."`
	JSON      bool   `name:"json" help:"Print one line of JSON."`
}

// Run makes the backup; a server on the same data goes on meanwhile.
func (c *backupCmd) Run(ctx context.Context) error {
	if c.onPostgres() {
		return fmt.Errorf(`PostgreSQL makes its own backups, while the servers run. For one file:
  pg_dump --format=custom --file=paybell.dump postgres://...
The key is NOT in it: keep a copy of %s in another place. To restore it, with no server running:
  pg_restore --no-owner --dbname=postgres://... paybell.dump     (into a new, empty database)
  paybell restore --database postgres://... --new-epoch          (before the first server)`, c.keyFile())
	}
	b, err := store.Backup(ctx, c.Data, c.To, c.Overwrite)
	if err != nil {
		return err
	}
	keyFits := store.KeyFits(c.keyFile(), b.SealKeys)
	if c.JSON {
		return printJSON(map[string]any{
			"file": b.File, "bytes": b.Bytes, "invoices": b.Invoices, "schema": b.Schema, "epoch": b.Epoch,
			"keys": b.SealKeys, "keyFile": c.keyFile(), "keyFits": keyFits == nil,
		})
	}
	fmt.Printf("The backup is written, and whole.\n\n  file      %s\n  size      %s\n  invoices  %d\n\n", b.File, size(b.Bytes), b.Invoices)
	if keyFits != nil {
		fmt.Fprintf(os.Stderr, "Warning: %s.\n", advice(keyFits))
		return nil
	}
	fmt.Printf("The key is NOT in it. Without key %s the secrets in the backup are lost: keep a copy of\n%s in another place than the backups.\n",
		strings.Join(b.SealKeys, " "), c.keyFile())
	return nil
}

// size is a number of bytes for people, in whole units.
func size(bytes int64) string {
	switch {
	case bytes >= 10<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", (bytes+1023)>>10)
}

type restoreCmd struct {
	dataFlags
	File          string `arg:"" optional:"" help:"The backup. With --database it was restored before, by pg_restore." type:"path"`
	NewEpoch      bool   `help:"With --database: the database was just restored from a dump of PostgreSQL. Go on after it as after a backup, so that no number and no address is given out twice."`
	Replace       bool   `help:"Put it in the place of a database that is there, which is kept beside it."`
	SkipAddresses *int64 `help:"How many addresses of each key to leave out. Default: as many as may have been given out since the backup. 0 is right only if no server has run since." placeholder:"N"`
	Epoch         int64  `help:"Epoch of the numbers of notifications, if it must be higher than the next: when this backup was restored before, elsewhere, and served." placeholder:"N"`
	JSON          bool   `name:"json" help:"Print one line of JSON."`
}

// maxSkip bounds what is asked for: a key has 2^31 addresses.
const maxSkip = 1_000_000_000

// Validate refuses what does not go together.
func (c *restoreCmd) Validate() error {
	switch {
	case c.onPostgres() && !c.NewEpoch:
		return errors.New("with --database, dumps are restored by pg_restore, into an empty database and with no server running; then run `paybell restore --database postgres://... --new-epoch`, before the first server")
	case c.onPostgres() && (c.File != "" || c.Replace):
		return errors.New("--new-epoch is for the database itself, after pg_restore: it takes no file, and replaces nothing")
	case c.onPostgres():
		return nil
	case c.NewEpoch:
		return errors.New("--new-epoch is for --database; a backup that is restored from a file begins a new epoch by itself")
	case c.File == "":
		return errors.New(`expected "<file>", the backup`)
	}
	return nil
}

// Run restores; the server must not be running.
func (c *restoreCmd) Run(ctx context.Context) error {
	opt := store.RestoreOptions{KeyFile: c.keyFile(), Replace: c.Replace, Epoch: c.Epoch, Skip: -1}
	if n := c.SkipAddresses; n != nil {
		if *n < 0 || *n > maxSkip {
			return fmt.Errorf("--skip-addresses %d: must be 0 to %d", *n, maxSkip)
		}
		opt.Skip = *n
	}
	if c.Epoch < 0 || c.Epoch > maxSkip {
		return fmt.Errorf("--epoch %d: must be 0 to %d", c.Epoch, maxSkip)
	}
	restore := func() (store.Restored, error) { return store.Restore(ctx, c.Data, c.File, opt) }
	if c.onPostgres() {
		restore = func() (store.Restored, error) { return store.NewEpoch(ctx, c.Database, opt) }
	}
	r, err := restore()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(map[string]any{
			"file": r.File, "bytes": r.Bytes, "invoices": r.Invoices, "pending": r.Pending, "epoch": r.Epoch, "previousEpoch": r.Was.Epoch,
			"schema": r.Schema, "previousSchema": r.Was.Schema, "lastWrite": r.At, "skippedAddresses": r.Skipped, "keys": r.Keys,
			"signedOut": r.SignedOut, "kept": r.Kept, "keptUnreadable": r.Unreadable,
		})
	}
	fmt.Print(c.story(r))
	return nil
}

// story is what has to be known before the server is started.
func (c *restoreCmd) story(r store.Restored) string {
	var s strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	say("The backup is restored: %d invoices, as they were at %s.\n", r.Invoices, r.At.Format("2006-01-02 15:04 MST"))
	if r.Was.Schema != r.Schema {
		say("- It was of an older version of Paybell (schema %d), and is brought up to date (schema %d).", r.Was.Schema, r.Schema)
	}
	say("- Numbers of notifications begin with %d. from now on (Paybell-Sequence). %d deliveries were pending; they are sent,\n  perhaps again, with the id that they had.", r.Epoch, r.Pending)
	if c.onPostgres() && c.Epoch == 0 {
		say("  If the database that was there before, or an earlier restore of this dump, had come to epoch %d already, run this\n  again with a higher --epoch.", r.Epoch)
	}
	if r.Skipped > 0 {
		say("- The next %d addresses of each key (%d keys) are left out: they may have been given to buyers after the backup, and\n"+
			"  nobody gets the same. Set the gap limit of your wallet programs to %d or more, or they will not see what comes.", r.Skipped, r.Keys, r.Skipped+paybell.MaxGap)
	}
	say("- Chains are watched from where the backup stood: payments that came since are found. Invoices that were made since\n  are not there, and nothing that is paid to them is seen.")
	say("- Everybody signs in again. What was changed or revoked since the backup is as it was: secrets, tokens, users, wallets.\n" +
		"  Add wallets that were new with --from, behind the addresses that they had given out.")
	if r.Unreadable {
		say("- The database that was there is damaged, so numbers and addresses follow the backup alone.")
	}
	if r.Kept != "" {
		say("- What was there before is kept: %s", r.Kept)
	}
	next := "paybell serve --data " + c.Data
	if c.onPostgres() {
		next += " --database ..."
	}
	if c.KeyFile != "" {
		next += " --key-file " + c.KeyFile
	}
	say("\nNever let two servers run that began with the same backup. Next: %s", next)
	return s.String()
}
