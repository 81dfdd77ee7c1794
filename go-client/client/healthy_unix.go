//go:build unix

package client

import (
	"net"
	"syscall"
)

// socket is what lies under a connection. It is looked at before every use, so nothing is made anew
// for that.
type socket struct {
	raw   syscall.RawConn // nil if there is none
	look  func(descriptor uintptr)
	ended bool // what look has seen
}

func socketOf(nc net.Conn) *socket {
	s := &socket{}
	if wrapped, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = wrapped.NetConn()
	}
	if known, ok := nc.(syscall.Conn); ok {
		s.raw, _ = known.SyscallConn() // of a closed connection there is none
	}
	s.look = func(descriptor uintptr) {
		var peeked [1]byte
		n, _, err := syscall.Recvfrom(int(descriptor), peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		again := err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
		s.ended = !again && (err != nil || n == 0)
	}
	return s
}

// closed looks, without waiting, whether the node has closed the connection. What cannot be looked at
// counts as open.
func (s *socket) closed() bool {
	return s.raw != nil && (s.raw.Control(s.look) != nil || s.ended)
}
