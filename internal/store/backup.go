package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/paybell/paybell"
)

// databaseFile is the name of the database in a data directory.
const databaseFile = "paybell.db"

// BackedUp is what is in a backup.
type BackedUp struct {
	File     string
	Bytes    int64
	Invoices int64
	Schema   int64
	Epoch    int64
	SealKeys []string // ids of the keys that its secrets are sealed with
}

// Backup writes a copy of the SQLite database in a data directory, as it is at one
// moment, while a server may be using it: the server goes on writing meanwhile. The
// key is not in it. Only its owner can read it. A file that is there already is
// replaced only if overwrite says so.
//
// When it returns without an error, the copy is whole and on the disk. A crash
// leaves none (and a .part beside it, which the next backup to the same file
// replaces), or the one that was there before. It needs room for one copy; while it
// works, the server's log grows by what is written.
func Backup(ctx context.Context, dir, to string, overwrite bool) (b BackedUp, err error) {
	from := filepath.Join(dir, databaseFile)
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return b, paybell.Errorf(paybell.NotFound, "there is no database in %s; say where the data is, with --data", dir)
	}
	if err != nil {
		return b, err
	}
	if err := mayReplace(to, info, overwrite); err != nil {
		return b, err
	}
	unlock, err := lockFile(filepath.Join(dir, "backup.lock"), "another backup of "+dir+" is being made; wait until it is done")
	if err != nil {
		return b, err
	}
	defer unlock()
	conn, err := openFile(from, "mode=rw")
	if err != nil {
		return b, err
	}
	defer conn.Close() // it only read
	if b, err = describe(ctx, conn, from); err != nil {
		return b, err
	}
	if err := room(filepath.Dir(to), sizeOf(from)+sizeOf(from+"-wal")); err != nil {
		return b, err
	}
	if err := copySQLite(ctx, conn, to); err != nil {
		_ = removeDatabase(to + ".part") // it is of no use, and may have filled the disk
		return b, explainFile(from, err)
	}
	// What is said of the copy is read in the copy.
	made, err := openFile(to, "mode=ro&immutable=1")
	if err != nil {
		return b, err
	}
	defer made.Close() // it only read
	return describe(ctx, made, to)
}

// mayReplace refuses to write a backup to a file that is there, or that can be none.
func mayReplace(to string, database fs.FileInfo, overwrite bool) error {
	info, err := os.Stat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if dir, err := os.Stat(filepath.Dir(to)); err != nil || !dir.IsDir() {
			return paybell.Errorf(paybell.NotFound, "there is no directory %s to write the backup to", filepath.Dir(to))
		}
		return nil
	case err != nil:
		return err
	case os.SameFile(info, database):
		return paybell.Errorf(paybell.Invalid, "%s is the database itself; name another file", to)
	case !info.Mode().IsRegular():
		return paybell.Errorf(paybell.Invalid, "%s is not a file; name one for the backup", to)
	case !overwrite:
		return paybell.Errorf(paybell.Conflict, "%s is there already; name another file with --to, or replace it with --overwrite", to)
	}
	return nil
}

// openFile opens one connection to a SQLite file, which is not made.
func openFile(path, how string) (*sql.DB, error) {
	conn, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+how+
		"&_pragma=busy_timeout(10000)&_pragma=foreign_keys(ON)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)")
	if err != nil {
		return nil, err
	}
	conn.SetMaxOpenConns(1)
	return conn, nil
}

// describe reads what the database in a file is. One that is not Paybell's, or is
// damaged, is Invalid.
func describe(ctx context.Context, conn *sql.DB, path string) (b BackedUp, err error) {
	var names sql.NullString
	err = conn.QueryRowContext(ctx, `SELECT (SELECT value FROM meta WHERE name = 'epoch'), (SELECT value FROM meta WHERE name = 'key'),
		(SELECT MAX(version_id) FROM goose_db_version WHERE is_applied), (SELECT COUNT(*) FROM invoices)`).Scan(&b.Epoch, &names, &b.Schema, &b.Invoices)
	b.File, b.Bytes, b.SealKeys = path, sizeOf(path), strings.Fields(names.String)
	if sqliteCode(err) == sqlite3.SQLITE_ERROR {
		return b, paybell.Errorf(paybell.Invalid, "%s is a database, but not one of Paybell: %v", path, err)
	}
	return b, explainFile(path, err)
}

