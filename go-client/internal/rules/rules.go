// Package rules says what a failure means for the work, and what to do about it. Pure functions.
//
//	what happened                             statement           done about it
//	not leader, handle gone: nothing proposed outside, any        search the leader, again
//	                                          in a transaction    not committed, restart it
//	leadership lost (10506), connection lost  outside, read       search the leader, again
//	after the request was sent                outside, write      in doubt (idempotent: again)
//	                                          in a transaction    not committed, restart it
//	                                          COMMIT              in doubt
//	connection lost before it was sent        outside, any        search the leader, again
//	                                          in a transaction    not committed, restart it
//	busy                                      any                 again, within the busy timeout
//	busy, stale snapshot                      in a transaction    not committed, restart it
//	any failure                               outside, several    in doubt: some were executed
//	broken constraint                         in a transaction    not committed; ask whether it is
//	                                                              still open (ON CONFLICT ROLLBACK)
//	anything else that the server says        any                 not committed
//
// "Again" never goes beyond the deadline, and never after a row was handed out. "Outside" includes
// BEGIN itself, which has no effect until something follows it. "Several" are a text of several
// statements of which any writes.
package rules

import (
	"math"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

// Situation is what was asked for, and where it stood.
type Situation struct {
	Effect        sqltext.Effect // Read for whatever changes nothing
	InTransaction bool           // an explicit one, begun before this statement
	Several       bool           // more than one statement in one request
	Idempotent    bool
	Delivered     bool // the caller has been given rows of it
}

// Remedy is what to do.
type Remedy uint8

const (
	Report    Remedy = iota // give the error to the caller
	Elsewhere               // leave this connection, look for the leader, try again
	Pause                   // try again here a little later
)

// Judgement is what a failure means.
type Judgement struct {
	Remedy Remedy
	Error  *quorlite.Error // to be reported if nothing helps, or not in time
	// Leave: the connection is of no use any more.
	Leave bool
	// TransactionGone: or it cannot be relied on; it has to be rolled back.
	TransactionGone bool
}

// harmless: begins no work, so there is nothing that could be done twice.
func (s Situation) harmless() bool {
	return s.Effect == sqltext.Read || s.Effect == sqltext.None || s.Idempotent ||
		s.Effect == sqltext.Begin && !s.Several
}

func (s Situation) commits() bool { return s.InTransaction && s.Effect == sqltext.Commit }

// partly: a failure may come after some of the statements were executed for good.
func (s Situation) partly() bool { return s.Several && !s.InTransaction && !s.harmless() }

func notDone(err *quorlite.Error, s Situation) Judgement {
	err.Outcome, err.MayRetry = quorlite.NotCommitted, true
	judgement := Judgement{Error: err, Leave: true, TransactionGone: s.InTransaction}
	if !s.InTransaction && !s.Delivered {
		judgement.Remedy = Elsewhere
	}
	return judgement
}

func unknown(err *quorlite.Error, s Situation) Judgement {
	if s.InTransaction && !s.commits() || !s.InTransaction && s.harmless() {
		judgement := notDone(err, s)
		if !s.InTransaction && s.Effect == sqltext.Write {
			err.Outcome = quorlite.InDoubt // it is tried again because it is idempotent
		}
		return judgement
	}
	err.Outcome, err.MayRetry = quorlite.InDoubt, s.Idempotent
	return Judgement{Error: err, Leave: true, TransactionGone: s.InTransaction}
}

func busy(err *quorlite.Error, s Situation) Judgement {
	err.Kind, err.MayRetry = quorlite.Busy, true
	stale := err.ExtendedCode == quorlite.CodeBusySnapshot && s.InTransaction
	judgement := Judgement{Error: err, TransactionGone: stale}
	switch {
	case s.partly():
		err.Outcome, err.MayRetry = quorlite.InDoubt, false
	case !stale && !s.Delivered && !s.Several:
		judgement.Remedy = Pause
	}
	return judgement
}

// After these SQLite has, or may have, rolled the transaction back by itself.
func endsTransaction(primary int) bool {
	const noMemory, corrupt, full = 7, 11, 13
	switch primary {
	case noMemory, quorlite.CodeInterrupted, quorlite.CodeIO, corrupt, full:
		return true
	}
	return false
}

// handleGone: the server dropped the database handle when it lost, and got back, the leadership.
func handleGone(failure wire.Failure) bool {
	return failure.Code == quorlite.CodeNotFound && (failure.Message == "no database opened" ||
		failure.Message == "no statement with the given id")
}

// JudgeFailure: the server answered with a failure.
func JudgeFailure(failure wire.Failure, s Situation) Judgement {
	err := &quorlite.Error{Message: failure.Message, ExtendedCode: math.MaxInt32}
	if failure.Code < math.MaxInt32 {
		err.ExtendedCode = int(failure.Code)
	}
	notLeader := err.ExtendedCode == quorlite.CodeNotLeader ||
		err.ExtendedCode == quorlite.CodeNotLeaderOld
	lost := err.ExtendedCode == quorlite.CodeLeadershipLost ||
		err.ExtendedCode == quorlite.CodeLeadershipLostOld
	switch {
	case notLeader || handleGone(failure):
		err.Kind = quorlite.Unavailable
		if s.partly() {
			return unknown(err, s)
		}
		return notDone(err, s)
	case lost:
		err.Kind = quorlite.Unavailable
		return unknown(err, s)
	case err.Code() == quorlite.CodeBusy:
		return busy(err, s)
	case err.ExtendedCode == quorlite.CodeIO && failure.Message == "leader exec failed":
		// What dqlite says when it has no better word, a node that shuts down included.
		return unknown(err, s)
	}
	if s.partly() {
		err.Outcome = quorlite.InDoubt
	}
	err.MayRetry = failure.Message == "leadership transfer failed"
	gone := s.InTransaction && (endsTransaction(err.Code()) || s.Several)
	return Judgement{Error: err, TransactionGone: gone}
}

// MayHaveEnded: whether the transaction has survived the conflict only the server knows, as
// RAISE(ROLLBACK), or ON CONFLICT ROLLBACK wherever it is declared, ends it.
func MayHaveEnded(judgement Judgement, s Situation) bool {
	return s.InTransaction && !judgement.TransactionGone &&
		judgement.Error.Code() == quorlite.CodeConstraint
}

// JudgeLoss: the connection broke, or the other side sent nonsense. Sent: the request had left
// entirely.
func JudgeLoss(sent bool, kind quorlite.Kind, cause error, s Situation) Judgement {
	err := &quorlite.Error{Kind: kind, ExtendedCode: quorlite.CodeIO, Message: cause.Error(),
		Cause: cause}
	if kind == quorlite.Protocol {
		err.ExtendedCode = quorlite.CodeProtocol
	}
	if sent {
		return unknown(err, s)
	}
	return notDone(err, s)
}

// JudgeAbandoned: the caller no longer waits. Stopped: the server has confirmed that the statement
// was interrupted, or it was never sent; otherwise it may still be running.
func JudgeAbandoned(stopped bool, kind quorlite.Kind, cause error, s Situation) Judgement {
	err := &quorlite.Error{Kind: kind, ExtendedCode: quorlite.CodeInterrupted, Cause: cause,
		Message: "interrupted", MayRetry: kind == quorlite.Deadline}
	if kind == quorlite.Deadline {
		err.Message = "not answered in time"
	}
	reads := s.Effect == sqltext.Read || s.Effect == sqltext.None ||
		s.Effect == sqltext.Begin && !s.Several
	open := s.InTransaction && !s.commits()
	if !reads && !open && (!stopped || s.partly()) {
		err.Outcome, err.MayRetry = quorlite.InDoubt, false
	}
	return Judgement{Error: err, Leave: !stopped, TransactionGone: s.InTransaction}
}

// MayRerun tells whether a failed transaction may be run again as a whole.
func MayRerun(err *quorlite.Error, idempotent bool) bool {
	switch {
	case err.Kind == quorlite.Deadline || err.Kind == quorlite.Cancelled:
		return false
	case err.Outcome == quorlite.InDoubt:
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
