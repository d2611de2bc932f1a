package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// cpuTime is what this process has taken of all cores, in user and kernel mode.
func cpuTime() time.Duration {
	return cpuTimeOf(syscall.RUSAGE_SELF)
}

func cpuTimeOf(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err) // a mistake in the arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory is VmHWM of /proc/self/status (proc(5)). The peak that getrusage
// tells begins with that of the parent.
func peakMemory() (int64, error) {
	f, err := os.Open("/proc/self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // not on Linux
	}
	if err != nil {
		return 0, err
	}
	defer f.Close() // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if kb, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			var n int64
			_, err := fmt.Sscanf(kb, "%d kB", &n)
			return n << 10, err
		}
	}
	return 0, errors.Join(errors.New("/proc/self/status has no VmHWM"), lines.Err())
}

// cores is what the machine's cores have done until a moment: in all, and for this
// process and its children that have ended.
type cores struct {
	at        time.Time
	busy, own time.Duration
}

func readCores() cores {
	return cores{at: time.Now(), busy: busyTime(), own: cpuTime() + cpuTimeOf(syscall.RUSAGE_CHILDREN)}
}

// others is the share of the cores' time that other programs have had since begin,
// in per cent: what spoils a measurement.
func (c cores) others(begin cores) float64 {
	taken := (c.busy - begin.busy) - (c.own - begin.own)
	all := c.at.Sub(begin.at) * time.Duration(runtime.NumCPU())
	return max(0, 100*taken.Seconds()/all.Seconds())
}

// busyTime is the time that the cores were not idle, by the first line of
// /proc/stat (proc(5)), which counts hundredths of a second. 0: not on Linux.
func busyTime() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	var user, nice, system, idle, iowait, irq, softirq, steal int64
	_, _ = fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal)
	return time.Duration(user+nice+system+irq+softirq+steal) * time.Second / 100
}
