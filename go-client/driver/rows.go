package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"math"
	"reflect"
	"time"

	"github.com/quorlite/quorlite/go-client/internal/rules"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

// rows reads a result message by message. If its connection is needed for something else before it
// was read to the end, the rest is read into memory.
type rows struct {
	c       *conn
	ctx     context.Context
	retry   rules.RetryContext
	text    *text
	reader  wire.RowReader
	row     []wire.Value
	waiting bool     // `row` holds a row that was not given out yet
	more    bool     // messages that have not been received follow
	held    [][]byte // messages that have been
	types   []wire.Type
	few     [8]wire.Type // where `types` are if they fit
	arena   arena
	err     error
}

// execRows executes a statement that yields rows which nobody wants. Those of a RETURNING clause are
// the ones that it changed.
func (c *conn) execRows(ctx context.Context, t *text, values []wire.Value) (*result, error) {
	all, err := c.start(ctx, t, values)
	if err != nil {
		return nil, err
	}
	count := int64(0)
	dest := make([]driver.Value, len(all.Columns()))
	for ; err == nil; count++ {
		err = all.Next(dest)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if closing := all.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	answer := &result{yieldedRows: true}
	if t.effect == sqltext.Write {
		answer.rowsAffected = count - 1
	}
	return answer, nil
}

func (c *conn) query(ctx context.Context, t *text, arguments []driver.NamedValue) (driver.Rows, error) {
	if !t.yieldsRows() && len(t.statements) == 1 {
		if _, err := c.exec(ctx, t, arguments); err != nil {
			return nil, err
		}
		return &rows{c: c}, nil
	}
	if t.several() {
		return nil, usage("a query is one statement; this text has %d", len(t.statements))
	}
	values, err := c.bind(t, arguments)
	if err != nil {
		return nil, err
	}
	defer c.unbind()
	return c.start(ctx, t, values)
}

// start sends the query and waits for its first message.
func (c *conn) start(ctx context.Context, t *text, values []wire.Value) (*rows, error) {
	all := &rows{c: c, ctx: ctx, text: t, retry: c.retryContext(ctx, t)}
	err := c.attempt(ctx, t, func(deadline time.Time) error {
		return c.queryOnce(ctx, deadline, t, values, all)
	})
	if err != nil {
		return nil, err
	}
	c.rows = all
	all.retry.Delivered = true
	all.row = make([]wire.Value, len(all.reader.Columns))
	if err := all.advance(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	all.types = all.few[:0]
	for i := range all.row {
		all.types = append(all.types, all.row[i].Type)
	}
	return all, nil
}

func (c *conn) queryOnce(ctx context.Context, deadline time.Time, t *text, values []wire.Value,
	all *rows) error {
	all.arena.tellsNull = c.link.TellsNull()
	if err := c.prepare(ctx, deadline, t, false); err != nil {
		return err
	}
	defer c.endExchange()
	if err := c.send(ctx, deadline, t.request(values, true)); err != nil {
		return err
	}
	return all.receive()
}

// receiveRows gives the next message of rows. If it is late the query is stopped.
func (c *conn) receiveRows() ([]byte, error) {
	_, body, err := c.receive(wire.TypeRows)
	if err == nil {
		return body, nil
	}
	if _, err = c.interrupt(err); err == nil {
		err = &stoppedError{confirmed: true}
	}
	return nil, err
}

func (r *rows) receive() error {
	body, err := r.c.receiveRows()
	if err != nil {
		return err
	}
	r.more = wire.MoreFollows(body)
	if err := r.reader.Reset(body); err != nil {
		return r.c.garbage(err)
	}
	return nil
}

// advance reads the next row into r.row. It returns io.EOF after the last.
func (r *rows) advance() error {
	r.waiting = false
	for r.err == nil {
		more, err := r.reader.Next(r.row)
		switch {
		case err != nil:
			r.fail(r.c.garbage(err))
		case more:
			r.waiting = true
			return nil
		case len(r.held) > 0:
			err = r.reader.Reset(r.held[0])
			r.held = r.held[1:]
			if err != nil {
				r.fail(r.c.garbage(err))
			}
		case r.more:
			r.c.link.Resume(r.ctx, r.c.cluster().DeadlineOf(r.ctx))
			err = r.receive()
			r.c.endExchange()
			if err != nil {
				r.fail(err)
			}
		default:
			r.cut(io.EOF)
		}
	}
	return r.err
}

// fail ends the rows with what the error means for the connection and its transaction.
func (r *rows) fail(err error) {
	decision := r.c.classify(r.ctx, err, r.retry)
	r.cut(decision.Error)
	r.c.apply(r.text, decision)
}

// cut ends the rows: nothing of them is on its way any more.
func (r *rows) cut(err error) {
	if r.err == nil {
		r.err = err
	}
	r.more, r.held = false, nil
	if r.c.rows == r {
		r.c.rows = nil
	}
}

// holdRows frees the link of rows that are still being read.
func (c *conn) holdRows() error {
	r := c.rows
	if r == nil {
		return nil
	}
	c.link.Detach()
	size := 0
	for r.more {
		c.link.Resume(r.ctx, c.cluster().DeadlineOf(r.ctx))
		body, err := c.receiveRows()
		c.endExchange()
		if err != nil {
			r.fail(err)
			return r.err
		}
		if size += len(body); size > c.connector.config.HeldBytesMax {
			return usage("rows of an earlier query are still being read, and are too many to be "+
				"kept: more than %d bytes", c.connector.config.HeldBytesMax)
		}
		r.more = wire.MoreFollows(body)
		c.link.Detach()
		r.held = append(r.held, body)
	}
	c.rows = nil
	return nil
}

func (r *rows) Columns() []string { return r.reader.Columns }

func (r *rows) Next(dest []driver.Value) error {
	if r.ctx == nil {
		return io.EOF // of a statement without rows
	}
	if !r.waiting {
		if err := r.advance(); err != nil {
			return err
		}
	}
	r.waiting = false
	for i := range dest {
		dest[i] = r.arena.fromWire(r.row[i])
	}
	return nil
}

// Close stops a query that was not read to its end.
func (r *rows) Close() error {
	if r.more {
		_, err := r.c.link.Interrupt(r.c.cluster().Config().InterruptTimeout)
		if err != nil {
			r.fail(err)
		}
	}
	r.cut(io.EOF)
	r.waiting = false
	return nil
}

// What is known of a column is the value in its first row: SQLite's columns have no type of their
// own, and every column may hold NULL.

func (r *rows) typeOf(column int) wire.Type {
	if column < len(r.types) {
		return r.types[column]
	}
	return 0
}

func (r *rows) ColumnTypeDatabaseTypeName(column int) string {
	if kind := r.typeOf(column); kind != 0 {
		return kind.String()
	}
	return ""
}

func (r *rows) ColumnTypeNullable(int) (nullable, known bool) { return true, true }

func (r *rows) ColumnTypeLength(column int) (int64, bool) {
	switch r.typeOf(column) {
	case wire.Text, wire.Blob:
		return math.MaxInt64, true
	}
	return 0, false
}

func (r *rows) ColumnTypeScanType(column int) reflect.Type {
	switch r.typeOf(column) {
	case wire.Integer:
		return reflect.TypeOf(sql.NullInt64{})
	case wire.Float:
		return reflect.TypeOf(sql.NullFloat64{})
	case wire.Text:
		return reflect.TypeOf(sql.NullString{})
	case wire.Blob:
		return reflect.TypeOf([]byte{})
	case wire.UnixTime, wire.ISO8601:
		return reflect.TypeOf(sql.NullTime{})
	case wire.Boolean:
		return reflect.TypeOf(sql.NullBool{})
	}
	return reflect.TypeOf((*any)(nil)).Elem()
}

var (
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
)
