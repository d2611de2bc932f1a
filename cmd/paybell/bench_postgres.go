package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybell/paybell/internal/store"
)

// benchDatabase begins the name of every database that is made here.
const benchDatabase = "paybell_bench_"

// databaseTime is how long the server may take for one thing that is asked of it.
const databaseTime = time.Minute

// postgres is a server on which measurements make databases of their own. What is asked
// here is about the server; what is in the databases is the store's.
type postgres struct {
	url        *url.URL // of a database that is there
	version    string
	postmaster int             // its process; 0: it does not run on this machine, or that cannot be seen
	dir        string          // its data; empty: as above
	made       map[string]bool // names of databases that are there
}

// openPostgres connects to a server and finds out whether it can be used.
func openPostgres(ctx context.Context, dsn string) (*postgres, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("--database: write it like postgres://user:password@host:5432/name") // its text may hold a password
	}
	if _, err := store.InUse(ctx, dsn); err != nil { // it knows how to say what is wrong
		return nil, fmt.Errorf("--database: %w", err)
	}
	p := &postgres{url: u, made: map[string]bool{}}
	var user string
	var may, here bool
	var backend int
	err = p.ask(ctx, dsn, `SELECT current_setting('server_version'), current_user, rolcreatedb OR rolsuper,
		pg_backend_pid(), inet_server_addr() IS NOT DISTINCT FROM inet_client_addr()
		FROM pg_roles WHERE rolname = current_user`, func(row pgx.Row) error {
		err := row.Scan(&p.version, &user, &may, &backend, &here)
		if here {
			p.postmaster = postmasterOf(backend) // while it lives
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("--database: %w", err)
	}
	if !may {
		return nil, fmt.Errorf("--database: the user %s may not create databases, and each measurement needs one of its own; let it, with: ALTER ROLE %s CREATEDB", user, user)
	}
	if p.postmaster != 0 {
		_ = p.ask(ctx, dsn, "SHOW data_directory", func(row pgx.Row) error { return row.Scan(&p.dir) }) // not everybody may know
	}
	return p, nil
}

// create makes a database and returns its URL.
func (p *postgres) create(ctx context.Context) (dsn string, err error) {
	name := benchDatabase + strings.ToLower(rand.Text())
	p.made[name] = true
	if err := p.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
		return "", err
	}
	u := *p.url
	u.Path = "/" + name
	query := u.Query()
	query.Del("dbname") // it would win over the path
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// drop drops a database that create made.
func (p *postgres) drop(dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(u.Path, "/")
	if err := p.exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		return err
	}
	delete(p.made, name)
	return nil
}

// analyze lets the server know what is in a database that was filled at once, as it
// would find out by itself in the course of time.
func (p *postgres) analyze(ctx context.Context, dsn string) error {
	return p.with(ctx, dsn, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "VACUUM ANALYZE")
		return err
	})
}

func (p *postgres) exec(ctx context.Context, statement string) error {
	return p.with(ctx, p.url.String(), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

// ask reads one row.
func (p *postgres) ask(ctx context.Context, dsn, query string, scan func(pgx.Row) error) error {
	return p.with(ctx, dsn, func(ctx context.Context, conn *pgx.Conn) error { return scan(conn.QueryRow(ctx, query)) })
}

// with connects to a database, for once: a connection in whose use ctx ends is good for
// nothing more.
func (p *postgres) with(ctx context.Context, dsn string, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	err = do(ctx, conn)
	_ = conn.Close(ctx) // what was asked for is done, or not
	return err
}

// wal is how many bytes the server has written to its log since it was made, for all
// its databases.
func (p *postgres) wal(ctx context.Context) (n int64, err error) {
	err = p.ask(ctx, p.url.String(), "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint", func(row pgx.Row) error { return row.Scan(&n) })
	return n, err
}

// cpu is what the server's processes have taken; 0 if it is elsewhere.
func (p *postgres) cpu() time.Duration {
	if p == nil || p.postmaster == 0 {
		return 0
	}
	return familyCPU(p.postmaster)
}

// leftBehind says what could not be taken away.
type leftBehind struct{ error }

// close drops what is still there.
func (p *postgres) close() error {
	if p == nil {
		return nil
	}
	var left []string
	for name := range p.made {
		if err := p.exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			left = append(left, name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return leftBehind{fmt.Errorf("the server cannot be reached any more, and has these databases; drop them: %s", strings.Join(left, ", "))}
}
