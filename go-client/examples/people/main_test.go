package main

import (
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func TestPeople(t *testing.T) { nodes.ExpectExample(t, "people", run) }
