package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/paybell/paybell"
)

// The store knows its keys by their ids: meta has them under "key", the one that
// seals first, then those that something may still be sealed with. A rotation goes
// through these states, and a crash in between leaves one of them:
//
//	key file    store    what is sealed
//	old         old      with old
//	new old     old      with old
//	new old     new old  with old and new, from now on with new
//	new old     new      with new
//	new         new      with new
//
// Whoever seals reads in the same transaction which key it is. So nothing is
// sealed with a key after the store has given it up, by a process that has not
// heard of it either.

const keyNames = "SELECT value FROM meta WHERE name = 'key'"

// checkKey refuses a key file that is not the one that this store's secrets
// were sealed with: better now than at the first secret.
func (db *DB) checkKey(ctx context.Context, conn *sql.DB) error {
	if _, err := conn.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES ('key', $1) ON CONFLICT (name) DO NOTHING", db.keys.Fingerprint()); err != nil {
		return err
	}
	var names string
	if err := conn.QueryRowContext(ctx, keyNames).Scan(&names); err != nil {
		return err
	}
	return db.keys.fits(names)
}

// fits refuses when a key is missing that a store has a secret sealed with.
func (k *Keyring) fits(names string) error {
	if missing := k.lacks(strings.Fields(names)); len(missing) > 0 {
		return paybell.Errorf(paybell.Conflict, "this key file is %s, but the store's secrets were sealed with key %s; give the key file that belongs to this data",
			strings.Join(keyIDs(k.known()), " "), strings.Join(missing, " "))
	}
	return nil
}

// sealKeys reads the ids of the keys that the store uses; the first one seals.
// Nobody changes them until the transaction ends.
func (tx *Tx) sealKeys() ([]string, error) {
	if err := tx.lock(keyNames); err != nil {
		return nil, err
	}
	names, _, err := one(tx, scanText, keyNames)
	ids := strings.Fields(names)
	if err == nil && len(ids) == 0 {
		err = paybell.Errorf(paybell.Internal, "the store does not know which key seals")
	}
	return ids, err
}

// seal is Keyring.Seal with the key that the store says.
func (tx *Tx) seal(plaintext []byte, context string) (string, error) {
	ids, err := tx.sealKeys()
	if err != nil {
		return "", err
	}
	key, err := tx.db.keys.find(ids[0])
	if err != nil {
		return "", fmt.Errorf("seal a secret, key %s: %w", ids[0], err)
	}
	return key.seal(plaintext, context), nil
}

// Rotation is what has come of a rotation.
type Rotation struct {
	Key      string   // id of the key that everything is sealed with now
	Resealed int      // how many secrets were sealed again, this time
	Old      []string // ids of keys in the file that the store does not need any more
}

// RotateKey makes a new key, puts it into the key file, and seals everything that
// was sealed before with it. If PrepareKey has made one, it takes that. It may run
// beside servers: they notice by themselves, if the key is in their key file. Those
// that have not got it cannot open or seal a secret until they have. A rotation that
// was cut short is gone on with. The old keys stay in the file, see DropOldKeys.
//
// Of two at once the second is refused with Conflict. A crash at any moment leaves
// everything readable.
func (db *DB) RotateKey(ctx context.Context) (Rotation, error) {
	return db.withKeyFile(ctx, func(inStore []string) error {
		if len(inStore) > 1 {
			return nil // one is under way
		}
		id, err := db.preparedKey(inStore[0])
		if err == nil && id == "" {
			id, err = db.newKey("")
		}
		if err != nil {
			return err
		}
		return Do(ctx, db, func(tx *Tx) error { return tx.useKeys(inStore, append([]string{id}, inStore...)) })
	}, false)
}

// newKey puts a new key into the key file.
func (db *DB) newKey(comment string) (id string, err error) {
	if err := db.faultAt(BeforeKeyFile); err != nil {
		return "", err
	}
	if id, err = db.keys.addKey(comment); err != nil {
		return "", err
	}
	return id, db.faultAt(AfterKeyFile)
}

// toFollow is said in the key file of a key that was prepared to follow another. Once
// that one has been followed it means nothing: an old key that somebody puts back into
// the file is not taken for a new one.
const toFollow = "# prepared to follow "

