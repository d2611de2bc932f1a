// Package bench is what it takes to measure: a receiver in a process of its own, a
// bare loop of signed POSTs to compare with, clocks that make load, percentiles,
// and a report with aims. What is measured is wired in cmd/paybell.
package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// Helper is a process that answers questions: a line in, a line of JSON out. Its
// standard input ends with its parent, however that ends, and it with that. It is
// safe for use by many goroutines.
type Helper struct {
	cmd     *exec.Cmd
	mu      sync.Mutex
	in      io.WriteCloser
	answers *json.Decoder
}

// StartHelper starts cmd, whose process runs Answer on its standard input and
// output. The caller closes the Helper.
func StartHelper(cmd *exec.Cmd) (*Helper, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process for measuring: %w", err)
	}
	return &Helper{cmd: cmd, in: in, answers: json.NewDecoder(out)}, nil
}

// Ask puts one question and reads the answer into the value that answer points at.
func (h *Helper) Ask(question string, answer any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.in, question+"\n")
	if err == nil {
		err = h.answers.Decode(answer)
	}
	if err != nil {
		err = fmt.Errorf("ask the other process for %q: %w", question, err)
	}
	return err
}

// Close ends the process and waits for it.
func (h *Helper) Close() error {
	err := h.in.Close()
	if h.cmd != nil {
		err = errors.Join(err, h.cmd.Wait())
	}
	return err
}

// Answer is the other side of a Helper: it writes, for each line of in, what
// answer returns for it. It returns when in ends.
func Answer(in io.Reader, out io.Writer, answer func(question string) (any, error)) error {
	write := json.NewEncoder(out)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		v, err := answer(lines.Text())
		if err == nil {
			err = write.Encode(v)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}
