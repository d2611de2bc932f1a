package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// write writes one row that names itself.
func write(ctx context.Context, db *store.DB, id string) error {
	return store.Do(ctx, db, func(tx *store.Tx) error { return tx.CreateMerchant(paybell.Merchant{ID: id, Name: "M"}) })
}

// wantUnavailable fails unless err tells the caller to come back.
func wantUnavailable(t testing.TB, what string, err error, says string) {
	t.Helper()
	var e *paybell.Error
	if !errors.As(err, &e) || e.Code != paybell.Unavailable || e.RetryAfter <= 0 || !strings.Contains(e.Detail, says) {
		t.Errorf("%s: %v, want to be told that it is unavailable, and %q", what, err, says)
	}
}

// awaitWrite waits until the store writes again, by itself.
func awaitWrite(t testing.TB, db *store.DB) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := write(t.Context(), db, paybell.NewUUID(time.Now()))
		if err == nil {
			return
		}
		wantUnavailable(t, "a write before the database is back", err, "")
		if time.Now().After(deadline) {
			t.Fatalf("it does not write again: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Whatever happens to the server: what was acknowledged is there, who asks meanwhile
// is told to come back, and then everything goes on by itself.
func TestPostgresIsKilled(t *testing.T) {
	server := pgtest.Start(t)
	p := postgresAt(server.DSN())
	all := processes(t, p, 2)
	s := storetest.NewShop(t, all[0].DB)
	w := s.Webhook("https://shop.example/hook")
	createHook(t, all[0].DB, w)

	var mu sync.Mutex
	var written []string
	var refused atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				id := paybell.NewUUID(time.Now())
				err := write(t.Context(), all[0].DB, id)
				if err != nil {
					wantUnavailable(t, "a write while the database is away", err, "")
					refused.Add(1)
					time.Sleep(5 * time.Millisecond)
					continue
				}
				mu.Lock()
				written = append(written, id)
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(written)
	}
	await := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for %s", what)
			}
		}
	}
	for _, end := range []func(){server.Kill, server.Stop, server.Kill} {
		n := count()
		await("writes", func() bool { return count() > n+20 })
		was := refused.Load()
		end()
		await("a refusal", func() bool { return refused.Load() > was })
		_, err := store.View(t.Context(), all[0].DB, func(tx *store.Tx) (paybell.Merchant, error) { return tx.Merchant(s.Merchant.ID) })
		wantUnavailable(t, "a read while the database is away", err, "cannot be reached")
		all[1].forget()
		server.Restart()
	}
	n := count()
	await("writes after it is back", func() bool { return count() > n+20 })
	stop()
	writers.Wait()
	t.Logf("%d written, %d refused", count(), refused.Load())
	for _, id := range written {
		if _, err := store.View(t.Context(), all[1].DB, func(tx *store.Tx) (paybell.Merchant, error) { return tx.Merchant(id) }); err != nil {
			t.Errorf("what was acknowledged is lost: %v", err)
		}
	}
	// Who listens does so again, and looks at everything that it may have missed.
	all[1].awaitHint(t, "everything", nil, func(h store.Hint) bool { return h.Everything })
	number := int64(0)
	all[1].awaitHint(t, "a delivery", func() {
		apply(t, all[0].DB, s.NewInvoice(time.Now()))
		number++
	}, func(h store.Hint) bool { return number > 0 && len(h.Fresh) > 0 })
}

