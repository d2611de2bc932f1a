package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"

	"github.com/paybell/paybell/internal/store"
)

// benchDatabase begins the name of every database that is made here.
const benchDatabase = "paybell_bench_"

// databaseTime is how long it may take to make or drop a database.
const databaseTime = time.Minute

// postgres is a server on which measurements make databases of their own.
type postgres struct {
	url        *url.URL // of the database that admin is connected to
	admin      *sql.DB
	version    string
	postmaster int    // its process; 0: it does not run on this machine, or that cannot be seen
	dir        string // its data; empty: as above

	mu   sync.Mutex
	made map[string]bool // names of databases that are there
}

// openPostgres connects to a server and finds out whether it can be used.
func openPostgres(ctx context.Context, dsn string) (_ *postgres, err error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("--database: write it like postgres://user:password@host:5432/name") // its text may hold a password
	}
	if _, err := store.InUse(ctx, dsn); err != nil { // it knows how to say what is wrong
		return nil, fmt.Errorf("--database: %w", err)
	}
	p := &postgres{url: u, made: map[string]bool{}}
	if p.admin, err = sql.Open("pgx", dsn); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.admin.Close())
		}
	}()
	var user string
	var may, here bool
	var backend int
	err = p.admin.QueryRowContext(ctx, `SELECT current_setting('server_version'), current_user, rolcreatedb OR rolsuper,
		pg_backend_pid(), inet_server_addr() IS NOT DISTINCT FROM inet_client_addr()
		FROM pg_roles WHERE rolname = current_user`).Scan(&p.version, &user, &may, &backend, &here)
	if err != nil {
		return nil, fmt.Errorf("--database: %w", err)
	}
	if !may {
		return nil, fmt.Errorf("--database: the user %s may not create databases, and each measurement needs one of its own; let it, with: ALTER ROLE %s CREATEDB", user, user)
	}
	if here {
		p.postmaster = postmasterOf(backend)
	}
	if p.postmaster != 0 {
		_ = p.admin.QueryRowContext(ctx, "SHOW data_directory").Scan(&p.dir) // not everybody may know
	}
	return p, nil
}

// create makes a database and returns its URL.
func (p *postgres) create(ctx context.Context) (dsn string, err error) {
	name := benchDatabase + strings.ToLower(rand.Text())
	p.mu.Lock()
	p.made[name] = true
	p.mu.Unlock()
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

// drop drops a database that create made, also when ctx has ended.
func (p *postgres) drop(ctx context.Context, dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(u.Path, "/")
	err = p.exec(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	if err == nil {
		p.mu.Lock()
		delete(p.made, name)
		p.mu.Unlock()
	}
	return err
}

// analyze lets the server know what is in a database that was filled at once, as it
// would find out by itself in the course of time.
func (p *postgres) analyze(ctx context.Context, dsn string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM ANALYZE")
	return errors.Join(err, db.Close())
}

func (p *postgres) exec(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	_, err := p.admin.ExecContext(ctx, statement)
	return err
}

// wal is how many bytes the server has written to its log since it was made, for all
// its databases.
func (p *postgres) wal(ctx context.Context) (n int64, err error) {
	err = p.admin.QueryRowContext(ctx, "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint").Scan(&n)
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

// close drops what is still there, and disconnects.
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
	err := p.admin.Close()
	if len(left) > 0 {
		err = leftBehind{fmt.Errorf("the server cannot be reached any more, and has these databases; drop them: %s", strings.Join(left, ", "))}
	}
	return err
}
