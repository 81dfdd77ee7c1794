// Package rules says what a failure means for the work, and what to do about it. Pure functions.
//
// The C++ and Python clients have the same rules. All are held to one table of cases,
// spec/vectors/rules.json; spec/errors.md tells it in words, and why.
//
// Nothing is tried again beyond its deadline, nor after a row was handed out.
package rules

import (
	"math"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

// RetryContext is what was asked for, and where it stood.
type RetryContext struct {
	Effect        sqltext.Effect // Read for whatever changes nothing; Commit if any of several may commit
	InTransaction bool           // an explicit one, begun before this statement
	Several       bool           // more than one statement in one request
	Idempotent    bool
	Delivered     bool // the caller has been given rows of it
}

// RetryAction is what to do.
type RetryAction uint8

const (
	Report    RetryAction = iota // give the error to the caller
	Elsewhere                    // leave this connection, look for the leader, try again
	Wait                         // try again here a little later
)

// RetryDecision is what a failure means.
type RetryDecision struct {
	Action RetryAction
	Error  *quorlite.Error // to be reported if nothing helps, or not in time
	// Leave: the connection is of no use any more.
	Leave bool
	// TransactionGone: or it cannot be relied on; it has to be rolled back.
	TransactionGone bool
	// Probe: only the server knows whether the transaction is still open, as RAISE(ROLLBACK), or ON
	// CONFLICT ROLLBACK wherever it is declared, ends it.
	Probe bool
}

// reads: changes nothing that lasts. BEGIN has no effect until something follows it.
func (c RetryContext) reads() bool {
	return c.Effect == sqltext.Read || c.Effect == sqltext.None ||
		c.Effect == sqltext.Begin && !c.Several
}

func (c RetryContext) commits() bool { return c.InTransaction && c.Effect == sqltext.Commit }

// partly: a failure may come after some of the statements were carried out for good.
func (c RetryContext) partly() bool {
	return c.Several && (c.commits() || !c.InTransaction && !c.reads())
}

// leaveInDoubt: nobody knows what became of it, and to do it again is safe only if doing it twice does
// no harm.
func leaveInDoubt(err *quorlite.Error, c RetryContext) {
	err.Outcome = quorlite.InDoubt
	err.MayRetry = err.MayRetry && c.Idempotent
}

// notDone: outside of a transaction it is tried again.
func notDone(err *quorlite.Error, c RetryContext) RetryDecision {
	err.MayRetry = true
	decision := RetryDecision{Error: err, Leave: true, TransactionGone: c.InTransaction}
	if !c.InTransaction && !c.Delivered {
		decision.Action = Elsewhere
	}
	return decision
}

// outcomeUnknown matters unless it reads, or is a part of a transaction that nobody can commit any
// more.
func outcomeUnknown(err *quorlite.Error, c RetryContext) RetryDecision {
	decision := notDone(err, c)
	if c.InTransaction && !c.commits() || !c.InTransaction && c.reads() {
		return decision
	}
	leaveInDoubt(err, c)
	if !c.Idempotent {
		decision.Action = Report
	}
	return decision
}

// inParts corrects what was decided of one statement for a text of several: of those in front of the
// one that failed nobody knows anything but that they were carried out.
func inParts(decision RetryDecision, c RetryContext) RetryDecision {
	if !c.Several {
		return decision
	}
	decision.Probe = false
	decision.TransactionGone = c.InTransaction
	if decision.Action == Wait {
		decision.Action = Report
	}
	if c.partly() {
		leaveInDoubt(decision.Error, c)
		if !c.Idempotent {
			decision.Action = Report
		}
	}
	return decision
}

func busyDecision(err *quorlite.Error, c RetryContext, stale bool) RetryDecision {
	err.Kind, err.MayRetry = quorlite.Busy, true
	decision := RetryDecision{Error: err, TransactionGone: stale && c.InTransaction}
	if !decision.TransactionGone && !c.Delivered {
		decision.Action = Wait
	}
	return decision
}

// rolledBackDecision: the server carries out nothing until the client knows that its transaction is
// gone. A client that knows of none begins afresh on another connection.
func rolledBackDecision(err *quorlite.Error, c RetryContext) RetryDecision {
	decision := notDone(err, c)
	decision.Leave = !c.InTransaction
	return decision
}

// meaningOf a failure: a code that the table does not list means what its primary code does.
func meaningOf(failure wire.Failure) meaning {
	if failure.Code > math.MaxInt32 {
		return refused
	}
	found, best := refused, 0
	for _, row := range failureRows {
		rank := 0
		switch {
		case row.code == failure.Code && row.ifText != "" && row.ifText == failure.Message:
			rank = 3
		case row.code == failure.Code && row.ifText == "":
			rank = 2
		case row.code == failure.Code&0xff && row.ifText == "":
			rank = 1
		}
		if rank > best {
			found, best = row.meaning, rank
		}
	}
	return found
}

// ClassifyFailure: the server answered with a failure.
func ClassifyFailure(failure wire.Failure, c RetryContext) RetryDecision {
	err := &quorlite.Error{Message: failure.Message, ExtendedCode: math.MaxInt32}
	if failure.Code < math.MaxInt32 {
		err.ExtendedCode = int(failure.Code)
	}
	switch meaning := meaningOf(failure); meaning {
	case notProposed:
		err.Kind = quorlite.Unavailable
		return inParts(notDone(err, c), c)
	case unknown:
		err.Kind = quorlite.Unavailable
		return outcomeUnknown(err, c)
	case unexplained:
		return outcomeUnknown(err, c)
	case rolledBack:
		return rolledBackDecision(err, c)
	case busy, stale:
		return inParts(busyDecision(err, c, meaning == stale), c)
	default:
		err.MayRetry = meaning == passing
		return inParts(RetryDecision{Error: err,
			TransactionGone: c.InTransaction && meaning == endsTransaction,
			Probe:           c.InTransaction && meaning == conflict}, c)
	}
}

// ClassifyLoss: the connection broke, or the other side sent nonsense. Sent: the request had left
// entirely.
func ClassifyLoss(sent bool, kind quorlite.Kind, cause error, c RetryContext) RetryDecision {
	err := &quorlite.Error{Kind: kind, ExtendedCode: quorlite.CodeIO, Message: cause.Error(),
		Cause: cause}
	if kind == quorlite.Protocol {
		err.ExtendedCode = quorlite.CodeProtocol
	}
	if sent {
		return outcomeUnknown(err, c)
	}
	return notDone(err, c)
}

// Progress is how far a request had come that nobody waits for any more.
type Progress uint8

const (
	NotSent    Progress = iota
	Stopped             // the server says that it interrupted it
	Unanswered          // it left, and may still be running
)

// ClassifyAbandoned: the caller no longer waits.
func ClassifyAbandoned(progress Progress, kind quorlite.Kind, cause error,
	c RetryContext) RetryDecision {
	err := &quorlite.Error{Kind: kind, ExtendedCode: quorlite.CodeInterrupted, Cause: cause,
		Message: "interrupted", MayRetry: kind == quorlite.Deadline}
	if kind == quorlite.Deadline {
		err.Message = "not answered in time"
	}
	decision := RetryDecision{Error: err, Leave: progress == Unanswered}
	if progress == NotSent {
		return decision
	}
	// A read that is stopped leaves the transaction as it was.
	read := c.Effect == sqltext.Read || c.Effect == sqltext.None
	decision.TransactionGone = c.InTransaction && (progress == Unanswered || !read)
	lasts := c.commits() || !c.InTransaction && !c.reads()
	if lasts && progress == Unanswered || c.partly() {
		leaveInDoubt(err, c)
	}
	return decision
}

// MayRerun tells whether a failed transaction may be run again as a whole.
func MayRerun(err *quorlite.Error, idempotent bool) bool {
	if err.Kind == quorlite.Deadline || err.Kind == quorlite.Cancelled {
		return false
	}
	if err.Outcome == quorlite.InDoubt {
		return idempotent
	}
	return err.Outcome == quorlite.NotCommitted && err.MayRetry
}

// Backoff gives pauses that double from Min to Max, each drawn from the upper half of its range.
type Backoff struct {
	Min, Max time.Duration
	step     uint
}

// Next is the next pause. Random is any 63 random bits.
func (b *Backoff) Next(random int64) time.Duration {
	const stepMax = 16
	longest := b.Min << b.step
	if b.step < stepMax {
		b.step++
	}
	if longest > b.Max || longest <= 0 {
		longest = b.Max
	}
	half := longest/2 + 1
	return half + time.Duration(random)%half
}