// sqliteCode is the primary result code of an error; 0: it is none of SQLite.
func sqliteCode(err error) int {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return 0
	}
	return lite.Code() & 0xff
}

// explainFile turns what SQLite says of a file into what a person can act on.
func explainFile(path string, err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return paybell.Errorf(paybell.Invalid, "%s is damaged: %v", path, err)
	case sqlite3.SQLITE_FULL:
		return paybell.Errorf(paybell.Unavailable, "the disk is full; nothing was written: %v", err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return paybell.Errorf(paybell.Conflict, "%s is being used by another paybell command; wait until it is done", path)
	}
	return err
}

// room refuses to write so many bytes where they do not fit: a disk that is full
// would stop the server.
func room(dir string, bytes int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("ask for the room in %s: %w", dir, err)
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < bytes+spare {
		return paybell.Errorf(paybell.Unavailable, "%s has %d MiB free, and %d are needed; make room, or name another disk", dir, free>>20, (bytes+spare)>>20)
	}
	return nil
}

// spare is what is left of a disk, in bytes.
const spare = 32 << 20

// sizeOf is the size of a file; one that is not there has none.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// RestoreOptions say how to restore.
type RestoreOptions struct {
	KeyFile string // must be there; none is made
	// Replace allows to put the backup in the place of a database, which is kept
	// beside it.
	Replace bool
	// Epoch is the one to begin, if it is higher than the next.
	Epoch int64
	// Skip is how many address indexes to leave out for every key; negative: as many
	// as may have been given out since the backup.
	Skip int64
}

// Restored is what has come of it.
type Restored struct {
	BackedUp             // what is there now
	Was        BackedUp  // what was in the backup
	At         time.Time // when the last was written that is in it
	Pending    int64     // deliveries that will be sent, perhaps again
	SignedOut  int64     // sessions that were ended
	Keys       int64     // keys that addresses are derived from
	Skipped    int64     // how many of its addresses the key with the most leaves out
	Kept       string    // where the database is that was there; empty: there was none
	Unreadable bool      // it is damaged, so nobody knows which numbers and addresses it had given out
}

// Restore puts a backup into a data directory, where the next server finds it. The
// file is only read. It may be a copy of the database with its -wal beside it, too.
//
// What was done after the backup is unknown to it, and must not be done once more in
// another way. So numbers of deliveries begin a new epoch, higher than those of the
// backup and of the database that it replaces. And of every key addresses are left
// out, see skip: one that was given to a buyer after the backup must not be given to
// another. Whoever was signed in signs in again, and links that let in once are void:
// some may have been ended or used since.
//
// It is refused with Conflict while a server runs, where there is a database already
// (without Replace), for a newer schema, and for another key; with Invalid when the
// file is damaged, or no backup. An older schema is brought up to date.
//
// When it returns without an error, all of it is on the disk. A crash, or an error,
// leaves what was there before (and perhaps a .restore beside it, which the next one
// replaces).
func Restore(ctx context.Context, dir, file string, opt RestoreOptions) (r Restored, err error) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return r, paybell.Errorf(paybell.NotFound, "there is no file %s", file)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, fmt.Errorf("make the data directory: %w", err)
	}
	release, err := Lock(dir)
	if err != nil {
		return r, err
	}
	defer release()
	path := filepath.Join(dir, databaseFile)
	if err := mayRestore(path, file, info, opt.Replace); err != nil {
		return r, err
	}
	part := path + ".restore"
	if err := removeDatabase(part); err != nil {
		return r, err
	}
	defer func() {
		if err != nil {
			_ = removeDatabase(part)
		}
	}()
	if err := room(dir, sizeOf(file)+sizeOf(file+"-wal")); err != nil {
		return r, err
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(ctx, file+suffix, part+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return r, fmt.Errorf("copy %s: %w", file+suffix, err)
		}
	}
	if r, err = adapt(ctx, part, path, file, opt); err != nil {
		return r, err
	}
	if r.Kept, err = install(part, path); err != nil {
		return r, err
	}
	r.File, r.Bytes = path, sizeOf(path)
	return r, nil
}

