//go:build !unix

package client

// Healthy would look whether the node has closed the connection meanwhile, which cannot be done here
// without waiting.
func (c *Conn) Healthy() bool { return c.from == c.to }
