package btcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// version is the btcd that is built when none is installed.
const version = "v0.26.2"

// fits is what `btcd --version` says of the versions that this package knows.
var fits = regexp.MustCompile(`^\S+ version 0\.26\.`)

// buildTimeout bounds the building of btcd: usual is 15 s, with a slow network a minute.
const buildTimeout = 5 * time.Minute

var found struct {
	sync.Mutex
	path string
}

// Find returns the path of a btcd 0.26: the one that PAYBELL_BTCD_BINARY names, whatever
// its version; the one in PATH; or one built from source with the go command, once,
// and kept in the user's cache directory. It is safe for several processes to build
// at once.
func Find(ctx context.Context) (string, error) {
	if named := os.Getenv("PAYBELL_BTCD_BINARY"); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("PAYBELL_BTCD_BINARY names %q, which cannot be run: %w", named, err)
		}
		return path, nil
	}
	found.Lock()
	defer found.Unlock()
	if found.path != "" {
		return found.path, nil
	}
	path, err := exec.LookPath("btcd")
	if err != nil || !ours(ctx, path) {
		if path, err = cached(ctx); err != nil {
			return "", err
		}
	}
	found.path = path
	return path, nil
}

func ours(ctx context.Context, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	return err == nil && fits.Match(out)
}

// cached returns the btcd in the user's cache directory, which it builds first when
// it is not there.
func cached(ctx context.Context) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no place to keep btcd in: %w; set PAYBELL_BTCD_BINARY to a btcd 0.26", err)
	}
	dir := filepath.Join(base, "paybell", "btcd-"+version)
	path := filepath.Join(dir, "btcd")
	if ours(ctx, path) {
		return path, nil
	}
	if err := build(ctx, dir, path); err != nil {
		return "", err
	}
	return path, nil
}

// build makes btcd beside path and then renames it, so that path is never half
// written and the last of several builders wins over an equal file.
func build(ctx context.Context, dir, path string) error {
	goCommand, err := exec.LookPath("go")
	if err != nil {
		return errors.New("btcd 0.26 is not installed and cannot be built, because there is no go command; " +
			"install btcd from https://github.com/btcsuite/btcd/releases/tag/" + version +
			" into PATH, or set PAYBELL_BTCD_BINARY to its path")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a directory for btcd: %w", err)
	}
	work, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return fmt.Errorf("make a directory for btcd: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()

	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, goCommand, "install", "github.com/btcsuite/btcd@"+version)
	cmd.Dir = work // outside every module
	// The flags and the target of whoever runs us are not btcd's.
	cmd.Env = append(os.Environ(), "GOBIN="+work, "GOFLAGS=-trimpath", "GOWORK=off", "GOOS=", "GOARCH=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build btcd %s: %w: %s; or install it and set PAYBELL_BTCD_BINARY to its path", version, err, strings.TrimSpace(tail(out, 2000)))
	}
	if err := os.Rename(filepath.Join(work, "btcd"), path); err != nil {
		return fmt.Errorf("keep the btcd that was built: %w", err)
	}
	return nil
}

// tail is the end of a text, at most n bytes of it.
func tail(b []byte, n int) string {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return string(b)
}
