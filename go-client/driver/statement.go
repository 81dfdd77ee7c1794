package driver

import (
	"context"
	"database/sql/driver"
	"time"
)

// stmt is a statement that the program prepared. The node's handle belongs to the connection's
// cache: closing costs nothing, and after a change of the leader it is prepared again.
type stmt struct {
	c    *conn
	text *text
}

func (s *stmt) Close() error  { return nil }
func (s *stmt) NumInput() int { return s.text.parameters }

// known is the text as the connection remembers it now.
func (s *stmt) known() *text { return s.c.texts.get(s.text.sql) }

func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s *stmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (s *stmt) ExecContext(ctx context.Context, arguments []driver.NamedValue) (driver.Result, error) {
	answer, err := s.c.exec(ctx, s.known(), arguments)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (s *stmt) QueryContext(ctx context.Context, arguments []driver.NamedValue) (driver.Rows, error) {
	return s.c.query(ctx, s.known(), arguments)
}

func (c *conn) Prepare(sql string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), sql)
}

func (c *conn) PrepareContext(ctx context.Context, sql string) (driver.Stmt, error) {
	t := c.texts.get(sql)
	switch len(t.statements) {
	case 0:
		return nil, usage("there is no statement to prepare")
	case 1:
	default:
		return nil, usage("one statement can be prepared; this text has %d", len(t.statements))
	}
	if t.mayPrepare() {
		asRead := *newText("SELECT 1")
		err := c.attempt(ctx, &asRead, func(deadline time.Time) error {
			return c.prepare(ctx, deadline, t, true)
		})
		if err != nil {
			return nil, err
		}
	}
	return &stmt{c, t}, nil
}

func (c *conn) ExecContext(ctx context.Context, sql string, arguments []driver.NamedValue) (
	driver.Result, error) {
	answer, err := c.exec(ctx, c.texts.get(sql), arguments)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (c *conn) QueryContext(ctx context.Context, sql string, arguments []driver.NamedValue) (
	driver.Rows, error) {
	return c.query(ctx, c.texts.get(sql), arguments)
}

func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// Ping asks the leader for a row.
func (c *conn) Ping(ctx context.Context) error {
	found, err := c.query(ctx, c.texts.get("SELECT 1"), nil)
	if err != nil {
		return err
	}
	return found.Close()
}

// ResetSession is asked before the connection is used again. Nothing has been sent then, so a
// connection that the node has closed, or to a node that leads no more, is simply replaced.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.link == nil {
		return nil
	}
	if !c.link.Healthy() || !c.cluster().Leads(c.link.Address()) || c.cluster().Refresh(ctx, c.link) != nil {
		c.drop()
	}
	return nil
}

// IsValid: a transaction that was left open ends with its connection.
func (c *conn) IsValid() bool { return !c.tx.open && c.rows == nil }

// CheckNamedValue leaves conversions to database/sql, which knows Valuers.
func (c *conn) CheckNamedValue(value *driver.NamedValue) error {
	switch value.Value.(type) {
	case nil, int64, float64, bool, string, []byte, time.Time:
		return nil
	}
	return driver.ErrSkip
}

var (
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.StmtExecContext    = (*stmt)(nil)
	_ driver.StmtQueryContext   = (*stmt)(nil)
)
