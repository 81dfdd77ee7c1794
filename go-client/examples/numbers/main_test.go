package main

import (
	"strings"
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

// The same words as from the C++ example.
func TestNumbers(t *testing.T) {
	var out strings.Builder
	if err := run(&out, nodes.Start(t).DSN("example")); err != nil {
		t.Fatal(err)
	}
	if out.String() != "sum 12\n" {
		t.Errorf("it says %q", out.String())
	}
}
