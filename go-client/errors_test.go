package quorlite

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestErrorsAreFoundInAChain(t *testing.T) {
	err := fmt.Errorf("saving: %w", &Error{
		Kind: Deadline, ExtendedCode: CodeInterrupted, Message: "not answered in time",
		Node: "a:1", Outcome: InDoubt, Cause: context.DeadlineExceeded,
	})
	var failure *Error
	if !errors.As(err, &failure) || failure.Verdict() != InDoubt {
		t.Errorf("%v is not found", err)
	}
	var judged interface{ Verdict() Verdict }
	if !errors.As(err, &judged) || judged.Verdict() != InDoubt || VerdictOf(err) != InDoubt {
		t.Errorf("%v has no verdict", err)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not wrap its cause", err)
	}
	const want = "saving: quorlite: not answered in time (code 9, in doubt, at a:1)"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestVerdictOfOthers(t *testing.T) {
	if VerdictOf(nil) != Committed || VerdictOf(errors.New("?")) != InDoubt {
		t.Error("nil is committed, and what is unknown is in doubt")
	}
}

func TestPrimaryCodes(t *testing.T) {
	for extended, want := range map[int]int{CodeUnique: CodeConstraint, CodeNotLeader: CodeIO,
		CodeBusySnapshot: CodeBusy, 1002: 1002, 1: 1} {
		if got := (&Error{ExtendedCode: extended}).Code(); got != want {
			t.Errorf("code of %d: %d, want %d", extended, got, want)
		}
	}
}

func TestIdempotent(t *testing.T) {
	if ctx := context.Background(); IsIdempotent(ctx) || !IsIdempotent(Idempotent(ctx)) {
		t.Error("the mark is lost, or there without being made")
	}
}
