package main

import (
	"strings"
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

// The same words as from the C++ example.
func TestAccounts(t *testing.T) {
	var out strings.Builder
	if err := run(&out, nodes.Start(t).DSN("example")); err != nil {
		t.Fatal(err)
	}
	if out.String() != "1000 accounts\n70 left\n" {
		t.Errorf("it says %q", out.String())
	}
}
