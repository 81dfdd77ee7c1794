package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/quorlite/quorlite/go-client/wire"
)

// A file of a dump with a longer name is garbage.
const fileNameBytesMax = 4 << 10

// Dump gives a database as files which, side by side, SQLite opens: the database and its WAL, which
// may be empty. The node gives what it has, whether it leads or not.
//
// `each` is called for one file after the other. It reads as much of the data as it wants, as it comes
// from the network: no more than a buffer of it is ever in memory. An error of it ends the dump, and
// the Client with it, and is returned. A context without a deadline lets the dump go on for as long as
// the node goes on sending.
func (c *Client) Dump(ctx context.Context, name string,
	each func(file string, size int64, data io.Reader) error) error {
	c.conn.Begin(ctx, c.deadline(ctx))
	defer c.conn.End()
	var own error
	err := c.conn.dump(ctx, name, c.config.Timeout, func(file string, size int64, data io.Reader) error {
		own = each(file, size, data)
		return own
	})
	var broken *BrokenError
	switch {
	case err == nil:
		return nil
	case own != nil && !errors.As(err, &broken):
		_ = c.Close() // the rest of the dump is still on its way
		return own
	case ctx.Err() != nil:
		err = withCause(err, ctx.Err())
	}
	return Classify(err, retryContext(ctx, false), c.Address()).Error
}

func (c *Conn) dump(ctx context.Context, name string, patience time.Duration,
	each func(file string, size int64, data io.Reader) error) error {
	if err := c.Append(wire.Dump{Name: name}); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return err
	}
	h, err := c.receiveHeader()
	if err != nil {
		return err
	}
	if wire.ResponseType(h.Type) != wire.TypeFiles {
		response, err := c.ReceiveResponse(wire.Asked{})
		if failure, ok := response.(wire.Failure); ok {
			return &FailedError{failure}
		} else if err == nil {
			err = c.garbage("a %T was answered to a dump", response)
		}
		return err
	}
	c.from += wire.HeaderBytes
	body := &body{conn: c, left: h.BodyBytes()}
	if _, limited := ctx.Deadline(); !limited {
		body.patience = patience
	}
	for count := body.word(); count > 0 && body.err == nil; count-- {
		if err := body.file(each); err != nil {
			return err
		}
	}
	if body.err == nil && body.left > 0 {
		body.err = c.garbage("%d bytes follow the last file of a dump", body.left)
	}
	return body.err
}

// body is the body of a message that is read as it comes. The first error sticks.
type body struct {
	conn     *Conn
	left     int64
	patience time.Duration // for each piece; 0: the deadline is for all of them
	err      error
}

func (b *body) Read(into []byte) (int, error) {
	if b.err == nil && b.left == 0 {
		return 0, io.EOF
	}
	if b.err != nil || len(into) == 0 {
		return 0, b.err
	}
	if int64(len(into)) > b.left {
		into = into[:b.left]
	}
	c := b.conn
	n := copy(into, c.in[c.from:c.to])
	c.from += n
	if n == 0 {
		if b.patience > 0 {
			c.extend(time.Now().Add(b.patience))
		}
		var err error
		if n, err = c.nc.Read(into); err != nil && n == 0 {
			b.err = c.broken(err)
		}
	}
	b.left -= int64(n)
	return n, b.err
}

// fail: what was read is no list of files.
func (b *body) fail(format string, arguments ...any) {
	if b.err == nil {
		b.err = b.conn.garbage(format, arguments...)
	}
}

func (b *body) bytes(into []byte) {
	if _, err := io.ReadFull(b, into); err != nil {
		b.fail("a dump ends too early")
	}
}

func (b *body) word() uint64 {
	var word [8]byte
	b.bytes(word[:])
	return binary.LittleEndian.Uint64(word[:])
}

func (b *body) name() string {
	var name []byte
	for b.err == nil && len(name) < fileNameBytesMax {
		var word [8]byte
		b.bytes(word[:])
		if end := bytes.IndexByte(word[:], 0); end >= 0 {
			return string(append(name, word[:end]...))
		}
		name = append(name, word[:]...)
	}
	b.fail("the name of a file of a dump does not end")
	return ""
}

func (b *body) file(each func(file string, size int64, data io.Reader) error) error {
	name, size := b.name(), b.word()
	if padded := (size + 7) / 8 * 8; padded > uint64(b.left) || padded < size {
		b.fail("a file of %d bytes in a dump, %d left", size, b.left)
	}
	if b.err != nil {
		return b.err
	}
	rest := b.left - int64(size+7)/8*8
	err := each(name, int64(size), io.LimitReader(b, int64(size)))
	if err == nil {
		_, _ = io.CopyN(io.Discard, b, b.left-rest) // an error sticks
	}
	if b.err != nil {
		err = b.err // it is why `each` could not go on
	}
	return err
}
