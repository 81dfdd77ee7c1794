//go:build !unix

package client

import "net"

type socket struct{}

func socketOf(net.Conn) *socket { return &socket{} }

// closed would look whether the node has closed the connection, which cannot be done here without
// waiting.
func (*socket) closed() bool { return false }
