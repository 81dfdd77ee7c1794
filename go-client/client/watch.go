//go:build go1.21

package client

import "context"

// afterFunc calls f in a goroutine of its own once the context ends, unless it is stopped before.
func afterFunc(ctx context.Context, f func()) (stop func()) {
	stopped := context.AfterFunc(ctx, f)
	return func() { stopped() }
}
