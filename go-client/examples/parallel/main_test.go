package main

import (
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func TestParallel(t *testing.T) { nodes.ExpectExample(t, "parallel", run) }
