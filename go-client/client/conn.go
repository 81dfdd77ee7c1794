package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/quorlite/quorlite/go-client/wire"
)

const (
	bufferBytes = 4 << 10
	// A buffer that a large message has left behind is given back above this.
	idleBufferBytes = 1 << 20
	// A message that claims to be longer is garbage.
	messageBytesMax = 1 << 30
	// No more is reserved for a message than has arrived of it, or this.
	growBytes = 64 << 10
)

// DialFunc connects to a node. Tests script a server through it; programs wrap TLS in it.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// BrokenError is a connection that broke. Sent tells whether the request had left entirely: if not,
// the node has not done anything of it.
type BrokenError struct {
	Sent     bool
	TimedOut bool // the deadline passed or the context ended; the stream itself is intact if Sent
	Garbage  bool // the other side sent what is not the protocol
	Err      error
}

func (e *BrokenError) Error() string { return e.Err.Error() }
func (e *BrokenError) Unwrap() error { return e.Err }

// Conn is one connection to one node, for those who speak the protocol themselves. An exchange is
//
//	Begin, Append..., Flush, Receive..., End
//
// after which, if nothing failed, the next one may follow. Call does all of it for one request.
// A Conn is not safe for use by several goroutines at a time.
type Conn struct {
	nc      net.Conn
	socket  *socket
	address string
	out     []byte
	in      []byte // read and not taken: in[from:to]
	from    int
	to      int
	sent    bool // everything appended since Begin has left

	tellsNull bool

	unwatch  func()
	mu       sync.Mutex // of what follows, which the context's watcher shares
	exchange uint64
	ended    bool // the context of this exchange has ended
}

// Dial connects to a node and greets it.
func Dial(ctx context.Context, dial DialFunc, address string) (*Conn, error) {
	nc, err := dial(ctx, address)
	if err != nil {
		return nil, &BrokenError{Err: err, TimedOut: isTimeout(err)}
	}
	c := &Conn{nc: nc, socket: socketOf(nc), address: address, in: make([]byte, bufferBytes)}
	c.out = wire.AppendHandshake(make([]byte, 0, bufferBytes), wire.Version)
	return c, nil
}

// Address is that of the node, as it was dialled.
func (c *Conn) Address() string { return c.address }

// TellsNull: the node sends NULL as NULL, whatever the column was declared as. dqlite sends an empty
// time.
func (c *Conn) TellsNull() bool { return c.tellsNull }

// Close closes the connection. An open transaction is rolled back by the server.
func (c *Conn) Close() error { return c.nc.Close() }

// Healthy looks, without waiting, whether a request may be sent: whether nothing is left of the last
// exchange, and the node has not closed the connection meanwhile.
func (c *Conn) Healthy() bool { return c.from == c.to && !c.socket.closed() }

// Begin starts an exchange that is to be over by the deadline, and that ends early, with a
// BrokenError that TimedOut, if the context does.
func (c *Conn) Begin(ctx context.Context, deadline time.Time) {
	c.sent = false
	_ = c.nc.SetDeadline(deadline) // fails on a closed connection only, as what follows will
	if ctx.Done() == nil {
		return
	}
	c.mu.Lock()
	mine := c.exchange
	c.mu.Unlock()
	c.unwatch = afterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.exchange == mine {
			c.ended = true
			_ = c.nc.SetDeadline(time.Unix(1, 0))
		}
	})
}

// extend gives the exchange more time, unless its context has ended.
func (c *Conn) extend(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		_ = c.nc.SetDeadline(deadline) // as in Begin
	}
}

// Resume is Begin for an answer of which a part was received in an exchange before.
func (c *Conn) Resume(ctx context.Context, deadline time.Time) {
	c.Begin(ctx, deadline)
	c.sent = true
}

// End ends the exchange: its context no longer matters.
func (c *Conn) End() {
	if c.unwatch == nil {
		return
	}
	c.unwatch()
	c.unwatch = nil
	c.mu.Lock()
	c.exchange++
	c.ended = false
	c.mu.Unlock()
}

// Append adds a request to those that Flush sends. If it cannot be encoded nothing is added.
func (c *Conn) Append(request wire.Request) error {
	out, err := wire.AppendRequest(c.out, request)
	c.out = out
	return err
}

// Discard forgets what was appended and not sent.
func (c *Conn) Discard() { c.out = c.out[:0] }

// Flush sends what was appended.
func (c *Conn) Flush() error {
	n, err := c.nc.Write(c.out)
	whole := n == len(c.out)
	if c.out = c.out[:0]; cap(c.out) > idleBufferBytes {
		c.out = make([]byte, 0, bufferBytes)
	}
	if err != nil {
		return &BrokenError{Sent: whole, TimedOut: isTimeout(err), Err: err}
	}
	c.sent = true
	return nil
}

