package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/paybell/paybell/internal/bench"
)

// readMachine finds out what there is to measure on. Data are in a directory, which
// can be written to; it is empty if that is not known.
func readMachine(dir string) (m bench.Machine, err error) {
	info, _ := debug.ReadBuildInfo()
	m = bench.Machine{
		CPU: cmp.Or(lineOf("/proc/cpuinfo", "model name"), "unknown CPU"), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Paybell: info.Main.Version, Filesystem: filesystemOf(dir),
	}
	m.SyncMS, err = syncTime(dir)
	return m, err
}

// lineOf is what follows a word and a colon in a file of lines; empty: it is not there.
func lineOf(file, word string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == word {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// filesystemOf is the type of the file system that a path is on, by
// /proc/self/mountinfo (proc(5)).
func filesystemOf(dir string) (kind string) {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	if dir == "" {
		return ""
	}
	longest := 0
	for line := range strings.Lines(string(text)) {
		mount, rest, _ := strings.Cut(line, " - ")
		if fields, types := strings.Fields(mount), strings.Fields(rest); len(fields) > 4 && len(types) > 0 {
			at := strings.TrimSuffix(fields[4], "/")
			if (dir == at || strings.HasPrefix(dir, at+"/")) && len(at) >= longest {
				longest, kind = len(at), types[0]
			}
		}
	}
	return kind
}

// syncTime is what a synced write to a directory takes, in milliseconds: what a commit
// cannot do without. 0: it cannot be written to.
func syncTime(dir string) (ms float64, err error) {
	if dir == "" {
		return 0, nil
	}
	f, err := os.CreateTemp(dir, "sync-")
	if errors.Is(err, fs.ErrPermission) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	page, took := make([]byte, 4096), make([]float64, 30)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = float64(time.Since(began).Microseconds()) / 1000
	}
	return median(took), nil
}

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

// writtenBytes is what this process has caused to be written to disks, by
// /proc/self/io (proc(5)); 0: not on Linux.
func writtenBytes() int64 {
	n, _ := strconv.ParseInt(lineOf("/proc/self/io", "write_bytes"), 10, 64)
	return n
}

// forgetPeak lets peakMemory begin anew, if the kernel does so (proc(5), clear_refs).
func forgetPeak() {
	debug.FreeOSMemory() // what others have left
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
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

// procStat is one process of /proc (proc(5)).
type procStat struct {
	name   string
	parent int
	cpu    time.Duration // its own
	ended  time.Duration // of its children that have ended
}

const ticks = 100 // in a second, as the kernel counts for everybody

// readProcess reads /proc/PID/stat. false: there is no such process.
func readProcess(pid int) (p procStat, ok bool) {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	begin, end := strings.Index(string(text), "("), strings.LastIndex(string(text), ")") // the name can hold both
	if begin < 0 || end < begin {
		return p, false
	}
	fields := strings.Fields(string(text[end+1:])) // from the third on
	if len(fields) < 15 {
		return p, false
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(fields[field-3], 10, 64)
		return n
	}
	return procStat{
		name: string(text[begin+1 : end]), parent: int(number(4)),
		cpu: time.Duration(number(14)+number(15)) * time.Second / ticks, ended: time.Duration(number(16)+number(17)) * time.Second / ticks,
	}, true
}

// postmasterOf is the parent of a PostgreSQL's process, 0 if it is not one that can be
// seen here.
func postmasterOf(backend int) int {
	p, _ := readProcess(backend)
	parent, _ := readProcess(p.parent)
	if !strings.HasPrefix(p.name, "postgres") || !strings.HasPrefix(parent.name, "postgres") {
		return 0
	}
	return p.parent
}

// familyCPU is what a process and its children have taken, those that have ended too.
func familyCPU(pid int) time.Duration {
	p, _ := readProcess(pid)
	sum := p.cpu + p.ended
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		id, _ := strconv.Atoi(filepath.Base(dir))
		if child, ok := readProcess(id); ok && child.parent == pid {
			sum += child.cpu
		}
	}
	return sum
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
	return time.Duration(user+nice+system+irq+softirq+steal) * time.Second / ticks
}
