package store

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/paybell/paybell"
)

// Lock makes this process the one that serves a data directory, until release
// or its end, however it ends: the kernel holds the lock, so a crash leaves
// nothing behind. A second one is refused with Conflict.
func Lock(dir string) (release func(), err error) {
	path := filepath.Join(dir, "paybell.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, paybell.Errorf(paybell.Conflict, "another paybell serves %s already; stop it first, or give this one another --data directory", dir)
	}
	return func() { _ = f.Close() }, nil
}
