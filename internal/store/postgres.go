package store

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/paybell/paybell"
)

// How long PostgreSQL may take. What is in the URL of the database counts more.
const (
	// connectTimeout is for one connection, with its TLS and its password.
	connectTimeout = 5 * time.Second
	// transactionTimeout is for a whole transaction, waiting for a connection
	// included: a database that is gone without a word costs a request so much.
	transactionTimeout = 15 * time.Second
	// idleTimeout is after what PostgreSQL ends a transaction in which nothing is
	// asked: a process that stands still, or is cut off, holds no locks for longer.
	idleTimeout = 2 * time.Second
)

// oldestPostgres is the oldest major version that works.
const oldestPostgres = 15

// errDSN says nothing of what is wrong where: that could be the password.
var errDSN = paybell.Errorf(paybell.Invalid, "the database's URL cannot be read; write it like postgres://user:password@host:5432/name, "+
	"with %%40 for an @ in the password, %%2F for a /, and so on")

// parseDSN reads where a database is. Its error holds nothing of the DSN.
func parseDSN(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil || strings.Contains(config.Host+config.User+config.Database, "@") { // then part of it is the password's
		return nil, errDSN
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > time.Minute { // 2 minutes is what the driver takes
		config.ConnectTimeout = connectTimeout
	}
	return config, nil
}

// hurried is config for daily work: with limits, which changes of the schema have none
// of, and without ways to answer that read a table from end to end. Every statement has
// its index; left the choice, the planner takes one of those ways when its statistics are
// old, or when a parameter of a prepared statement could be anything.
func hurried(config *pgx.ConnConfig) *pgx.ConnConfig {
	config = config.Copy()
	for name, limit := range map[string]time.Duration{
		"statement_timeout": transactionTimeout, "idle_in_transaction_session_timeout": idleTimeout,
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = strconv.FormatInt(limit.Milliseconds(), 10)
		}
	}
	for _, way := range []string{"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
		if config.RuntimeParams[way] == "" {
			config.RuntimeParams[way] = "off"
		}
	}
	return config
}

// checkServer refuses a server that cannot be used, and says what to do.
func checkServer(ctx context.Context, pool *sql.DB, config *pgx.ConnConfig) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return cannotConnect(ctx, err, config)
	}
	var version, encoding string // PostgreSQL says these to everybody who connects
	err = conn.Raw(func(driver any) error {
		c := driver.(*stdlib.Conn).Conn().PgConn()
		version, encoding = c.ParameterStatus("server_version"), c.ParameterStatus("server_encoding")
		return nil
	})
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	major := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if major < 0 {
		major = len(version)
	}
	if n, err := strconv.Atoi(version[:major]); err != nil || n < oldestPostgres {
		return paybell.Errorf(paybell.Conflict, "the database is PostgreSQL %s; version %d or newer is needed", version, oldestPostgres)
	}
	if encoding != "UTF8" {
		return paybell.Errorf(paybell.Conflict, "the database %q keeps texts as %s; make one with: createdb --encoding=UTF8 --template=template0 NAME", config.Database, encoding)
	}
	return nil
}

// cannotConnect says why there is no connection, and what to do. The cause stays
// out of it where it could hold a secret.
func cannotConnect(ctx context.Context, err error, config *pgx.ConnConfig) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	where := serverOf(config)
	var pg *pgconn.PgError
	var name *net.DNSError
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	say := func(format string, args ...any) error {
		return paybell.Errorf(paybell.Unavailable, format, args...)
	}
	switch {
	case errors.As(err, &pg):
		switch pg.Code {
		case "28P01":
			return say("the database at %s refuses the password of user %q", where, config.User)
		case "28000":
			return say("the database at %s lets user %q not in: %s", where, config.User, pg.Message)
		case "3D000":
			return say("there is no database %q at %s; make it with: createdb --encoding=UTF8 --template=template0 %s", config.Database, where, config.Database)
		case "53300":
			return say("the database at %s has no connection left; raise its max_connections, or stop what holds them", where)
		case "57P03":
			return say("the database at %s is starting or stopping; try again in a moment", where)
		}
		return say("the database at %s cannot be used: %s (SQLSTATE %s)", where, pg.Message, pg.Code)
	case errors.As(err, &name):
		return say("the database's host %q is not known; look at the URL and at the name service", config.Host)
	case errors.As(err, &certificate):
		return say("the certificate of the database at %s is not trusted (%v); name its authority with sslrootcert in the URL", where, certificate.Err)
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return say("the database at %s does not answer; look at the URL, and at firewalls between", where)
	case errors.As(err, &network):
		return say("the database at %s cannot be reached: %v; is it running?", where, network.Err)
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return say("the database at %s speaks no TLS, which the URL asks for (sslmode)", where)
	}
	return say("the database at %s cannot be used", where)
}

// serverOf is where a database is, without who asks.
func serverOf(config *pgx.ConnConfig) string {
	if strings.HasPrefix(config.Host, "/") {
		return config.Host
	}
	return net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
}

// openPool connects to a PostgreSQL for daily work.
func openPool(config *pgx.ConnConfig) *sql.DB {
	pool := stdlib.OpenDB(*hurried(config))
	pool.SetMaxOpenConns(20)
	pool.SetMaxIdleConns(20)
	return pool
}
