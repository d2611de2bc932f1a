package btcd

import "syscall"

// dieWithParent has the kernel kill a child when the thread that started it ends.
// The thread must therefore be locked to a goroutine that lives as long as the child.
func dieWithParent() *syscall.SysProcAttr {
	// A group of its own: an interrupt from the terminal is for us, and we stop the node.
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
