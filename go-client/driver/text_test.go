package driver

import (
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/sqltext"
)

func TestWhatSeveralStatementsCountAs(t *testing.T) {
	for sql, want := range map[string]sqltext.Effect{
		"SELECT 1; SELECT 2":          sqltext.Read,
		"SELECT 1; DELETE FROM t":     sqltext.Write,
		"BEGIN; DELETE FROM t":        sqltext.Write,
		"COMMIT; DELETE FROM t":       sqltext.Commit,
		"DELETE FROM t; RELEASE a; ;": sqltext.Commit,
		"ROLLBACK; DELETE FROM t":     sqltext.Write,
		"COMMIT":                      sqltext.Commit,
	} {
		if got := newText(sql).effect; got != want {
			t.Errorf("%s: %v instead of %v", sql, got, want)
		}
	}
}
