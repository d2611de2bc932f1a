// Command paybell is the whole product: the server, its tools and a demo.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/paybell/paybell"
)

// cli is every command and flag. A flag --public-url is also read from
// PAYBELL_PUBLIC_URL, and so on.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Demo     demoCmd     `cmd:"" help:"Watch the whole main job happen: invoice, payment, signed notifications."`
	Merchant merchantCmd `cmd:"" help:"Manage merchants."`
	Client   clientCmd   `cmd:"" help:"Manage integration clients: what a merchant's programs sign requests with."`
	Webhook  webhookCmd  `cmd:"" help:"Manage webhooks: how they are, pause, enable, test, resend, explain."`
	Token    tokenCmd    `cmd:"" help:"Manage account tokens: what people manage clients with, by API."`
	User     userCmd     `cmd:"" help:"Manage users: who signs in to the dashboard."`
	Wallet   walletCmd   `cmd:"" help:"Manage wallets: the public keys that a merchant receives coins with."`
	Chain    chainCmd    `cmd:"" help:"See how the networks are being watched, or look at blocks again."`
	Sandbox  sandboxCmd  `cmd:"" help:"Play the test coin's chain: pay, mine, replace, drop, reorg, expire."`
	Backup   backupCmd   `cmd:"" help:"Copy the database to one file, while the server runs. The key is not part of it."`
	Restore  restoreCmd  `cmd:"" help:"Put a backup into a data directory."`
	Migrate  moveCmd     `cmd:"" name:"migrate-store" help:"Move a shop from the database in its data directory to PostgreSQL."`
	Key      keyCmd      `cmd:"" help:"Manage the key that seals secrets."`
	Bench    benchCmd    `cmd:"" help:"Measure on this machine how fast notifications go out, and what disturbs them."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

func main() {
	// net/http's transport writes what receivers send unasked to the standard log,
	// which nothing of ours uses. Our logs never carry bodies.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A heap as small as ours (SQLite's memory is outside of it) would be collected so
	// often that it takes a tenth of all time. This is never touched, so that it takes no
	// memory; but the collector counts it, and waits for twice as much.
	floor := make([]byte, 32<<20)
	code := run(ctx, os.Args[1:])
	runtime.KeepAlive(floor)
	os.Exit(code)
}

// run is main without the process: 0 is success, 1 a failure, 2 wrong usage.
func run(ctx context.Context, args []string) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("paybell"),
		kong.Description("A self-hosted crypto invoice gateway whose webhooks never get lost."),
		kong.UsageOnError(), kong.DefaultEnvars("PAYBELL"), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		panic(err) // a mistake in the struct above
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "paybell: %v\nRun `paybell --help` to see every command.\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "paybell: "+advice(err))
		return 1
	}
	return 0
}

// advice is what a person at a terminal is told: the sentence, not the code.
func advice(err error) string {
	var e *paybell.Error
	if errors.As(err, &e) && e.Err == nil {
		return e.Detail
	}
	return err.Error()
}

// printJSON writes one line for scripts.
func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

type versionCmd struct{}

func (versionCmd) Run() error {
	info, _ := debug.ReadBuildInfo()
	fmt.Println("paybell", info.Main.Version)
	return nil
}
