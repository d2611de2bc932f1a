//go:build !linux

package btcd

import "syscall"

// dieWithParent is for Linux only: elsewhere a node outlives a parent that is killed.
func dieWithParent() *syscall.SysProcAttr { return nil }
