package main

import (
	"strings"
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func TestMembers(t *testing.T) {
	cluster := nodes.Start(t)
	var out strings.Builder
	if err := run(&out, "quorlite://"+cluster.Nodes[2].Address+"/example"); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), " voter") != 3 || strings.Count(out.String(), "(leads)") != 1 {
		t.Errorf("it says %q", out.String())
	}
}