// A server can be there and yet not write.
func TestPostgresRefuses(t *testing.T) {
	server := pgtest.Start(t, "max_connections=10", "superuser_reserved_connections=3")
	place := postgresAt(server.DSN())
	db := opened(t, place)
	raw := place.raw(t)
	raw.SetMaxOpenConns(1)
	awaitWrite(t, db)

	exec(t, raw, "ALTER SYSTEM SET default_transaction_read_only = on")
	exec(t, raw, "SELECT pg_reload_conf()")
	for deadline := time.Now().Add(10 * time.Second); ; { // each connection learns of it when it likes
		err := write(t.Context(), db, paybell.NewUUID(time.Now()))
		if err != nil {
			wantUnavailable(t, "a read-only database", err, "read-only")
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it goes on writing")
		}
	}
	if _, err := store.View(t.Context(), db, func(tx *store.Tx) (map[string]time.Time, error) { return tx.Scanned() }); err != nil {
		t.Errorf("a read-only database cannot be read: %v", err)
	}
	exec(t, raw, "SET default_transaction_read_only = off")
	exec(t, raw, "ALTER SYSTEM RESET default_transaction_read_only")
	exec(t, raw, "SELECT pg_reload_conf()")
	awaitWrite(t, db)

	exec(t, raw, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
	awaitWrite(t, db)

	t.Run("no connection left", func(t *testing.T) {
		exec(t, raw, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
		var held []*sql.Conn
		hog := place.raw(t)
		for {
			c, err := hog.Conn(t.Context())
			if err != nil {
				break
			}
			held = append(held, c)
		}
		wantUnavailable(t, "a database without connections", write(t.Context(), db, "x"), "no connection left")
		for _, c := range held {
			_ = c.Close()
		}
		_ = hog.Close()
		awaitWrite(t, db)
	})

	t.Run("slow", func(t *testing.T) {
		slow, err := store.OpenPostgres(t.Context(), server.DSN()+"&statement_timeout=200", sameKey(t, db, place))
		if err != nil {
			t.Fatal(err)
		}
		defer mustClose(t, slow)
		lock, err := raw.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock.Exec("LOCK TABLE merchants"); err != nil {
			t.Fatal(err)
		}
		wantUnavailable(t, "a slow database", write(t.Context(), slow, "x"), "takes too long")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := write(ctx, slow, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whose time was up is told %v", err)
		}
		if err := lock.Rollback(); err != nil {
			t.Fatal(err)
		}
		awaitWrite(t, slow)
	})

	// Everything that the server may say.
	exec(t, raw, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RAISE EXCEPTION 'as asked' USING ERRCODE = NEW.name; END $$`)
	exec(t, raw, "CREATE TRIGGER refuse BEFORE INSERT ON merchants FOR EACH ROW WHEN (NEW.id LIKE 'refuse%') EXECUTE FUNCTION refuse()")
	for code, says := range map[string]string{
		"53100": "disk is full", "53200": "cannot write", "53300": "no connection left", "40001": "too many", "40P01": "too many", "57014": "too long", "57P01": "stopping",
		"57P03": "starting", "08006": "connection", "58030": "files", "25006": "read-only", "55P03": "too many", "28P01": "refuses", "25P03": "too slow",
	} {
		err := store.Do(t.Context(), db, func(tx *store.Tx) error {
			return tx.CreateMerchant(paybell.Merchant{ID: "refuse " + code, Name: code})
		})
		wantUnavailable(t, code, err, says)
		if err == nil || !strings.Contains(err.Error(), "nothing was written") {
			t.Errorf("%s: %v does not say that nothing was written", code, err)
		}
	}
	err := store.Do(t.Context(), db, func(tx *store.Tx) error {
		return tx.CreateMerchant(paybell.Merchant{ID: "refuse", Name: "42P01"})
	})
	if paybell.CodeOf(err) != paybell.Internal {
		t.Errorf("a mistake of ours is %v", err)
	}
	awaitWrite(t, db)
}

// sameKey is how another process opens the store of a test.
func sameKey(t testing.TB, _ *store.DB, p place) store.Options {
	t.Helper()
	exec(t, p.raw(t), "DELETE FROM meta WHERE name = 'key'")
	return server(t)
}

// Nothing of a URL that may be its password is ever said.
func TestBadDSN(t *testing.T) {
	own := pgtest.Start(t)
	raw := openRaw(t, "pgx", own.DSN())
	exec(t, raw, "CREATE ROLE ada LOGIN PASSWORD 'right'")
	exec(t, raw, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	hba := texts(t, raw, "SHOW hba_file")[0]
	if err := os.WriteFile(hba, []byte("local all postgres trust\nlocal all ada scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exec(t, raw, "SELECT pg_reload_conf()")
	at := "?host=" + filepath.Dir(own.Socket()) + "&port=" + strings.TrimPrefix(filepath.Ext(own.Socket()), ".")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dsn, says string }{
		{"postgres://ada:hunter2@/own" + at, `refuses the password of user "ada"`},
		{"postgres://bob:hunter2@/own" + at, `lets user "bob" not in`},
		{"postgres://postgres:hunter2@/nothing" + at, `there is no database "nothing"`},
		{"postgres://postgres:hunter2@/latin" + at, "createdb --encoding=UTF8"},
		{"postgres://ada:hunter2@" + nobody + "/x", "is it running?"},
		{"postgres://ada:hunter2@nowhere.invalid/x", `host "nowhere.invalid" is not known`},
		{"postgres://ada:hunter2@" + answering(t, "14.9 (Debian 14.9-1)", "UTF8") + "/x?sslmode=disable", "version 15 or newer"},
		{"postgres://ada:hunter2@" + answering(t, "9.6.24", "UTF8") + "/x?sslmode=disable", "PostgreSQL 9.6.24"},
		{"postgres://ada:hunter2@" + answering(t, "16beta1", "SQL_ASCII") + "/x?sslmode=disable", "keeps texts as SQL_ASCII"},
		{"postgres://ada:hunter2@" + answering(t, "16", "UTF8") + "/x?sslmode=require", "speaks no TLS"},
		{"postgres://ada:hunter2@" + answering(t, "", "") + "/x?sslmode=disable&connect_timeout=1", "does not answer"},
		{"postgres://ada:hun#ter2@nowhere.invalid/x", ""},
		{"postgres://ada:hun@ter2@nowhere.invalid/x", ""},
		{"postgres://ada:hun?ter2@nowhere.invalid/x", ""},
		{"postgres://ada:hun/ter2@db/x", "cannot be read"},
		{"postgres://ada:hun%ter2@db/x", "cannot be read"},
		{"postgres://ada:hunter2 @nowhere.invalid/x", ""},
		{"postgres://ada:hunter2@db:port/x", "cannot be read"},
		{"postgres://ada:hunter2@db/x?sslmode=hunter2", "cannot be read"},
		{"mysql://ada:hunter2@db/x", "cannot be read"},
		{"host=db password=hunter2 port=x", "cannot be read"},
		{"hunter2", "cannot be read"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		db, err := store.OpenPostgres(ctx, c.dsn, server(t))
		cancel()
		var e *paybell.Error
		switch {
		case err == nil:
			mustClose(t, db)
			t.Errorf("%s was opened", c.dsn)
		case !errors.As(err, &e) || e.Err != nil || !strings.Contains(e.Detail, c.says):
			t.Errorf("%s: %v, want to be told %q", c.dsn, err, c.says)
		}
		for _, secret := range []string{"hunter2", "hun#", "hun@", "hun?", "hun/", "hun%", "ter2"} {
			if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
				t.Errorf("%s: the error tells the password: %v", c.dsn, err)
			}
		}
	}
}

// answering is the address of what looks like a PostgreSQL of some version to who
// connects; without one, it never says anything.
func answering(t *testing.T, version, encoding string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			if version == "" {
				continue
			}
			b := pgproto3.NewBackend(conn, conn)
			first, err := b.ReceiveStartupMessage()
			if err != nil {
				continue
			}
			if _, ok := first.(*pgproto3.SSLRequest); ok {
				_, _ = conn.Write([]byte("N"))
				continue
			}
			b.Send(&pgproto3.AuthenticationOk{})
			b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
			b.Send(&pgproto3.ParameterStatus{Name: "server_encoding", Value: encoding})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			_ = b.Flush()
		}
	}()
	return l.Addr().String()
}
