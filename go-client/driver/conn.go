package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/internal/rules"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

// Whoever is in the way of a statement is so for one transaction, not for an election: to wait longer
// for its end would leave the database idle.
const busyPauseMax = 20 * time.Millisecond

// nodeBusyTimeout is how long a node waits for a lock unless it is told otherwise.
const nodeBusyTimeout = 5 * time.Second

// conn is a connection of database/sql: always to the leader, which may be one node now and another
// one later. database/sql uses it from one goroutine at a time.
type conn struct {
	connector *Connector
	link      *client.Conn // nil: to be connected
	texts     *texts
	tx        transaction
	rows      *rows // whose messages have not all been read, or whose rows lie in link's buffer
	values    []wire.Value
	preparing bool // what is on its way only prepares
	owed      int  // answers to FINALIZE that come first
}

func (c *conn) cluster() *client.Cluster { return c.connector.cluster }

func (c *conn) Close() error {
	if c.link == nil {
		return nil
	}
	return c.link.Close()
}

// drop gives the link up. With it goes whatever the session had.
func (c *conn) drop() {
	if c.link == nil {
		return
	}
	_ = c.link.Close()
	c.link = nil
	c.texts.forget()
	if c.rows != nil {
		c.rows.cut(&quorlite.Error{Kind: quorlite.Connection, ExtendedCode: quorlite.CodeIO,
			Message: "the connection was given up before all rows were read", MayRetry: true})
	}
}

func (c *conn) connect(ctx context.Context, deadline time.Time) error {
	link, err := c.cluster().Connect(ctx, deadline)
	if err != nil {
		return err
	}
	open := wire.Open{Name: c.connector.name, VFS: "volatile"}
	response, err := link.Call(ctx, deadline, open, wire.Asked{})
	switch response := response.(type) {
	case wire.DB:
		if err = c.limitWaiting(ctx, deadline, link); err != nil {
			break
		}
		c.link = link
		c.owed = 0
		return nil
	case wire.Failure:
		err = &client.FailedError{Failure: response}
	case nil:
	default:
		err = &client.BrokenError{Garbage: true, Err: fmt.Errorf("%T answers OPEN", response)}
	}
	c.cluster().Lost(link.Address())
	_ = link.Close()
	return err
}

// limitWaiting: a node would wait for a lock for longer than is wanted. What dqlite says to it is no
// matter.
func (c *conn) limitWaiting(ctx context.Context, deadline time.Time, link *client.Conn) error {
	if c.connector.config.BusyTimeout >= nodeBusyTimeout {
		return nil
	}
	pragma := fmt.Sprintf("PRAGMA busy_timeout = %d", c.connector.config.BusyTimeout.Milliseconds())
	_, err := link.Call(ctx, deadline, wire.ExecSQL{SQL: pragma}, wire.Asked{})
	return err
}

func (c *conn) retryContext(ctx context.Context, t *text) rules.RetryContext {
	rc := rules.RetryContext{Effect: t.effect, InTransaction: c.tx.open, Several: t.several(),
		Idempotent: quorlite.IsIdempotent(ctx)}
	if !t.several() && len(t.statements) == 1 {
		rc.Effect = c.tx.standing(t.statements[0])
	}
	return rc
}

// attempt does what the text says, again and again as the rules allow. An attempt that failed and is
// not repeated returns a *quorlite.Error.
func (c *conn) attempt(ctx context.Context, t *text, once func(deadline time.Time) error) error {
	rc := c.retryContext(ctx, t)
	if err := ctx.Err(); err != nil {
		return rules.ClassifyAbandoned(rules.NotSent, kindOf(err), err, rc).Error
	}
	if c.tx.lost != nil {
		return c.tx.lostError()
	}
	if err := c.holdRows(); err != nil {
		return err
	}
	start := time.Now()
	deadline, hasDeadline := ctx.Deadline()
	if !hasDeadline {
		deadline = start.Add(c.cluster().Config().Timeout)
	}
	backoff := c.cluster().Backoff()
	busy := rules.Backoff{Min: backoff.Min, Max: busyPauseMax}
	doubt, losses := false, 0
	for {
		err := c.once(ctx, deadline, once)
		if err == nil {
			return nil
		}
		decision := c.classify(ctx, err, rc)
		if decision.Probe {
			decision = c.probe(ctx, deadline, rc, decision)
		}
		doubt = doubt || decision.Error.Verdict() == quorlite.InDoubt
		if doubt {
			decision.Error.Outcome = quorlite.InDoubt
		}
		if c.lost(err) {
			if losses++; losses == lossesMax {
				decision = notAgain(decision)
			}
		}
		c.apply(t, decision)
		until, pause := deadline, backoff.Next(rand.Int63())
		if decision.Action == rules.Wait {
			until = earlier(deadline, start.Add(c.connector.config.BusyTimeout))
			pause = busy.Next(rand.Int63())
		}
		over := time.Now().Add(pause).After(until)
		if decision.Action == rules.Report || over || client.Sleep(ctx, pause) != nil {
			return decision.Error
		}
	}
}

