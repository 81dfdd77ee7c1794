package main

import (
	"strings"
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func TestNotes(t *testing.T) {
	dsn := nodes.Start(t).DSN("notes.db")
	var out strings.Builder
	if err := run(&out, dsn, []string{"buy milk", "call Ada"}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "1: buy milk\n2: call Ada\n" {
		t.Errorf("it says %q", out.String())
	}
}