// mayRestore refuses what must not be replaced, and what cannot be a backup.
func mayRestore(path, file string, info fs.FileInfo, replace bool) error {
	dir, from := filepath.Dir(path), filepath.Dir(file)
	if filepath.Base(file) == databaseFile {
		if old, err := os.Stat(path); err == nil && os.SameFile(old, info) {
			return paybell.Errorf(paybell.Invalid, "%s is the database that is there already", file)
		}
		if _, err := os.Stat(filepath.Join(from, serverLock)); err == nil {
			release, err := lockFile(filepath.Join(from, serverLock), file+" is in use by a server; make a backup of it with `paybell backup --data "+from+"`, and restore that")
			if err != nil {
				return err
			}
			release()
		}
	}
	for _, suffix := range []string{"", "-wal"} {
		if _, err := os.Stat(path + suffix); err == nil && !replace {
			return paybell.Errorf(paybell.Conflict, "there is a database in %s already; restore into another --data directory, or put the backup in its place with --replace (it is kept beside)", dir)
		}
	}
	if !isSQLite(file) {
		return paybell.Errorf(paybell.Invalid, "%s is not a backup that `paybell backup` has made: it is no SQLite database", file)
	}
	return nil
}

// isSQLite tells by its beginning whether a file is a database.
func isSQLite(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // it is only read
	head := make([]byte, 16)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "SQLite format 3\x00"
}

// databaseSuffixes are the files that belong to a SQLite database.
var databaseSuffixes = []string{"", "-wal", "-shm", "-journal"}

func removeDatabase(path string) error {
	for _, suffix := range databaseSuffixes {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// copyFile copies a file to one that is not there, which only its owner can read.
func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // it is only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for err == nil && ctx.Err() == nil {
		_, err = io.CopyN(out, in, 16<<20)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, ctx.Err(), out.Close())
}

// adapt checks the copy of a backup, and makes it one that can go on after what it
// knows nothing of. The copy is one file afterwards, and on the disk.
func adapt(ctx context.Context, part, path, file string, opt RestoreOptions) (r Restored, err error) {
	conn, err := openFile(part, "mode=rw")
	if err != nil {
		return r, err
	}
	defer conn.Close() // closed below, where it matters
	if r.BackedUp, err = describe(ctx, conn, file); err != nil {
		return r, err
	}
	if err := KeyFits(opt.KeyFile, r.SealKeys); err != nil {
		return r, err
	}
	if err := wholeness(ctx, conn, file); err != nil {
		return r, err
	}
	r.Was = r.BackedUp
	if err := migrate(ctx, conn, sqliteDialect, "", true); err != nil {
		return r, explainFile(file, err)
	}
	given, readable, err := foldOld(ctx, path)
	if err != nil {
		return r, err
	}
	r.Unreadable = !readable
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return r, err
	}
	defer func() { _ = tx.Rollback() }() // unless it was committed
	if err := r.goOn(ctx, tx, given, opt); err != nil {
		return r, explainFile(part, err)
	}
	if err := tx.Commit(); err != nil {
		return r, explainFile(part, err)
	}
	if r.BackedUp, err = describe(ctx, conn, part); err != nil {
		return r, err
	}
	if err := oneFile(ctx, conn); err != nil {
		return r, explainFile(part, err)
	}
	if err := conn.Close(); err != nil {
		return r, err
	}
	return r, syncFile(part)
}

