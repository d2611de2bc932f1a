# `make test` runs every test and installs what they need (Debian, as root).
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
KILLTEST    = ./internal/killtest
KILLS       = 25
SEEDS       = 300

.PHONY: test check plain race race-all sim kill browser pictures tools bench vuln

test: tools check plain race sim kill browser

# Build, vet, lint.
check:
	test -z "$$(gofmt -l .)"
	go build ./...
	go vet ./...
	go run $(STATICCHECK) ./...

# The race detector makes SQLite twenty times slower. What has next to no goroutines
# of its own, or is a process of its own, is tested without it, and of the store and
# the desk what many do at once is tested with it; `make race-all` leaves nothing out.
SLOW = internal/store$$|internal/desk$$|internal/api$$|internal/dash$$|internal/interop$$|internal/chain/bitcoin$$|cmd/paybell$$
MANY = ^Test(GroupCommit|SeveralBatches|Cancelled.*|QueueFull|CloseDrains|WriteWhileClosing|OnCommitInOrder|TwoWriters|Faults.*|Memory|.*Hints.*|FirstStartsAtOnce|RotateKeyUnderLoad|PostgresRunsAgain|SQLite|Postgres|.*AtOnce.*|.*Once|.*OverProcesses|Nobody.*|NothingIsLost.*)$$//(AtOnce|Race|AllAtOnce)
plain:
	go test -timeout 8m -parallel 4 $$(go list ./... | grep -E '$(SLOW)')
race:
	go test -race -timeout 6m $$(go list ./... | grep -v -E 'killtest|internal/browser|$(SLOW)')
	go test -race -timeout 6m -run '$(MANY)' ./internal/store ./internal/desk
race-all:
	go test -race -timeout 20m -parallel 4 $$(go list ./... | grep -v -E 'killtest|internal/browser')

# Three processes in virtual time against faults of every kind: make sim SEEDS=10000
sim:
	go test -timeout 0 -v -run TestSeeds ./internal/sim -seeds $(SEEDS)

# kill -9 the real server under load, many times: make kill KILLS=200
kill:
	go test -timeout 30m -v $(KILLTEST) -kills $(KILLS)

# People's paths through the dashboard and the checkout, in Chromium.
browser:
	cd internal/browser && npm ci --silent --no-fund --no-audit
	go test -timeout 5m -v ./internal/browser

# The pictures in the README, made again.
pictures:
	go test -timeout 5m -run TestPictures ./internal/browser -pictures ../../docs/pictures

# The store's tests run on a throw-away PostgreSQL, the README's commands use
# curl and openssl, the foreign shops are written in PHP and Node, people use
# Chromium.
tools:
	@command -v curl >/dev/null && command -v openssl >/dev/null && command -v php >/dev/null && php -m | grep -qx curl && \
	{ command -v postgres || ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 || \
	{ echo "installing PostgreSQL, PHP, curl and openssl for the tests"; apt-get update -q && apt-get install -qy postgresql php-cli php-curl curl openssl; }
	@{ command -v node && command -v npm; } >/dev/null || \
	{ echo "installing Node for the tests"; apt-get update -q && apt-get install -qy nodejs npm; }
	@command -v chromium >/dev/null || \
	{ echo "installing Chromium for the tests"; apt-get update -q && apt-get install -qy chromium; }

# The whole path beside the bare HTTP ceiling, and signed requests beside a
# handler that only verifies: each in one run.
bench:
	go test -run '^$$' -bench 'MainJob|Create' -benchtime 3s ./cmd/paybell

vuln:
	go run golang.org/x/vuln/cmd/govulncheck@latest ./...