// PrepareKey makes the key of the next RotateKey and puts it into the key file, which
// can be brought to other machines before anything is sealed with it. A key that is
// prepared already stays the one; made is false then. While a rotation is to be gone
// on with, that is a Conflict.
func (db *DB) PrepareKey(ctx context.Context) (id string, made bool, err error) {
	unlock, err := lockKeyFile(db.keys.path)
	if err != nil {
		return "", false, err
	}
	defer unlock()
	inStore, err := db.keysInUse(ctx)
	if err != nil {
		return "", false, err
	}
	if len(inStore) > 1 {
		return "", false, paybell.Errorf(paybell.Conflict, "a rotation to key %s has begun already; finish it with `paybell key rotate`", inStore[0])
	}
	if id, err = db.preparedKey(inStore[0]); err != nil || id != "" {
		return id, false, err
	}
	id, err = db.newKey(" " + toFollow + inStore[0])
	return id, err == nil, err
}

// Prepared tells whether RotateKey needs no new key: one is prepared, or a rotation is
// to be gone on with.
func (db *DB) Prepared(ctx context.Context) (bool, error) {
	inStore, err := db.keysInUse(ctx)
	if err != nil || len(inStore) > 1 {
		return err == nil, err
	}
	id, err := db.preparedKey(inStore[0])
	return id != "", err
}

// preparedKey is the id of the key in the key file that is to follow another; empty:
// there is none.
func (db *DB) preparedKey(current string) (id string, err error) {
	text, _, err := readKeys(db.keys.path)
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(text) {
		fields := keyFields(line)
		if _, said, _ := bytes.Cut(line, []byte(toFollow)); len(fields) > 0 && strings.TrimSpace(string(said)) == current {
			return fields[0], nil
		}
	}
	return "", nil
}

// DropOldKeys takes the keys out of the key file that the store does not use, after
// it has gone on with a rotation that was cut short. It makes no key. Backups from
// before the rotation cannot be used without them.
func (db *DB) DropOldKeys(ctx context.Context) (Rotation, error) {
	return db.withKeyFile(ctx, func([]string) error { return nil }, true)
}

// withKeyFile does first, seals again what has to be, and drops what is not needed,
// while nobody else changes the key file.
func (db *DB) withKeyFile(ctx context.Context, first func(inStore []string) error, drop bool) (r Rotation, err error) {
	unlock, err := lockKeyFile(db.keys.path)
	if err != nil {
		return r, err
	}
	defer unlock()
	inStore, err := db.keysInUse(ctx)
	if err != nil {
		return r, err
	}
	if err := first(inStore); err != nil {
		return r, err
	}
	if inStore, err = db.keysInUse(ctx); err != nil {
		return r, err
	}
	r.Key = inStore[0]
	if len(inStore) > 1 {
		if r.Resealed, err = db.reseal(ctx, r.Key); err != nil {
			return r, err
		}
		if err := Do(ctx, db, func(tx *Tx) error { return tx.giveUpKeys(inStore) }); err != nil {
			return r, err
		}
	}
	_, inFile, err := readKeys(db.keys.path)
	if err != nil {
		return r, err
	}
	prepared, err := db.preparedKey(r.Key)
	if err != nil {
		return r, err
	}
	r.Old = slices.DeleteFunc(keyIDs(inFile), func(id string) bool { return id == r.Key || id == prepared })
	if !drop || len(r.Old) == 0 {
		return r, nil
	}
	if err := db.faultAt(BeforeKeyFile); err != nil {
		return r, err
	}
	if err := db.keys.dropKeys(r.Old); err != nil {
		return r, err
	}
	return r, db.faultAt(AfterKeyFile)
}

// keysInUse reads the store's keys. All must be in the file itself, whatever the
// keyring still has in memory: what is written to the file next is all that stays.
func (db *DB) keysInUse(ctx context.Context) ([]string, error) {
	inStore, err := Update(ctx, db, func(tx *Tx) ([]string, error) { return tx.sealKeys() })
	if err != nil {
		return nil, err
	}
	_, inFile, err := readKeys(db.keys.path)
	if err != nil {
		return nil, err
	}
	for _, id := range inStore {
		if !hasKey(inFile, id) {
			return nil, paybell.Errorf(paybell.Conflict, "key %s, which the store's secrets are sealed with, is not in key file %s; put the right file back, from your backup", id, db.keys.path)
		}
	}
	return inStore, nil
}

