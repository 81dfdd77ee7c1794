//go:build unix

package client

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// How long an answer that is expected soon is waited for awake.
const awakeMax = 50 * time.Microsecond

var waiting atomic.Int32 // goroutines of the process that read from a node

// socket is what lies under a connection. It is looked at before every use and read from with every
// answer, so nothing is made anew for that.
type socket struct {
	nc   net.Conn
	raw  syscall.RawConn // nil if there is none
	bare bool            // nc adds nothing to raw, neither encryption nor anything that a program wrote

	look  func(descriptor uintptr)
	ended bool // what look has seen

	take          func(descriptor uintptr) bool
	room          []byte // for take to fill
	taken         int    // by take
	failed        error  // what take met
	awakeUntil    time.Time
	waitsAreShort bool
}

func socketOf(nc net.Conn) *socket {
	s := &socket{nc: nc}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		s.bare = true
	}
	if wrapped, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = wrapped.NetConn()
	}
	if known, ok := nc.(syscall.Conn); ok {
		s.raw, _ = known.SyscallConn() // of a closed connection there is none
	}
	s.look = s.lookForEnd
	s.take = s.takeSome
	return s
}

func (s *socket) lookForEnd(descriptor uintptr) {
	var peeked [1]byte
	n, _, err := syscall.Recvfrom(int(descriptor), peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	s.ended = !wouldBlock(err) && (err != nil || n == 0)
}

// closed looks, without waiting, whether the node has closed the connection. What cannot be looked at
// counts as open.
func (s *socket) closed() bool {
	return s.raw != nil && (s.raw.Control(s.look) != nil || s.ended)
}

// read is the connection's Read. A goroutine that sleeps is woken some 25 microseconds late, which may
// be longer than the answer took. So if the last wait was short, the next one is spent awake for a
// while: if no other goroutine of the process waits as well, for it could run meanwhile, and if there
// is another core for the rest of the world.
func (s *socket) read(room []byte) (int, error) {
	if !s.bare || s.raw == nil || len(room) == 0 {
		return s.nc.Read(room)
	}
	since := time.Now()
	s.awakeUntil = time.Time{}
	if s.waitsAreShort && runtime.GOMAXPROCS(0) > 1 {
		s.awakeUntil = since.Add(awakeMax)
	}
	waiting.Add(1)
	defer waiting.Add(-1)
	s.room, s.taken, s.failed = room, 0, nil
	err := s.raw.Read(s.take)
	s.room = nil
	s.waitsAreShort = time.Since(since) < awakeMax
	if err == nil {
		err = s.failed
	}
	return s.taken, err
}

// takeSome reads what has arrived. False: wait until something has.
func (s *socket) takeSome(descriptor uintptr) bool {
	for {
		n, err := syscall.Read(int(descriptor), s.room)
		switch {
		case n > 0:
			s.taken = n
			return true
		case err == nil:
			s.failed = io.EOF
			return true
		case !wouldBlock(err):
			s.failed = os.NewSyscallError("read", err)
			return true
		case err != syscall.EINTR && !s.awake():
			return false
		}
	}
}

func (s *socket) awake() bool { return waiting.Load() == 1 && time.Now().Before(s.awakeUntil) }

func wouldBlock(err error) bool {
	return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
}
