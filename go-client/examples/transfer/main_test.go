package main

import (
	"strings"
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func TestTransfer(t *testing.T) {
	dsn := nodes.Start(t).DSN("bank.db")
	var out strings.Builder
	for i := 0; i < 2; i++ {
		if err := run(&out, dsn); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "90 10\n80 20\n" {
		t.Errorf("it says %q", out.String())
	}
}
