//go:build unix

package client

import (
	"net"
	"syscall"
)

// socket is what lies under a connection. It is made once: it is looked at before every use.
type socket struct {
	raw syscall.RawConn // nil if there is none
}

func socketOf(nc net.Conn) socket {
	if wrapped, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = wrapped.NetConn()
	}
	if known, ok := nc.(syscall.Conn); ok {
		if raw, err := known.SyscallConn(); err == nil { // else it is closed, as using it will show
			return socket{raw}
		}
	}
	return socket{}
}

// closed looks, without waiting, whether the node has closed the connection. What cannot be looked at
// counts as open.
func (s *socket) closed() bool {
	if s.raw == nil {
		return false
	}
	closed := false
	err := s.raw.Control(func(descriptor uintptr) {
		var peeked [1]byte
		n, _, err := syscall.Recvfrom(int(descriptor), peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		again := err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
		closed = !again && (err != nil || n == 0)
	})
	return err != nil || closed
}
