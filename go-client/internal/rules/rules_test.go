package rules

import (
	"errors"
	"math/rand"
	"testing"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

var (
	outsideRead  = Situation{Effect: sqltext.Read}
	outsideWrite = Situation{Effect: sqltext.Write}
	idempotent   = Situation{Effect: sqltext.Write, Idempotent: true}
	insideWrite  = Situation{Effect: sqltext.Write, InTransaction: true}
	insideRead   = Situation{Effect: sqltext.Read, InTransaction: true}
	commit       = Situation{Effect: sqltext.Commit, InTransaction: true}
	begin        = Situation{Effect: sqltext.Begin}
	several      = Situation{Effect: sqltext.Write, Several: true}
	halfRead     = Situation{Effect: sqltext.Read, Delivered: true}
)

type outcome struct {
	remedy  Remedy
	verdict quorlite.Verdict
	retry   bool
	leave   bool
	gone    bool
}

const (
	no    = quorlite.NotCommitted
	doubt = quorlite.InDoubt
)

func expect(t *testing.T, name string, s Situation, got Judgement, want outcome) {
	t.Helper()
	found := outcome{got.Remedy, got.Error.Verdict(), got.Error.MayRetry, got.Leave,
		got.TransactionGone}
	if found != want {
		t.Errorf("%s in %+v:\n got %+v\nwant %+v", name, s, found, want)
	}
}

func TestFailures(t *testing.T) {
	code := func(code uint64) wire.Failure { return wire.Failure{Code: code, Message: "m"} }
	noHandle := wire.Failure{Code: 12, Message: "no database opened"}
	noWord := wire.Failure{Code: 10, Message: "leader exec failed"}
	for _, test := range []struct {
		name    string
		failure wire.Failure
		s       Situation
		want    outcome
	}{
		{"not leader", code(10250), outsideRead, outcome{Elsewhere, no, true, true, false}},
		{"not leader", code(10250), outsideWrite, outcome{Elsewhere, no, true, true, false}},
		{"not leader", code(8202), begin, outcome{Elsewhere, no, true, true, false}},
		{"not leader", code(10250), insideWrite, outcome{Report, no, true, true, true}},
		{"not leader", code(10250), commit, outcome{Report, no, true, true, true}},
		{"not leader", code(10250), halfRead, outcome{Report, no, true, true, false}},
		{"not leader", code(10250), several, outcome{Report, doubt, false, true, false}},
		{"no handle", noHandle, outsideWrite, outcome{Elsewhere, no, true, true, false}},
		{"lost", code(10506), outsideRead, outcome{Elsewhere, no, true, true, false}},
		{"lost", code(10506), outsideWrite, outcome{Report, doubt, false, true, false}},
		{"lost", code(8458), outsideWrite, outcome{Report, doubt, false, true, false}},
		{"lost", code(10506), idempotent, outcome{Elsewhere, doubt, true, true, false}},
		{"lost", code(10506), insideWrite, outcome{Report, no, true, true, true}},
		{"lost", code(10506), commit, outcome{Report, doubt, false, true, true}},
		{"no word", noWord, outsideWrite, outcome{Report, doubt, false, true, false}},
		{"busy", code(5), outsideWrite, outcome{Pause, no, true, false, false}},
		{"busy", code(5), commit, outcome{Pause, no, true, false, false}},
		{"busy", code(5), several, outcome{Report, doubt, false, false, false}},
		{"stale", code(517), insideWrite, outcome{Report, no, true, false, true}},
		{"stale", code(517), outsideWrite, outcome{Pause, no, true, false, false}},
		{"constraint", code(2067), outsideWrite, outcome{Report, no, false, false, false}},
		{"constraint", code(2067), insideWrite, outcome{Report, no, false, false, false}},
		{"constraint", code(2067), several, outcome{Report, doubt, false, false, false}},
		{"full", code(13), insideWrite, outcome{Report, no, false, false, true}},
		{"full", code(13), outsideWrite, outcome{Report, no, false, false, false}},
		{"huge", code(1 << 40), outsideWrite, outcome{Report, no, false, false, false}},
	} {
		expect(t, test.name, test.s, JudgeFailure(test.failure, test.s), test.want)
	}
}

func TestLosses(t *testing.T) {
	cause := errors.New("reset")
	for _, test := range []struct {
		sent bool
		s    Situation
		want outcome
	}{
		{false, outsideWrite, outcome{Elsewhere, no, true, true, false}},
		{false, commit, outcome{Report, no, true, true, true}},
		{true, outsideRead, outcome{Elsewhere, no, true, true, false}},
		{true, outsideWrite, outcome{Report, doubt, false, true, false}},
		{true, idempotent, outcome{Elsewhere, doubt, true, true, false}},
		{true, insideRead, outcome{Report, no, true, true, true}},
		{true, commit, outcome{Report, doubt, false, true, true}},
		{true, halfRead, outcome{Report, no, true, true, false}},
	} {
		got := JudgeLoss(test.sent, quorlite.Connection, cause, test.s)
		expect(t, "loss", test.s, got, test.want)
		if !errors.Is(got.Error, cause) {
			t.Error("the cause is lost")
		}
	}
}

func TestAbandoned(t *testing.T) {
	for _, test := range []struct {
		stopped bool
		kind    quorlite.Kind
		s       Situation
		want    outcome
	}{
		{true, quorlite.Cancelled, outsideWrite, outcome{Report, no, false, false, false}},
		{true, quorlite.Deadline, outsideWrite, outcome{Report, no, true, false, false}},
		{false, quorlite.Cancelled, outsideWrite, outcome{Report, doubt, false, true, false}},
		{false, quorlite.Cancelled, idempotent, outcome{Report, doubt, false, true, false}},
		{false, quorlite.Cancelled, outsideRead, outcome{Report, no, false, true, false}},
		{false, quorlite.Deadline, insideWrite, outcome{Report, no, true, true, true}},
		{false, quorlite.Deadline, commit, outcome{Report, doubt, false, true, true}},
		{true, quorlite.Deadline, several, outcome{Report, doubt, false, false, false}},
	} {
		got := JudgeAbandoned(test.stopped, test.kind, errors.New("late"), test.s)
		expect(t, "abandoned", test.s, got, test.want)
	}
}

func TestMayRerun(t *testing.T) {
	for _, test := range []struct {
		err  quorlite.Error
		idem bool
		want bool
	}{
		{quorlite.Error{MayRetry: true}, false, true},
		{quorlite.Error{}, false, false},
		{quorlite.Error{Outcome: doubt}, false, false},
		{quorlite.Error{Outcome: doubt}, true, true},
		{quorlite.Error{Kind: quorlite.Deadline, MayRetry: true}, false, false},
	} {
		if got := MayRerun(&test.err, test.idem); got != test.want {
			t.Errorf("%+v, idempotent %v: %v", test.err, test.idem, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	backoff := Backoff{Min: 4 * time.Millisecond, Max: 100 * time.Millisecond}
	longest := backoff.Min
	for i := 0; i < 100; i++ {
		pause := backoff.Next(rand.Int63())
		if pause < longest/2 || pause > longest+2 {
			t.Fatalf("pause %d is %v, want up to %v", i, pause, longest)
		}
		if longest *= 2; longest > backoff.Max {
			longest = backoff.Max
		}
	}
}
