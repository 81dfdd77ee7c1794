package main

import (
	"testing"

	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func TestAccounts(t *testing.T) { nodes.ExpectExample(t, "accounts", run) }
