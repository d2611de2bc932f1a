package store

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/paybell/paybell"
)

// serverLock is the name of the lock file in a data directory.
const serverLock = "paybell.lock"

// Lock makes this process the one that serves a data directory, until release
// or its end, however it ends: the kernel holds the lock, so a crash leaves
// nothing behind. A second one is refused with Conflict.
func Lock(dir string) (release func(), err error) {
	return lockFile(filepath.Join(dir, serverLock), "another paybell serves "+dir+" already; stop it first, or give this one another --data directory")
}

// lockFile takes the lock that a file stands for, and keeps it until release or the
// end of the process. When another process has it, that is a Conflict.
func lockFile(path, conflict string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, paybell.Errorf(paybell.Conflict, "%s", conflict)
	}
	if dir, err := os.Stat(filepath.Dir(path)); err == nil {
		_ = keepOwner(path, dir) // root may have made it for a server that is not root
	}
	return func() { _ = f.Close() }, nil
}