// useKeys writes which keys the store uses, if they are still those that were read.
func (tx *Tx) useKeys(from, to []string) error {
	n, err := tx.exec("UPDATE meta SET value = $2 WHERE name = 'key' AND value = $1", strings.Join(from, " "), strings.Join(to, " "))
	if err == nil && n == 0 {
		err = paybell.Errorf(paybell.Conflict, "the store's key was changed by somebody else at the same moment; look which one it is and try again")
	}
	return err
}

// giveUpKeys leaves the store only the first of its keys, if nothing is sealed with
// another.
func (tx *Tx) giveUpKeys(keys []string) error {
	if err := tx.useKeys(keys, keys[:1]); err != nil {
		return err
	}
	for _, query := range []string{
		"SELECT client_id FROM secrets WHERE substr(sealed, 1, 12) <> $1 LIMIT 1",
		"SELECT id FROM users WHERE factor <> '' AND substr(factor, 1, 12) <> $1 LIMIT 1",
		"SELECT id FROM users WHERE pending_factor <> '' AND substr(pending_factor, 1, 12) <> $1 LIMIT 1",
	} {
		owner, found, err := one(tx, scanText, query, sealedBy(keys[0]))
		if err != nil {
			return err
		}
		if found {
			return paybell.Errorf(paybell.Conflict, "a secret of %s is still sealed with an old key, which has to stay; run this again", owner)
		}
	}
	return nil
}

// resealStep is how many rows are sealed again in one transaction.
const resealStep = 100

// reseal seals everything with one key that is sealed with another, and returns how
// many secrets that were. What is sealed meanwhile is sealed with that key already,
// so it walks once.
func (db *DB) reseal(ctx context.Context, id string) (total int, err error) {
	key, err := db.keys.find(id)
	if err != nil {
		return 0, fmt.Errorf("seal with key %s: %w", id, err)
	}
	for at := (secretRow{}); ; {
		step, err := Update(ctx, db, func(tx *Tx) (resealed[secretRow], error) { return tx.resealSecrets(key, at) })
		total += step.n
		if err != nil {
			return total, err
		}
		if at = step.last; step.end {
			break
		}
	}
	for at := ""; ; {
		step, err := Update(ctx, db, func(tx *Tx) (resealed[string], error) { return tx.resealFactors(key, at) })
		total += step.n
		if err != nil || step.end {
			return total, err
		}
		at = step.last
	}
}

// resealed is what one step has done.
type resealed[T any] struct {
	last T   // row that it came to
	n    int // secrets that were sealed again
	end  bool
}

type secretRow struct {
	clientID  string
	createdAt int64
	sealed    string
}

// resealSecrets seals again the clients' secrets behind a row.
func (tx *Tx) resealSecrets(key sealKey, at secretRow) (step resealed[secretRow], err error) {
	rows, err := list(tx, func(s scanner) (r secretRow, err error) {
		return r, s.Scan(&r.clientID, &r.createdAt, &r.sealed)
	}, "SELECT client_id, created_at, sealed FROM secrets WHERE (client_id, created_at) > ($1, $2) ORDER BY client_id, created_at LIMIT $3",
		at.clientID, at.createdAt, resealStep)
	if err != nil {
		return step, err
	}
	step.end = len(rows) < resealStep
	for _, r := range rows {
		step.last = r
		again, err := tx.resealed(key, r.sealed, secretContext(r.clientID))
		if err != nil {
			return step, fmt.Errorf("the secret of client %s, which cannot sign with it either; give it a new one with `paybell client rotate-secret --overlap 0`: %w", r.clientID, err)
		}
		if again == r.sealed {
			continue
		}
		n, err := tx.exec("UPDATE secrets SET sealed = $4 WHERE client_id = $1 AND created_at = $2 AND sealed = $3", r.clientID, r.createdAt, r.sealed, again)
		if err != nil {
			return step, err
		}
		step.n += int(n) // none if it was deleted meanwhile
	}
	return step, nil
}

