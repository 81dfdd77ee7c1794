package rules

import (
	"encoding/json"
	"errors"
	"math/rand"
	"os"
	"testing"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

// vectors is spec/vectors/rules.json, which the tests of the other clients read, too.
type vectors struct {
	Context map[string][]any
	Events  map[string]struct {
		Kind      string
		Failure   []any // code and message
		Loss      *struct{ Sent bool }
		Abandoned string
	}
	Cases        []map[string]any
	RerunContext map[string][]any `json:"rerun_context"`
	RerunCases   []map[string]any `json:"rerun_cases"`
}

func load(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("../../../spec/vectors/rules.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// combine gives every combination of one value of each dimension, narrowed to what the case lists.
func combine(dimensions map[string][]any, narrowed map[string]any) []map[string]any {
	all := []map[string]any{{}}
	for name, values := range dimensions {
		if listed, ok := narrowed[name]; ok {
			values = listed.([]any)
		}
		var wider []map[string]any
		for _, each := range all {
			for _, value := range values {
				next := map[string]any{name: value}
				for k, v := range each {
					next[k] = v
				}
				wider = append(wider, next)
			}
		}
		all = wider
	}
	return all
}

var (
	effects = map[string]sqltext.Effect{"none": sqltext.None, "read": sqltext.Read,
		"write": sqltext.Write, "begin": sqltext.Begin, "commit": sqltext.Commit,
		"rollback": sqltext.Rollback}
	verdicts = map[string]quorlite.Verdict{"committed": quorlite.Committed,
		"not_committed": quorlite.NotCommitted, "in_doubt": quorlite.InDoubt}
	progresses = map[string]Progress{"not_sent": NotSent, "stopped": Stopped, "unanswered": Unanswered}
	actions    = map[string]RetryAction{"report": Report, "elsewhere": Elsewhere, "wait": Wait}
)

func kindOf(t *testing.T, name string) quorlite.Kind {
	for kind := quorlite.SQL; kind <= quorlite.Usage; kind++ {
		if kind.String() == name {
			return kind
		}
	}
	t.Fatalf("no kind %q", name)
	return 0
}

func TestDecisions(t *testing.T) {
	v := load(t)
	seen := map[string]bool{}
	for _, each := range v.Cases {
		then := each["then"].(map[string]any)
		is := func(name string) bool { return then[name] == true }
		want := RetryDecision{Action: actions[then["action"].(string)], Leave: is("leave"),
			TransactionGone: is("transaction_gone"), Probe: is("probe")}
		for _, name := range each["events"].([]any) {
			event, known := v.Events[name.(string)]
			if !known {
				t.Fatalf("no event %q", name)
			}
			kind := kindOf(t, event.Kind)
			for _, at := range combine(v.Context, each) {
				key, _ := json.Marshal([]any{name, at})
				if seen[string(key)] {
					t.Errorf("%s is there twice", key)
				}
				seen[string(key)] = true
				context := RetryContext{effects[at["effect"].(string)], at["in_transaction"].(bool),
					at["several"].(bool), at["idempotent"].(bool), at["delivered"].(bool)}
				var got RetryDecision
				switch cause := errors.New("?"); {
				case event.Failure != nil:
					got = ClassifyFailure(wire.Failure{Code: uint64(event.Failure[0].(float64)),
						Message: event.Failure[1].(string)}, context)
				case event.Loss != nil:
					got = ClassifyLoss(event.Loss.Sent, kind, cause, context)
				default:
					got = ClassifyAbandoned(progresses[event.Abandoned], kind, cause, context)
				}
				err := got.Error
				got.Error = nil
				if got != want || err.Verdict() != verdicts[then["verdict"].(string)] ||
					err.MayRetry != is("may_retry") || err.Kind != kind {
					t.Errorf("%s:\n got %+v, %v, may retry: %v, %v\nwant %v", key, got, err.Verdict(),
						err.MayRetry, err.Kind, then)
				}
			}
		}
	}
	if want := len(v.Events) * len(combine(v.Context, nil)); len(seen) != want {
		t.Errorf("%d combinations of %d", len(seen), want)
	}
}

func TestMayRerun(t *testing.T) {
	v := load(t)
	seen := map[string]bool{}
	for _, each := range v.RerunCases {
		for _, at := range combine(v.RerunContext, each) {
			key, _ := json.Marshal(at)
			if seen[string(key)] {
				t.Errorf("%s is there twice", key)
			}
			seen[string(key)] = true
			err := &quorlite.Error{Kind: kindOf(t, at["kind"].(string)),
				Outcome: verdicts[at["verdict"].(string)], MayRetry: at["may_retry"].(bool)}
			if got := MayRerun(err, at["idempotent"].(bool)); got != each["rerun"].(bool) {
				t.Errorf("%s: %v", key, got)
			}
		}
	}
	if want := len(combine(v.RerunContext, nil)); len(seen) != want {
		t.Errorf("%d combinations of %d", len(seen), want)
	}
}

func TestLossesKeepTheirCause(t *testing.T) {
	cause := errors.New("reset")
	if got := ClassifyLoss(true, quorlite.Connection, cause, RetryContext{}); !errors.Is(got.Error, cause) {
		t.Error("the cause is lost")
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
