package main

import (
	"strings"
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

// The same words as from the C++ example.
func TestPeople(t *testing.T) {
	var out strings.Builder
	if err := run(&out, nodes.Start(t).DSN("example")); err != nil {
		t.Fatal(err)
	}
	if out.String() != "Ada 36\nAlan unknown\nUNIQUE constraint failed: people.id\n2 people\n" {
		t.Errorf("it says %q", out.String())
	}
}
