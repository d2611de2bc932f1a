package sim

import (
	"fmt"
	"io"
	"sync"
)

// kind is a kind of fault, or of trouble that people make.
type kind int

// The kinds. Each has to happen often in a run, or the run proves little.
const (
	crashAtStatement kind = iota
	crashBeforeCommit
	crashAfterCommit
	crashAtRest
	crashWithRequests
	storeFailsAtStatement
	storeFailsBeforeCommit
	commitAnswerLost
	storeStalls
	storeSlow
	storeCutOff
	frozenBriefly
	frozenForLong
	buried
	lateResult
	restart
	night
	clockForward
	clockBack
	wrongClock
	manyAtOnce
	manyChanges

	answerSlow
	answerNever
	answer500
	answerRedirect
	answerRefused
	answerGone
	answerRetryAfter
	answerLost
	answerBroken
	connectionRefused
	poisonMessage

	reorg
	replacement
	dropped
	urlChanged
	webhookPaused
	webhookEnabled
	webhookDeleted
	clientDeleted
	endpointDisabled
	secretRotated
	resendAsked
	skipAsked
	headPassed
	wentOutOfOrder
	cameTwice

	kinds
)

var kindNames = [kinds]string{
	"crash at a statement", "crash before a commit", "crash after a commit", "crash at rest", "crash with requests in flight",
	"the store fails at a statement", "the store fails before a commit", "the answer of a commit is lost",
	"the store stalls", "the store is slow", "the store is cut off",
	"frozen for a moment", "frozen for long", "taken for dead by others", "result of a process taken for dead",
	"restart", "all are down for hours", "clock jumps forward", "clock jumps back", "a process has a wrong clock",
	"many invoices at once", "many changes of one invoice",
	"answer takes seconds", "no answer", "answer 500", "answer 302", "answer 400, 401 or 403", "answer 410", "Retry-After",
	"answer lost", "answer breaks off", "connection refused", "one invoice is refused",
	"reorg", "replacement", "transaction dropped", "URL changed", "webhook paused", "webhook enabled", "webhook deleted", "client deleted",
	"endpoint disabled after days", "secret rotated", "resend", "skip", "the head of a lane is passed", "went out of order", "came twice",
}

func (k kind) String() string { return kindNames[k] }

// tally counts what happened in all seeds.
type tally struct {
	mu    sync.Mutex
	n     [kinds]int
	seeds [kinds]int // in how many
}

func (t *tally) add(of [kinds]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, n := range of {
		t.n[k] += n
		if n > 0 {
			t.seeds[k]++
		}
	}
}

func (t *tally) print(to io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, n := range t.n {
		fmt.Fprintf(to, "%8d  %-36s in %d seeds\n", n, kind(k), t.seeds[k])
	}
}