// resealFactors seals again the second factors of the users behind an id.
func (tx *Tx) resealFactors(key sealKey, at string) (step resealed[string], err error) {
	type row struct{ id, factor, pending string }
	rows, err := list(tx, func(s scanner) (r row, err error) {
		return r, s.Scan(&r.id, &r.factor, &r.pending)
	}, "SELECT id, factor, pending_factor FROM users WHERE id > $1 ORDER BY id LIMIT $2", at, resealStep)
	if err != nil {
		return step, err
	}
	step.end = len(rows) < resealStep
	for _, r := range rows {
		step.last = r.id
		factor, err := tx.resealed(key, r.factor, factorContext(r.id))
		if err != nil {
			return step, fmt.Errorf("the second factor of user %s, who cannot sign in with it either; take it away with `paybell user reset`: %w", r.id, err)
		}
		pending, err := tx.resealed(key, r.pending, factorContext(r.id))
		if err != nil {
			pending = "" // never confirmed: the user begins again
		}
		if factor == r.factor && pending == r.pending {
			continue
		}
		n, err := tx.exec("UPDATE users SET factor = $2, pending_factor = $3 WHERE id = $1 AND factor = $4 AND pending_factor = $5", r.id, factor, pending, r.factor, r.pending)
		if err != nil {
			return step, err
		}
		if n == 0 {
			return step, errConflict // confirmed or taken away meanwhile: look again
		}
		for _, changed := range []bool{factor != r.factor, pending != r.pending} {
			step.n += int(flag(changed))
		}
	}
	return step, nil
}

// resealed is sealed text as the key seals it; what it has sealed itself, and what
// is empty, stays as it is.
func (tx *Tx) resealed(key sealKey, sealed, context string) (string, error) {
	if sealed == "" || strings.HasPrefix(sealed, sealedBy(key.id)) {
		return sealed, nil
	}
	plaintext, err := tx.db.keys.Open(sealed, context)
	if err != nil {
		return "", err
	}
	return key.seal(plaintext, context), nil
}

// lockKeyFile makes this process the only one that changes a key file, until unlock
// or its end.
func lockKeyFile(path string) (unlock func(), err error) {
	return lockFile(path+".lock", "another paybell changes key file "+path+" at this moment; wait until it is done")
}

// addKey puts a new key before the others in the key file, with a comment behind it,
// and returns its id once it is on the disk.
func (k *Keyring) addKey(comment string) (id string, err error) {
	text, _, err := readKeys(k.path)
	if err != nil {
		return "", err
	}
	key := newKey()
	var changed bytes.Buffer
	added := false
	for line := range bytes.Lines(text) {
		if !added && len(keyFields(line)) > 0 {
			changed.WriteString(strings.TrimSuffix(keyLineOf(key), "\n") + comment + "\n")
			added = true
		}
		changed.Write(line)
	}
	if changed.Len() > maxKeyFile {
		return "", paybell.Errorf(paybell.Conflict, "key file %s has no room for another key; drop old ones with `paybell key rotate --drop-old`", k.path)
	}
	if err := replaceKeyFile(k.path, changed.Bytes()); err != nil {
		return "", err
	}
	return keyID(key), k.reload()
}

// dropKeys takes keys out of the key file. They stay known to this process.
func (k *Keyring) dropKeys(ids []string) error {
	text, _, err := readKeys(k.path)
	if err != nil {
		return err
	}
	var changed bytes.Buffer
	for line := range bytes.Lines(text) {
		if fields := keyFields(line); len(fields) == 0 || !slices.Contains(ids, fields[0]) {
			changed.Write(line)
		}
	}
	return replaceKeyFile(k.path, changed.Bytes())
}

// replaceKeyFile writes a key file anew, for the same owner. A crash leaves the old
// one or the new one (and perhaps a .paybell-key file beside it, which may be
// deleted).
func replaceKeyFile(path string, text []byte) error {
	if _, err := parseKeys(text); err != nil {
		return fmt.Errorf("the key file is not changed: %w", err)
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	old, err := os.Stat(path)
	if err != nil {
		return err
	}
	err = writeKeyFile(path, text, old)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EBUSY) {
		return paybell.Errorf(paybell.Conflict, "key file %s cannot be replaced here: %v; run this where its directory can be written to", path, err)
	}
	return err
}

func writeKeyFile(path string, text []byte, old fs.FileInfo) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".paybell-key-*") // mode 0600, O_EXCL
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err := errors.Join(err, keepOwner(temp.Name(), old), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// keepOwner gives a file to the owner of another: root runs commands for a server
// that is not root.
func keepOwner(path string, like fs.FileInfo) error {
	if of, ok := like.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Chown(path, int(of.Uid), int(of.Gid))
	}
	return nil
}