// KeyFits returns an error when a key file has not all keys that a backup needs, by
// their ids. It makes none.
func KeyFits(keyFile string, needs []string) error {
	if len(needs) == 0 {
		return nil // it holds no secret, and takes any key
	}
	keys, err := ReadKeyring(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return paybell.Errorf(paybell.Conflict, "there is no key file %s, and the backup's secrets are sealed with key %s: put the key file that belongs to it there (it is not part of backups), or say where it is with --key-file",
			keyFile, strings.Join(needs, " "))
	}
	if err != nil {
		return err
	}
	if missing := keys.lacks(needs); len(missing) > 0 {
		return paybell.Errorf(paybell.Conflict, "the backup's secrets are sealed with key %s, and key file %s has only %s: give the key file that belongs to the backup, with --key-file; if the key was dropped since, put its line back into the file, from your copy of it",
			strings.Join(missing, " "), keyFile, strings.Join(keyIDs(keys.known()), " "))
	}
	return nil
}

// wholeness refuses a database with damaged pages, tables or indexes.
func wholeness(ctx context.Context, conn *sql.DB, file string) error {
	var said string
	if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said); err != nil {
		return explainFile(file, err)
	}
	if said != "ok" {
		return paybell.Errorf(paybell.Invalid, "%s is damaged, use another backup: %s", file, said)
	}
	return nil
}

// oneFile moves the log of a database into it, and goes without one until a server
// opens it. It needs the database for itself.
func oneFile(ctx context.Context, conn *sql.DB) error {
	var mode string
	return conn.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// givenOut is what a database knows to have been given out.
type givenOut struct {
	epoch   int64
	indexes map[string]int64 // next address index by key
}

// foldOld makes the database that is to be replaced one file, and reads what it has
// given out. readable is false when it is there and cannot tell.
func foldOld(ctx context.Context, path string) (given givenOut, readable bool, err error) {
	if _, err := os.Stat(path); err != nil {
		return given, errors.Is(err, fs.ErrNotExist), nil
	}
	if !isSQLite(path) {
		return given, false, nil // SQLite might take it for an empty one, and delete its log
	}
	conn, err := openFile(path, "mode=rw")
	if err != nil {
		return given, false, err
	}
	defer conn.Close() // closed again: nothing is written
	err = oneFile(ctx, conn)
	if code := sqliteCode(err); ctx.Err() != nil || code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED {
		return given, false, errors.Join(ctx.Err(), explainFile(path, err))
	}
	if err == nil {
		given, err = readGivenOut(ctx, conn)
	}
	return given, err == nil, nil
}

func readGivenOut(ctx context.Context, conn *sql.DB) (given givenOut, err error) {
	if err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'epoch'").Scan(&given.epoch); err != nil {
		return given, err
	}
	given.indexes, err = counts(ctx, conn, "SELECT fingerprint, next_index FROM address_keys")
	return given, err
}

// counts reads pairs of a text and a number.
func counts(ctx context.Context, conn interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string) (map[string]int64, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err says what matters
	all := map[string]int64{}
	for rows.Next() {
		var text string
		var n int64
		if err := rows.Scan(&text, &n); err != nil {
			return nil, err
		}
		all[text] = n
	}
	return all, rows.Err()
}