// lossesMax: a statement during which the connection broke so often may be what broke it, and must not
// go round the cluster.
const lossesMax = 2

// lost tells whether the connection broke after the statement had left.
func (c *conn) lost(err error) bool {
	var broken *client.BrokenError
	return errors.As(err, &broken) && broken.Sent && !broken.TimedOut && !c.preparing
}

func notAgain(decision rules.RetryDecision) rules.RetryDecision {
	decision.Action, decision.Error.MayRetry = rules.Report, false
	decision.Error.Message += fmt.Sprintf(". The connection broke %d times during this statement, "+
		"which may be the reason: it is not sent again", lossesMax)
	return decision
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func kindOf(err error) quorlite.Kind {
	if errors.Is(err, context.Canceled) {
		return quorlite.Cancelled
	}
	return quorlite.Deadline
}

func (c *conn) once(ctx context.Context, deadline time.Time, do func(time.Time) error) error {
	c.preparing = false
	if c.link == nil && c.tx.open {
		return &quorlite.Error{Kind: quorlite.Connection, ExtendedCode: quorlite.CodeIO,
			Message: "the connection of the transaction is gone", MayRetry: true}
	}
	if c.link == nil {
		c.preparing = true // nothing that matters has been sent
		if err := c.connect(ctx, deadline); err != nil {
			return err
		}
		c.preparing = false
	}
	return do(deadline)
}

// stoppedError is a statement that is not waited for any more. Confirmed: the node says that it was
// stopped; otherwise it may still be running.
type stoppedError struct{ confirmed bool }

func (e *stoppedError) Error() string { return "stopped" }

// classify says what an error means.
func (c *conn) classify(ctx context.Context, err error, rc rules.RetryContext) rules.RetryDecision {
	if c.preparing {
		rc.Effect, rc.Several = sqltext.Read, false
	}
	node := ""
	if c.link != nil {
		node = c.link.Address()
	}
	cause := ctx.Err()
	if cause == nil {
		cause = context.DeadlineExceeded
	}
	var decision rules.RetryDecision
	var broken *client.BrokenError
	var stopped *stoppedError
	switch {
	case errors.As(err, &stopped):
		progress := rules.Unanswered
		if stopped.confirmed {
			progress = rules.Stopped
		}
		decision = rules.ClassifyAbandoned(progress, kindOf(cause), cause, rc)
	case errors.As(err, &broken) && broken.TimedOut:
		decision = client.ClassifyTimeout(broken, kindOf(cause), cause, rc)
	default:
		return client.Classify(err, rc, node)
	}
	decision.Error.Node = node
	return decision
}

// interrupt stops a statement whose answer is late, and gives the answer if there was one all the
// same. Any other error is given back.
func (c *conn) interrupt(err error) (wire.Response, error) {
	var broken *client.BrokenError
	if !errors.As(err, &broken) || !broken.TimedOut || !broken.Sent || c.owed > 0 {
		return nil, err
	}
	last, failed := c.link.Interrupt(c.cluster().Config().InterruptTimeout)
	if failed != nil {
		return nil, &stoppedError{confirmed: false}
	}
	if failure, ok := last.(wire.Failure); ok && failure.Code != quorlite.CodeInterrupted {
		return nil, &client.FailedError{Failure: failure}
	}
	if answer, ok := last.(wire.Result); ok {
		return answer, nil
	}
	return nil, &stoppedError{confirmed: true}
}

// probe finds out whether the transaction is still open after a conflict. BEGIN is refused inside of
// one; if it is not, the new transaction stands in for the lost one until that is rolled back.
func (c *conn) probe(ctx context.Context, deadline time.Time, rc rules.RetryContext,
	conflict rules.RetryDecision) rules.RetryDecision {
	_, err := c.execOnce(ctx, deadline, beginDeferred, nil)
	var refused *client.FailedError
	switch {
	case err == nil:
		conflict.TransactionGone = true
	case !errors.As(err, &refused) || refused.Failure.Code != quorlite.CodeError:
		return c.classify(ctx, err, rc)
	}
	return conflict
}

// apply does what the decision says about the connection and the transaction.
func (c *conn) apply(t *text, decision rules.RetryDecision) {
	if decision.Leave {
		if c.link != nil {
			c.cluster().Lost(c.link.Address())
		}
		c.drop()
	} else if t.several() && t.controls() {
		c.drop() // nobody knows how far it came
		decision.TransactionGone = c.tx.open
	}
	if decision.TransactionGone && c.tx.open {
		c.tx.lost = decision.Error
	}
}

// send begins an exchange with what the node may forget and the request.
func (c *conn) send(ctx context.Context, deadline time.Time, request wire.Request) error {
	c.link.Begin(ctx, deadline)
	for _, id := range c.texts.dropped {
		if err := c.link.Append(wire.Finalize{Stmt: id}); err != nil {
			return err
		}
	}
	if err := c.link.Append(request); err != nil {
		c.link.Discard()
		return err
	}
	c.owed, c.texts.dropped = len(c.texts.dropped), nil
	return c.link.Flush()
}

// receive gives the answer to the request; a Failure is an error.
func (c *conn) receive(want wire.ResponseType) (wire.Header, []byte, error) {
	for {
		h, body, err := c.link.Receive()
		if err != nil {
			return h, nil, err
		}
		switch got := wire.ResponseType(h.Type); {
		case c.owed > 0 && (got == wire.TypeEmpty || got == wire.TypeFailure):
			c.owed--
		case got == want:
			return h, body, nil
		case got == wire.TypeFailure:
			response, err := wire.DecodeResponse(h, body, wire.Asked{})
			if err != nil {
				return h, nil, c.garbage(err)
			}
			return h, nil, &client.FailedError{Failure: response.(wire.Failure)}
		default:
			return h, nil, c.garbage(fmt.Errorf("a response of type %d instead of %d", h.Type, want))
		}
	}
}

func (c *conn) garbage(err error) error {
	return &client.BrokenError{Sent: true, Garbage: true, Err: err}
}

// prepare makes the node know the statement, if it comes for the second time or `at once`.
func (c *conn) prepare(ctx context.Context, deadline time.Time, t *text, atOnce bool) error {
	if t.prepared || !t.mayPrepare() || c.texts.byText[t.sql] == nil {
		return nil
	}
	if t.uses++; t.uses < 2 && !atOnce {
		return nil
	}
	c.preparing = true
	defer c.link.End()
	if err := c.send(ctx, deadline, wire.Prepare{SQL: t.sql}); err != nil {
		return err
	}
	h, body, err := c.receive(wire.TypeStmt)
	if err != nil {
		return err
	}
	response, err := wire.DecodeResponse(h, body, wire.Asked{})
	if err != nil {
		return c.garbage(err)
	}
	c.preparing = false
	c.texts.keep(t, response.(wire.Stmt).ID)
	return nil
}

type result struct {
	lastInsertID, rowsAffected int64
	yieldedRows                bool // the node answered with rows, which do not say the id
}

func resultOf(answer wire.Result) result {
	return result{lastInsertID: int64(answer.LastInsertID), rowsAffected: int64(answer.RowsAffected)}
}

func (r *result) LastInsertId() (int64, error) {
	if r.yieldedRows {
		return 0, usage("the id is not known of a statement that was executed for its rows: " +
			"query it with RETURNING")
	}
	return r.lastInsertID, nil
}

func (r *result) RowsAffected() (int64, error) { return r.rowsAffected, nil }

func (c *conn) exec(ctx context.Context, t *text, arguments []driver.NamedValue) (*result, error) {
	if c.tx.lost != nil && (t.effect == sqltext.Commit || t.effect == sqltext.Rollback) {
		return c.endLost(t)
	}
	values, err := c.bind(t, arguments)
	if err != nil {
		return nil, err
	}
	defer c.unbind()
	if t.yieldsRows() && !t.statements[0].Sets {
		return c.execRows(ctx, t, values)
	}
	var answer result
	err = c.attempt(ctx, t, func(deadline time.Time) (err error) {
		answer, err = c.execOnce(ctx, deadline, t, values)
		return err
	})
	if err != nil {
		var failure *quorlite.Error
		if errors.As(err, &failure) && failure.Kind == quorlite.SQL && t.yieldsRows() {
			return c.execRows(ctx, t, values) // a PRAGMA that answers with what it was set to
		}
		return nil, err
	}
	c.tx.follow(t)
	return &answer, nil
}

// endLost rolls back what is left of a lost transaction; to commit it is an error.
func (c *conn) endLost(t *text) (*result, error) {
	lost := c.tx.lostError()
	c.rollBack()
	if t.effect == sqltext.Commit {
		return nil, lost
	}
	return &result{}, nil
}

func (c *conn) execOnce(ctx context.Context, deadline time.Time, t *text, values []wire.Value) (
	result, error) {
	if err := c.prepare(ctx, deadline, t, false); err != nil {
		return result{}, err
	}
	defer c.endExchange()
	if err := c.send(ctx, deadline, t.request(values, false)); err != nil {
		return result{}, err
	}
	_, body, err := c.receive(wire.TypeResult)
	if err != nil {
		late, err := c.interrupt(err)
		if err != nil {
			return result{}, err
		}
		return resultOf(late.(wire.Result)), nil
	}
	answer, err := wire.DecodeResult(body)
	if err != nil {
		return result{}, c.garbage(err)
	}
	return resultOf(answer), nil
}

func (c *conn) endExchange() {
	if c.link != nil {
		c.link.End()
	}
}
