// Package quorlite holds what the packages of the Go client have in common: how operations fail, and
// what became of the work.
//
// Programs use
//
//   - package driver, which makes a cluster a database of database/sql,
//   - package client, to find the leader and to administer a cluster,
//   - package wire, the protocol, if they want to speak it themselves.
package quorlite

import (
	"context"
	"errors"
	"fmt"
)

// Verdict is what became of the work of an operation that failed. For a statement inside a
// transaction, the work is the whole transaction.
type Verdict int

const (
	// NotCommitted: it had no effect, and will have none.
	NotCommitted Verdict = iota
	// InDoubt: it may have been done, or may still be. Only looking at the data can tell.
	InDoubt
	// Committed: it is done and durable; what failed came after it.
	Committed
)

var verdictNames = [...]string{"not committed", "in doubt", "committed"}

func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdictNames) {
		return fmt.Sprintf("verdict %d", int(v))
	}
	return verdictNames[v]
}

// Kind is what went wrong.
type Kind int

const (
	SQL         Kind = iota // the server refused or failed to execute it; see the code
	Busy                    // another transaction was in the way for longer than the busy timeout
	Unavailable             // no leader could be reached, or it went away
	Connection              // the connection broke
	Deadline                // the time for it was over
	Cancelled               // the caller's context was cancelled
	Protocol                // the other side does not speak the protocol
	Usage                   // the call makes no sense; the message says why
)

var kindNames = [...]string{"sql", "busy", "unavailable", "connection", "deadline", "cancelled",
	"protocol", "usage"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Error is how every operation of the client fails. Find it with errors.As:
//
//	var failure *quorlite.Error
//	if errors.As(err, &failure) && failure.Verdict() == quorlite.InDoubt { ... }
//
// errors.Is finds context.Canceled and context.DeadlineExceeded in one that such a context caused.
type Error struct {
	Kind         Kind
	ExtendedCode int // of SQLite, or of dqlite: 2067 is a broken UNIQUE constraint
	Message      string
	Node         string // HOST:PORT of the node concerned; empty if there is none
	// Outcome holds the verdict. Read it by Verdict(), which is its name in every client.
	Outcome Verdict
	// MayRetry: it is safe to try the same operation again, or in a transaction the whole
	// transaction, and that may help. Never true of what is InDoubt, which might be done twice,
	// unless it was declared idempotent.
	MayRetry bool
	Cause    error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("quorlite: %s (code %d, %v", e.Message, e.ExtendedCode, e.Outcome)
	if e.Node != "" {
		text += ", at " + e.Node
	}
	return text + ")"
}

// Verdict is what became of the work.
func (e *Error) Verdict() Verdict { return e.Outcome }

// Code is the primary code: 19 is any broken constraint. dqlite's own codes are as they are.
func (e *Error) Code() int {
	const ownFirst, ownLast = 1001, 1005
	if e.ExtendedCode >= ownFirst && e.ExtendedCode <= ownLast {
		return e.ExtendedCode
	}
	return e.ExtendedCode & 0xff
}

func (e *Error) Unwrap() error { return e.Cause }

// VerdictOf is the verdict of the Error in err's chain. It is Committed for nil, and InDoubt for an
// error that is none of this client's: nothing is known then.
func VerdictOf(err error) Verdict {
	var failure *Error
	switch {
	case err == nil:
		return Committed
	case errors.As(err, &failure):
		return failure.Outcome
	}
	return InDoubt
}

type idempotentKey struct{}

// Idempotent marks what is done under the context as harmless if it is done twice. The client then
// tries it again even if the outcome of the first attempt is in doubt.
func Idempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}

// IsIdempotent tells whether the context was marked.
func IsIdempotent(ctx context.Context) bool {
	marked, _ := ctx.Value(idempotentKey{}).(bool)
	return marked
}