// goOn changes a restored database so that nothing is given out twice.
func (r *Restored) goOn(ctx context.Context, tx *sql.Tx, given givenOut, opt RestoreOptions) error {
	var at int64
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(at), 0), (SELECT COUNT(*) FROM deliveries WHERE state = 'pending') FROM (
		SELECT MAX(created_at) AS at FROM invoices UNION ALL SELECT MAX(opened_at) FROM payments
		UNION ALL SELECT MAX(scanned_at) FROM cursors UNION ALL SELECT MAX(created_at) FROM merchants) AS written`).Scan(&at, &r.Pending); err != nil {
		return err
	}
	r.At = moment(at)
	epoch := max(r.Epoch+1, given.epoch+1, opt.Epoch)
	if _, err := tx.ExecContext(ctx, "UPDATE meta SET value = $1 WHERE name = 'epoch'", strconv.FormatInt(epoch, 10)); err != nil {
		return err
	}
	if err := r.skip(ctx, tx, given.indexes, opt.Skip); err != nil {
		return err
	}
	for _, table := range []string{"sessions", "passes"} {
		res, err := tx.ExecContext(ctx, "DELETE FROM "+table)
		if err != nil {
			return err
		}
		if table == "sessions" {
			r.SignedOut, _ = res.RowsAffected() // both databases always know
		}
	}
	return nil
}

// How many addresses of a key are left out: leastSkip, and for every hour since the
// backup leastPerHour, or four times what the key gave out in an hour of its busiest
// day. With every hour it is more, so that a backup which is restored twice does not
// give the addresses once more that were given after the first time.
const (
	leastSkip    = 1000
	leastPerHour = 10
)

func skipFor(since time.Duration, busiestDay int64) int64 {
	hours := max(0, int64((since+time.Hour-1)/time.Hour))
	return leastSkip + hours*max(leastPerHour, (4*busiestDay+23)/24)
}

// skip leaves out address indexes of all keys: as many as were asked for, or else as
// many as may have been given out since the backup.
func (r *Restored) skip(ctx context.Context, tx *sql.Tx, given map[string]int64, asked int64) error {
	const raise = `INSERT INTO address_keys (fingerprint, next_index) VALUES ($1, $2)
		ON CONFLICT (fingerprint) DO UPDATE SET next_index = excluded.next_index WHERE excluded.next_index > address_keys.next_index`
	for fingerprint, next := range given {
		if _, err := tx.ExecContext(ctx, raise, fingerprint, next); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO address_keys (fingerprint, next_index) SELECT DISTINCT fingerprint, 0 FROM wallets WHERE true ON CONFLICT (fingerprint) DO NOTHING"); err != nil {
		return err
	}
	keys, err := counts(ctx, tx, "SELECT fingerprint, next_index FROM address_keys")
	if err != nil {
		return err
	}
	busiest, err := counts(ctx, tx, `SELECT fingerprint, MAX(n) FROM (SELECT w.fingerprint, COUNT(*) AS n FROM payments p JOIN wallets w ON w.id = p.wallet_id
		GROUP BY w.fingerprint, p.opened_at / 86400000000) AS days GROUP BY fingerprint`)
	if err != nil {
		return err
	}
	since := time.Duration(0)
	if !r.At.IsZero() {
		since = time.Since(r.At)
	}
	r.Keys = int64(len(keys))
	for fingerprint, next := range keys {
		n := asked
		if n < 0 {
			n = skipFor(since, busiest[fingerprint])
		}
		if next+n > lastIndex {
			return paybell.Errorf(paybell.Conflict, "key %s has no %d addresses left to leave out; say how many may have been given out since the backup, with --skip-addresses", fingerprint, n)
		}
		if _, err := tx.ExecContext(ctx, raise, fingerprint, next+n); err != nil {
			return err
		}
		r.Skipped = max(r.Skipped, n)
	}
	return nil
}

// lastIndex is the last address index of a key that is not hardened (BIP 32).
const lastIndex = 1<<31 - 1

// install puts a restored database into its place. What was there is kept beside it,
// under a name with the date. There is a database in the place at any moment, if
// there was one.
func install(part, path string) (kept string, err error) {
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	if err := keepOwner(part, dir); err != nil {
		return "", err
	}
	name := path + ".replaced-" + time.Now().UTC().Format("20060102T150405.000Z")
	for _, suffix := range databaseSuffixes {
		keep := os.Rename // what is left of the log of a damaged one
		if suffix == "" {
			keep = os.Link
		}
		switch err := keep(path+suffix, name+suffix); {
		case err == nil:
			kept = name
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("keep the database that is there: %w", err)
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return kept, err
	}
	if err := os.Rename(part, path); err != nil {
		return kept, err
	}
	return kept, syncDir(filepath.Dir(path))
}
