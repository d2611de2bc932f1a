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
	DropOld bool `help:"Make no new key, but take those out of the key file that nothing in the database needs any more."`
	JSON    bool `name:"json" help:"Print one line of JSON."`
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
	rotate := db.RotateKey
	if c.DropOld {
		rotate = db.DropOldKeys
	}
	r, err := rotate(ctx)
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
			"Nothing in the database needs the old key any more (%s). Older backups do: keep a copy of the key file\nwith them, then drop it here: paybell key rotate --drop-old --data %s\n",
			r.Key, r.Resealed, c.keyFile(), old, c.Data)
	case old == "":
		fmt.Printf("There is no old key: all secrets are sealed with key %s, the only one in %s.\nTo make a new one: paybell key rotate\n", r.Key, c.keyFile())
	default:
		fmt.Printf("Dropped: %s. The only key in %s is %s. Back the file up.\n", old, c.keyFile(), r.Key)
	}
	return nil
}
