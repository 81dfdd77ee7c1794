package dqlite

// What go-dqlite's tests import, so that go.mod has it.
import (
	_ "github.com/canonical/go-dqlite/v3/driver"
	_ "github.com/canonical/go-dqlite/v3/logging"
	_ "github.com/stretchr/testify/assert"
	_ "github.com/stretchr/testify/require"
)
