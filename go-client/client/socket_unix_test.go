//go:build unix

package client

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// An answer to every byte, until the client closes the connection.
func echo(t *testing.T) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var answering sync.WaitGroup
	answering.Add(1)
	go func() {
		defer answering.Done()
		defer accepted.Close()
		var one [1]byte
		for {
			if _, err := accepted.Read(one[:]); err != nil || one[0] == 'q' {
				return
			}
			if one[0] == '-' {
				continue
			}
			if _, err := accepted.Write(one[:]); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		dialled.Close()
		answering.Wait()
	})
	return dialled
}

func say(t *testing.T, s *socket, what string) {
	t.Helper()
	if _, err := s.nc.Write([]byte(what)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, s *socket, want string) {
	t.Helper()
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		more, err := s.read(got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	if string(got) != want {
		t.Fatalf("%q, not %q", got, want)
	}
}

// Both ways to wait, each with all that may end it.
func TestReadingAwakeAndAsleep(t *testing.T) {
	for name, short := range map[string]bool{"awake": true, "asleep": false} {
		begin := func(t *testing.T) *socket {
			s := socketOf(echo(t))
			for i := 0; i < 100; i++ {
				s.waitsAreShort = short
				say(t, s, "x")
				hear(t, s, "x")
			}
			s.waitsAreShort = short
			return s
		}
		var room [16]byte
		t.Run(name+" to the end", func(t *testing.T) {
			s := begin(t)
			say(t, s, "q")
			if n, err := s.read(room[:]); n != 0 || err != io.EOF {
				t.Errorf("%d, %v", n, err)
			}
		})
		t.Run(name+" to the deadline", func(t *testing.T) {
			s := begin(t)
			if err := s.nc.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			say(t, s, "-")
			if n, err := s.read(room[:]); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !isTimeout(err) {
				t.Errorf("%d, %v", n, err)
			}
			if err := s.nc.SetDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			say(t, s, "y")
			hear(t, s, "y")
		})
		t.Run(name+" until closed here", func(t *testing.T) {
			s := begin(t)
			time.AfterFunc(time.Millisecond, func() { s.nc.Close() })
			if n, err := s.read(room[:]); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

func TestOnlyOneReaderWaitsAwake(t *testing.T) {
	s := socketOf(echo(t))
	s.awakeUntil = time.Now().Add(time.Hour)
	waiting.Store(1)
	if !s.awake() {
		t.Error("it sleeps though it is alone")
	}
	waiting.Store(2)
	if s.awake() {
		t.Error("it keeps others from running")
	}
	waiting.Store(0)
	say(t, s, "x")
	hear(t, s, "x")
	if n := waiting.Load(); n != 0 {
		t.Errorf("%d are said to wait", n)
	}
}

type shifted struct{ *net.TCPConn }

func (s shifted) Read(room []byte) (int, error) {
	n, err := s.TCPConn.Read(room)
	for i := range room[:n] {
		room[i]++
	}
	return n, err
}

// What a program wraps around a connection, TLS above all, is read through.
func TestAWrappedConnectionIsNotReadAround(t *testing.T) {
	s := socketOf(shifted{echo(t).(*net.TCPConn)})
	var room [1]byte
	for i := 0; i < 3; i++ {
		say(t, s, "a")
		if _, err := s.read(room[:]); err != nil || !bytes.Equal(room[:], []byte("b")) {
			t.Fatalf("%q, %v", room[:], err)
		}
	}
}
