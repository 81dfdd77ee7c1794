//go:build unix

package client

import (
	"net"
	"syscall"
)

// Healthy looks, without waiting, whether the node has closed the connection meanwhile. A connection
// that cannot be looked at counts as healthy.
func (c *Conn) Healthy() bool {
	nc := c.nc
	if wrapped, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = wrapped.NetConn()
	}
	socket, ok := nc.(syscall.Conn)
	if !ok {
		return c.from == c.to
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	open := true
	err = raw.Control(func(descriptor uintptr) {
		var peeked [1]byte
		n, _, err := syscall.Recvfrom(int(descriptor), peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		again := err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
		open = again || err == nil && n > 0
	})
	return err == nil && open && c.from == c.to
}
