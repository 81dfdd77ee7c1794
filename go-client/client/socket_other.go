//go:build !unix

package client

import "net"

type socket struct{ nc net.Conn }

func socketOf(nc net.Conn) *socket { return &socket{nc} }

// closed would look whether the node has closed the connection, which cannot be done here without
// waiting.
func (*socket) closed() bool { return false }

func (s *socket) read(room []byte) (int, error) { return s.nc.Read(room) }