// Receive waits for a message. The body is valid until the next Receive or Detach.
func (c *Conn) Receive() (wire.Header, []byte, error) {
	h, err := c.receiveHeader()
	if err != nil {
		return h, nil, err
	}
	if h.BodyBytes() > messageBytesMax {
		return h, nil, c.garbage("a message of %d bytes is announced", h.BodyBytes())
	}
	size := int(h.BodyBytes())
	if err := c.fill(wire.HeaderBytes + size); err != nil {
		return h, nil, err
	}
	start := c.from + wire.HeaderBytes
	c.from = start + size
	return h, c.in[start:c.from:c.from], nil
}

func (c *Conn) receiveHeader() (wire.Header, error) {
	if c.from == c.to {
		c.from, c.to = 0, 0
		if len(c.in) > idleBufferBytes {
			c.in = make([]byte, bufferBytes)
		}
	}
	if err := c.fill(wire.HeaderBytes); err != nil {
		return wire.Header{}, err
	}
	h := wire.ParseHeader(*(*[wire.HeaderBytes]byte)(c.in[c.from:]))
	if h.Words == 0 {
		return h, c.garbage("a message without a body")
	}
	return h, nil
}

// fill reads until so many bytes are there. If it fails nothing is lost: it can be called again.
func (c *Conn) fill(size int) error {
	for c.to-c.from < size {
		c.makeRoom(size)
		n, err := c.socket.read(c.in[c.to:])
		c.to += n
		if err != nil && c.to-c.from < size {
			return c.broken(err)
		}
	}
	return nil
}

// broken is what reading failed with.
func (c *Conn) broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the node closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return &BrokenError{Sent: c.sent, TimedOut: isTimeout(err), Err: err}
}

// makeRoom leaves room behind what was read, for some or all of the `size` bytes that are wanted.
func (c *Conn) makeRoom(size int) {
	have := c.to - c.from
	if c.from > 0 && c.from+size > len(c.in) {
		copy(c.in, c.in[c.from:c.to])
		c.from, c.to = 0, have
	}
	if c.to < len(c.in) {
		return
	}
	larger := 2*have + growBytes
	if larger > size {
		larger = size
	}
	grown := make([]byte, (larger+growBytes-1)/growBytes*growBytes)
	copy(grown, c.in[c.from:c.to])
	c.in, c.from, c.to = grown, 0, have
}

// Detach gives the last received body away: later messages do not overwrite it.
func (c *Conn) Detach() {
	rest := c.in[c.from:c.to]
	fresh := make([]byte, bufferBytes+len(rest))
	copy(fresh, rest)
	c.in, c.from, c.to = fresh, 0, len(rest)
}

func (c *Conn) garbage(format string, arguments ...any) error {
	return &BrokenError{Sent: c.sent, Garbage: true, Err: fmt.Errorf(format, arguments...)}
}

// Call makes one exchange of one request and its one response. A Failure is not an error here.
func (c *Conn) Call(ctx context.Context, deadline time.Time, request wire.Request,
	asked wire.Asked) (wire.Response, error) {
	c.Begin(ctx, deadline)
	defer c.End()
	if err := c.Append(request); err != nil {
		return nil, err
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	return c.ReceiveResponse(asked)
}

// ReceiveResponse waits for a message and decodes it.
func (c *Conn) ReceiveResponse(asked wire.Asked) (wire.Response, error) {
	h, body, err := c.Receive()
	if err != nil {
		return nil, err
	}
	response, err := wire.DecodeResponse(h, body, asked)
	if err != nil {
		return nil, c.garbage("%w", err)
	}
	return response, nil
}

// Interrupt stops the statement whose answer has not been received entirely, and waits for no longer
// than `patience` until the connection can be used again. It returns the last message that was still
// answered to the statement: nil if there was none, which means that it was stopped.
func (c *Conn) Interrupt(patience time.Duration) (wire.Response, error) {
	c.End()
	_ = c.nc.SetDeadline(time.Now().Add(patience))
	if err := c.Append(wire.Interrupt{}); err != nil {
		return nil, err
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	var last wire.Response
	for {
		h, body, err := c.Receive()
		if err != nil {
			return last, err
		}
		switch wire.ResponseType(h.Type) {
		case wire.TypeEmpty:
			return last, nil
		case wire.TypeRows: // read and dropped
			last = wire.Rows{}
		default:
			if last, err = wire.DecodeResponse(h, body, wire.Asked{}); err != nil {
				return nil, c.garbage("%w", err)
			}
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.As(err, &timeout) && timeout.Timeout()
}
