package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profiled runs a scenario and, if that is asked for, leaves its profiles: what took
// CPU, what is on the heap, and where goroutines waited. The last three count from the
// start of the process; go tool pprof -base takes away what an earlier scenario had.
func (c *benchCmd) profiled(name string, run func() error) (err error) {
	if c.Profile == "" {
		return run()
	}
	f, err := os.Create(c.profileOf(name, "cpu"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	err = run()
	pprof.StopCPUProfile()
	for _, kind := range []string{"heap", "mutex", "block"} {
		err = errors.Join(err, c.leaveProfile(name, kind))
	}
	return err
}

// profileOf is where one is left.
func (c *benchCmd) profileOf(scenario, kind string) string {
	return filepath.Join(c.Profile, scenario+"."+kind+".pprof")
}

func (c *benchCmd) leaveProfile(scenario, kind string) error {
	f, err := os.Create(c.profileOf(scenario, kind))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(kind).WriteTo(f, 0), f.Close())
}
