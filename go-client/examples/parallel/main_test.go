package main

import (
	"strings"
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

// The same words as from the examples of this name in other languages.
func TestParallel(t *testing.T) {
	var out strings.Builder
	if err := run(&out, nodes.Start(t).DSN("example")); err != nil {
		t.Fatal(err)
	}
	nodes.Expect(t, "parallel", out.String())
}
