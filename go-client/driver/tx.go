package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/internal/rules"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
)

// transaction is what a connection knows of the one that is open, whether database/sql began it or
// the text of a statement.
type transaction struct {
	open       bool
	began      bool     // by BEGIN, not by a savepoint
	savepoints []string // open ones, the outermost first
	// lost is why it ended without being asked to: until it is rolled back every statement fails,
	// or it would be executed outside of a transaction.
	lost *quorlite.Error
}

func (tx *transaction) lostError() error {
	lost := *tx.lost
	lost.Message = "the transaction was lost: " + lost.Message
	return &lost
}

// standing is what a statement would mean where the transaction stands now.
func (tx *transaction) standing(s sqltext.Statement) sqltext.Effect {
	switch s.Effect {
	case sqltext.Savepoint:
		if !tx.open {
			return sqltext.Begin
		}
		return sqltext.Write
	case sqltext.Release:
		if tx.open && !tx.began && len(tx.savepoints) > 0 && tx.savepoints[0] == s.Savepoint {
			return sqltext.Commit
		}
		return sqltext.Write
	case sqltext.RollbackTo:
		return sqltext.Write
	}
	return s.Effect
}

// follow: the server has executed the text.
func (tx *transaction) follow(t *text) {
	for _, s := range t.statements {
		if !s.Effect.Controls() {
			continue
		}
		switch tx.standing(s) {
		case sqltext.Commit, sqltext.Rollback:
			*tx = transaction{}
			continue
		case sqltext.Begin:
			tx.open, tx.began = true, s.Effect == sqltext.Begin
		}
		tx.followSavepoint(s)
	}
}

func (tx *transaction) followSavepoint(s sqltext.Statement) {
	if s.Effect == sqltext.Savepoint {
		tx.savepoints = append(tx.savepoints, s.Savepoint)
		return
	}
	for i := len(tx.savepoints) - 1; i >= 0 && s.Savepoint != ""; i-- {
		if tx.savepoints[i] != s.Savepoint {
			continue
		}
		if s.Effect == sqltext.Release {
			tx.savepoints = tx.savepoints[:i]
		} else {
			tx.savepoints = tx.savepoints[:i+1]
		}
		return
	}
}

// All connections share these: nothing writes to a text that is never prepared.
var (
	beginDeferred  = newText("BEGIN")
	beginImmediate = newText("BEGIN IMMEDIATE")
	beginReadOnly  = readOnlyText()
	endReadOnly    = newText("PRAGMA query_only = 0")
	commitText     = newText("COMMIT")
	rollbackText   = newText("ROLLBACK")
)

// readOnlyText is two statements which, like BEGIN alone, may be repeated.
func readOnlyText() *text {
	t := newText("PRAGMA query_only = 1; BEGIN")
	t.effect, t.statements = sqltext.Begin, t.statements[1:]
	return t
}

// BeginTx: every isolation level that SQLite can be asked for is met, as all its transactions are
// serializable. Serializable and Linearizable take the write lock at once, so that no statement
// finds its snapshot stale.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	begin := beginDeferred
	switch level := sql.IsolationLevel(options.Isolation); level {
	case sql.LevelDefault:
		if c.connector.config.BeginImmediate {
			begin = beginImmediate
		}
	case sql.LevelSerializable, sql.LevelLinearizable:
		begin = beginImmediate
	case sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelWriteCommitted,
		sql.LevelRepeatableRead, sql.LevelSnapshot:
	default:
		return nil, usage("there is no isolation level %v", level)
	}
	if options.ReadOnly {
		begin = beginReadOnly
	}
	if _, err := c.exec(ctx, begin, nil); err != nil {
		if options.ReadOnly {
			c.drop() // it may have become read-only
		}
		return nil, err
	}
	return &tx{c, ctx, options.ReadOnly}, nil
}

// tx ends under the deadline of the context that it was begun with.
type tx struct {
	c        *conn
	ctx      context.Context
	readOnly bool
}

// Commit: after an error of it the transaction is over as well.
func (t *tx) Commit() error {
	_, err := t.c.exec(t.ctx, commitText, nil)
	if err != nil {
		t.c.rollBack()
	}
	t.c.endReadOnly(t.readOnly)
	return err
}

func (t *tx) Rollback() error {
	t.c.rollBack()
	t.c.endReadOnly(t.readOnly)
	return nil
}

// rollBack ends the transaction in any case: with its connection if there is no other way.
func (c *conn) rollBack() {
	if !c.tx.open {
		return
	}
	c.tx.lost = nil
	if c.link != nil {
		ctx, cancel := context.WithTimeout(context.Background(),
			c.cluster().Config().InterruptTimeout)
		defer cancel()
		if _, err := c.exec(ctx, rollbackText, nil); err != nil {
			c.drop()
		}
	}
	c.tx = transaction{}
}

func (c *conn) endReadOnly(was bool) {
	if !was || c.link == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.cluster().Config().InterruptTimeout)
	defer cancel()
	if _, err := c.exec(ctx, endReadOnly, nil); err != nil {
		c.drop()
	}
}

// Beginner is what RunTx needs of a *sql.DB or a *sql.Conn.
type Beginner interface {
	BeginTx(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error)
}

const (
	runTimeout  = 30 * time.Second
	runPauseMin = 5 * time.Millisecond
	runPauseMax = 500 * time.Millisecond
)

// RunTx runs fn in a transaction and commits it. If the transaction certainly had no effect and may
// succeed when it is run again (the leader changed, another transaction was in the way) all of it is
// run again, within the deadline of ctx or for 30 s. So fn must do nothing that matters outside of
// the transaction. An error of fn rolls back and is returned.
//
// If nobody can know whether the transaction was committed, the error's verdict is
// quorlite.InDoubt; under quorlite.Idempotent(ctx) it is run again instead.
//
// The write lock is taken at the begin; see RunTxWith for read-only transactions and others.
func RunTx(ctx context.Context, db Beginner, fn func(tx *sql.Tx) error) error {
	return RunTxWith(ctx, db, &sql.TxOptions{Isolation: sql.LevelSerializable}, fn)
}

// RunTxWith is RunTx for transactions of other kinds.
func RunTxWith(ctx context.Context, db Beginner, options *sql.TxOptions,
	fn func(tx *sql.Tx) error) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, runTimeout)
		defer cancel()
	}
	backoff := rules.Backoff{Min: runPauseMin, Max: runPauseMax}
	doubt, losses := false, 0
	for {
		err := runOnce(ctx, db, options, fn)
		var failure *quorlite.Error
		again := errors.Is(err, driver.ErrBadConn)
		if errors.As(err, &failure) {
			again = rules.MayRerun(failure, quorlite.IsIdempotent(ctx))
			doubt = doubt || failure.Verdict() == quorlite.InDoubt
			if failure.Kind == quorlite.Connection {
				losses++ // it may be the transaction that breaks whatever executes it
			}
		}
		if losses == lossesMax || !again || client.Sleep(ctx, backoff.Next(rand.Int63())) != nil {
			if failure != nil && doubt {
				failure.Outcome = quorlite.InDoubt
			}
			return err
		}
	}
}

func runOnce(ctx context.Context, db Beginner, options *sql.TxOptions,
	fn func(tx *sql.Tx) error) (err error) {
	tx, err := db.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	over := false
	defer func() { // also if fn panics
		if !over {
			_ = tx.Rollback() // what is reported is why
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	over = true
	return tx.Commit()
}
