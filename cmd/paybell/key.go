package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

type keyCmd struct {
	Rotate keyRotateCmd `cmd:"" help:"Make a new key and seal all secrets with it, while the server runs."`
}

type keyRotateCmd struct {
	dataFlags
	Prepare bool `help:"Make the new key and put it into the key file, but seal nothing with it yet." xor:"step"`
	DropOld bool `help:"Make no new key, but take those out of the key file that nothing in the database needs any more." xor:"step"`
	JSON    bool `name:"json" help:"Print one line of JSON."`
}

// Help is printed behind the flags.
func (*keyRotateCmd) Help() string {
	return `Servers that read the same key file notice by themselves. With --database there may be others, on other machines, which cannot open what is sealed with a key that they have not got. So there it takes three steps, all while the servers run:

1. On one machine: paybell key rotate --prepare --database ...

2. Copy its key file over that of every other machine (scp -p, or what you distribute secrets with; as paybell.key in the data directory or where --key-file says, mode 600, owned by who runs the server). Servers read it again when they meet a key that they do not know; none has to be restarted.

3. On the first machine again: paybell key rotate --database ...

A machine that was forgotten answers with errors and delivers nothing until it has the file; then it goes on by itself, and nothing is lost. Later, when no backup needs the old key: paybell key rotate --drop-old, and copy the file once more.`
}

// Run rotates; a server on the same data and key file notices by itself.
func (c *keyRotateCmd) Run(ctx context.Context) error {
	// Where there is nothing to rotate, nothing is to be made.
	if _, err := store.ReadKeyring(c.keyFile()); paybell.CodeOf(err) == paybell.NotFound {
		return fmt.Errorf("there is no key file %s; say where the data is, with --data, or the key, with --key-file", c.keyFile())
	}
	db, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	if c.Prepare {
		return errors.Join(c.prepare(ctx, db), db.Close())
	}
	rotate := c.rotate
	if c.DropOld {
		rotate = (*store.DB).DropOldKeys
	}
	r, err := rotate(db, ctx)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(map[string]any{"key": r.Key, "resealed": r.Resealed, "old": append([]string{}, r.Old...), "dropped": c.DropOld && len(r.Old) > 0, "keyFile": c.keyFile()})
	}
	old := strings.Join(r.Old, " ")
	switch {
	case !c.DropOld:
		fmt.Printf("All secrets are sealed with the new key %s; %d were sealed again. Nobody is signed out.\n\nBack up %s now, in another place than the data.\n"+
			"Nothing in the database needs the old key any more (%s). Older backups do: keep a copy of the key file\nwith them, then drop it here: paybell key rotate --drop-old%s\n",
			r.Key, r.Resealed, c.keyFile(), old, c.flags())
	case old == "":
		fmt.Printf("There is no old key in %s: all secrets are sealed with key %s.\nTo make a new one: paybell key rotate\n", c.keyFile(), r.Key)
	default:
		fmt.Printf("Dropped: %s. All secrets in the database are sealed with key %s. Back %s up.\n", old, r.Key, c.keyFile())
	}
	return nil
}

// rotate rotates, if every machine can have the new key.
func (c *keyRotateCmd) rotate(db *store.DB, ctx context.Context) (r store.Rotation, err error) {
	if c.onPostgres() {
		ready, err := db.Prepared(ctx)
		if err != nil {
			return r, err
		}
		if !ready {
			return r, paybell.Errorf(paybell.Conflict, `servers on other machines need the new key before anything is sealed with it:
  1. paybell key rotate --prepare%s
  2. copy %s to every machine that runs a server, over the key file there
  3. run this again
Where there is no other machine, leave out step 2. More: paybell key rotate --help`, c.flags(), c.keyFile())
		}
	}
	return db.RotateKey(ctx)
}

// prepare makes the key of the next rotation.
func (c *keyRotateCmd) prepare(ctx context.Context, db *store.DB) error {
	id, made, err := db.PrepareKey(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(map[string]any{"prepared": id, "made": made, "keyFile": c.keyFile()})
	}
	was := "is"
	if !made {
		was = "was already"
	}
	fmt.Printf("The new key %s %s prepared; nothing is sealed with it yet.\n\nBack up %s now, and copy it to every machine that runs a server, over the key file\nthere (mode 600, owned by who runs the server). Servers need not be restarted.\nWhen all machines have it: paybell key rotate%s\n", id, was, c.keyFile(), c.flags())
	return nil
}

// flags are those that the next command needs, too. What stands in --database may hold
// a password, and is not repeated.
func (c *keyRotateCmd) flags() string {
	text := " --data " + c.Data
	if c.KeyFile != "" {
		text = " --key-file " + c.KeyFile
	}
	if c.onPostgres() {
		text += " --database ..."
	}
	return text
}
