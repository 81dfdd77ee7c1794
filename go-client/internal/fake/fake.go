// Package fake is a server for tests that speaks the protocol and knows a few statements, on
// connections of which any read or write can be made to fail.
//
// The statements: "INSERT n" remembers n for good, or once its transaction is committed; "SELECT n"
// yields rows in several messages, and "SELECT 1" in one; "CONFLICT" breaks a constraint, and "CONFLICT
// ROLLBACK" ends the transaction with it; everything else succeeds without doing anything.
// A statement can be made one that is never answered.
package fake

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/quorlite/quorlite/go-client/wire"
)

// Address is that of the one node, which leads.
const Address = "fake:1"

// ErrInjected is what a step that is made to fail fails with.
var ErrInjected = errors.New("injected")

// Server is the state of the node, and which step of the client's I/O fails.
type Server struct {
	Name    string // the address that it says it has
	mu      sync.Mutex
	applied map[string]int
	steps   int
	failAt  int // 0: none
	failure int
	silence string // the statement that is never answered, nor anything after it
	reached func() // called when it is asked for
	held    chan struct{}
	asked   []wire.Request
	open    []net.Conn
}

// How a step may fail.
const (
	Before = iota // nothing of it happens
	Half          // a write sends half; a read fails
	After         // the step happens, and is reported as failed if it is a write
	Kinds         // how many there are
)

// New is a server of whose clients the step number `failAt`, counted from 1, fails.
func New(failAt, failure int) *Server {
	return &Server{Name: Address, applied: map[string]int{}, failAt: failAt, failure: failure}
}

// Failed tells whether the step that was to fail was reached.
func (s *Server) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failAt > 0 && s.steps >= s.failAt
}

// Applied tells how often a row was inserted.
func (s *Server) Applied(row string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied[row]
}

// Silence makes the node deaf for good to a connection that asks for the statement, and calls `asked`
// when one does.
func (s *Server) Silence(sql string, asked func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence, s.reached = sql, asked
}

// HoldMembers lets whoever asks for the members wait for the answer until it is released.
func (s *Server) HoldMembers() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	return func() { close(held) }
}

// Asked is what all clients have asked since the last call.
func (s *Server) Asked() []wire.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// HangUp closes all connections.
func (s *Server) HangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.open {
		conn.Close()
	}
	s.open = nil
}

// Dial connects a client.
func (s *Server) Dial(context.Context, string) (net.Conn, error) {
	if s.step() {
		return nil, ErrInjected
	}
	client, server := net.Pipe()
	go s.Serve(server)
	return &conn{client, s}, nil
}

func (s *Server) step() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps++
	return s.steps == s.failAt
}

// conn is the client's end. After a failure it is broken.
type conn struct {
	net.Conn
	server *Server
}

func (c *conn) Read(b []byte) (int, error) {
	if c.server.step() {
		c.Close()
		return 0, ErrInjected
	}
	return c.Conn.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	if !c.server.step() {
		return c.Conn.Write(b)
	}
	n := 0
	switch c.server.failure {
	case Half:
		n, _ = c.Conn.Write(b[:len(b)/2])
	case After:
		n, _ = c.Conn.Write(b)
	}
	c.Close()
	return n, ErrInjected
}

type session struct {
	server   *Server
	conn     net.Conn
	prepared []string
	inTx     bool
	pending  []string
	deaf     bool
}

// note tells whether the request is the one that is not answered.
func (s *Server) note(request wire.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, request)
	asked, ok := request.(wire.ExecSQL)
	silent := ok && s.silence != "" && asked.SQL == s.silence
	if silent {
		s.reached()
	}
	return silent
}

// Listen serves whoever connects, until the test is over.
func (s *Server) Listen(t testing.TB, listener net.Listener) {
	s.Name = listener.Addr().String()
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go s.Serve(client)
		}
	}()
}

// Serve serves one client, of whom no step fails if the connection is not of Dial, until either hangs
// up.
func (s *Server) Serve(nc net.Conn) {
	defer nc.Close()
	s.mu.Lock()
	s.open = append(s.open, nc)
	s.mu.Unlock()
	own := &session{server: s, conn: nc}
	var hello [wire.HeaderBytes]byte
	if _, err := io.ReadFull(nc, hello[:]); err != nil {
		return
	}
	for {
		var head [wire.HeaderBytes]byte
		if _, err := io.ReadFull(nc, head[:]); err != nil {
			return
		}
		h := wire.ParseHeader(head)
		body := make([]byte, h.BodyBytes())
		if _, err := io.ReadFull(nc, body); err != nil {
			return
		}
		request, err := wire.DecodeRequest(h, body)
		if err != nil {
			return
		}
		if own.deaf = own.deaf || s.note(request); own.deaf {
			continue
		}
		for _, response := range own.answer(request) {
			message, err := wire.AppendResponse(nil, response)
			if err != nil {
				return
			}
			if _, err := nc.Write(message); err != nil {
				return
			}
		}
	}
}

func (s *session) answer(request wire.Request) []wire.Response {
	switch request := request.(type) {
	case wire.Leader:
		return []wire.Response{wire.Server{ID: 1, Address: s.server.Name}}
	case wire.Cluster:
		s.server.mu.Lock()
		held := s.server.held
		s.server.mu.Unlock()
		if held != nil {
			<-held
		}
		return []wire.Response{wire.Servers{Format: 1, Nodes: []wire.Node{{ID: 1, Address: s.server.Name}}}}
	case wire.Open:
		return []wire.Response{wire.DB{}}
	case wire.Prepare:
		s.prepared = append(s.prepared, request.SQL)
		return []wire.Response{wire.Stmt{ID: uint32(len(s.prepared) - 1)}}
	case wire.Exec:
		return s.execute(s.prepared[request.Stmt])
	case wire.ExecSQL:
		return s.execute(request.SQL)
	case wire.Query:
		return s.rows(s.prepared[request.Stmt])
	case wire.QuerySQL:
		return s.rows(request.SQL)
	}
	return []wire.Response{wire.Empty{}}
}

func (s *session) rows(sql string) []wire.Response {
	row := wire.Rows{Columns: []string{"n"}, Rows: [][]wire.Value{{wire.IntegerValue(1)}}}
	if sql == "SELECT 1" {
		return []wire.Response{row}
	}
	part := row
	part.More = true
	return []wire.Response{part, part, row}
}

func (s *session) execute(sql string) []wire.Response {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	switch {
	case sql == "CONFLICT" || sql == "CONFLICT ROLLBACK":
		if sql != "CONFLICT" {
			s.inTx, s.pending = false, nil
		}
		return []wire.Response{wire.Failure{Code: 2067, Message: "UNIQUE constraint failed"}}
	case strings.HasPrefix(sql, "BEGIN") && s.inTx:
		return []wire.Response{wire.Failure{Code: 1,
			Message: "cannot start a transaction within a transaction"}}
	case strings.HasPrefix(sql, "BEGIN"):
		s.inTx = true
	case sql == "COMMIT":
		for _, row := range s.pending {
			s.server.applied[row]++
		}
		s.inTx, s.pending = false, nil
	case sql == "ROLLBACK":
		s.inTx, s.pending = false, nil
	case strings.HasPrefix(sql, "INSERT ") && s.inTx:
		s.pending = append(s.pending, sql[len("INSERT "):])
	case strings.HasPrefix(sql, "INSERT "):
		s.server.applied[sql[len("INSERT "):]]++
	}
	return []wire.Response{wire.Result{}}
}
