package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/internal/rules"
	"github.com/quorlite/quorlite/go-client/wire"
)

// Client administers one node, and through it, if it leads, the cluster. It retries nothing; the
// methods of Cluster do. It may not be used by several goroutines at a time.
type Client struct {
	conn   *Conn
	config Config
}

// Connect gives a Client of this very node, whether it leads or not.
func Connect(ctx context.Context, address string, config Config) (*Client, error) {
	config = config.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	conn, err := Dial(ctx, config.Dial, address)
	if err != nil {
		return nil, Classify(err, retryContext(ctx, false), address).Error
	}
	return &Client{conn: conn, config: config}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Address is that of the node, as it was dialled.
func (c *Client) Address() string { return c.conn.Address() }

// Classify says what an error of Conn, or of encoding a request, means. For package driver.
func Classify(err error, rc rules.RetryContext, node string) rules.RetryDecision {
	var decision rules.RetryDecision
	var broken *BrokenError
	var failed *FailedError
	var known *quorlite.Error
	switch {
	case errors.As(err, &known):
		return rules.RetryDecision{Error: known}
	case errors.As(err, &failed):
		decision = rules.ClassifyFailure(failed.Failure, rc)
	case !errors.As(err, &broken): // it could not be encoded
		decision.Error = &quorlite.Error{Kind: quorlite.Usage, ExtendedCode: quorlite.CodeMisuse,
			Message: err.Error(), Cause: err}
	case broken.Garbage:
		decision = rules.ClassifyLoss(broken.Sent, quorlite.Protocol, err, rc)
	case broken.TimedOut:
		kind := quorlite.Deadline
		if errors.Is(err, context.Canceled) {
			kind = quorlite.Cancelled
		}
		decision = ClassifyTimeout(broken, kind, err, rc)
	default:
		decision = rules.ClassifyLoss(broken.Sent, quorlite.Connection, err, rc)
	}
	decision.Error.Node = node
	return decision
}

// ClassifyTimeout says what it means that the time was over. For package driver.
func ClassifyTimeout(broken *BrokenError, kind quorlite.Kind, cause error,
	rc rules.RetryContext) rules.RetryDecision {
	progress := rules.NotSent
	if broken.Sent {
		progress = rules.Unanswered
	}
	decision := rules.ClassifyAbandoned(progress, kind, cause, rc)
	// A part of a message may have been sent.
	decision.Leave, decision.TransactionGone = true, rc.InTransaction
	return decision
}

// FailedError is a Failure that the server answered.
type FailedError struct{ Failure wire.Failure }

func (e *FailedError) Error() string {
	return fmt.Sprintf("%s (code %d)", e.Failure.Message, e.Failure.Code)
}

func (c *Client) deadline(ctx context.Context) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	return time.Now().Add(c.config.Timeout)
}

// call makes one request, whose answer is to be a T.
func call[T wire.Response](ctx context.Context, c *Client, request wire.Request, changes bool) (
	answer T, err error) {
	asked := wire.Asked{}
	if cluster, ok := request.(wire.Cluster); ok {
		asked.ClusterFormat = cluster.Format
	}
	response, err := c.conn.Call(ctx, c.deadline(ctx), request, asked)
	answer, ok := response.(T)
	if failure, failed := response.(wire.Failure); failed {
		err = &FailedError{failure}
	} else if err == nil && !ok {
		err = c.conn.garbage("a %T was answered to a %T", response, request)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = withCause(err, ctx.Err())
		}
		return answer, Classify(err, retryContext(ctx, changes), c.Address()).Error
	}
	return answer, nil
}

// withCause lets a BrokenError say which end of the context it was.
func withCause(err, cause error) error {
	var broken *BrokenError
	if errors.As(err, &broken) && broken.TimedOut {
		return &BrokenError{Sent: broken.Sent, TimedOut: true, Err: cause}
	}
	return err
}

// Leader says who leads, as far as the node knows: the zero NodeInfo if it knows of nobody.
func (c *Client) Leader(ctx context.Context) (NodeInfo, error) {
	server, err := call[wire.Server](ctx, c, wire.Leader{}, false)
	return NodeInfo{ID: server.ID, Address: server.Address}, err
}

// Cluster gives the members, as the node knows them.
func (c *Client) Cluster(ctx context.Context) ([]NodeInfo, error) {
	servers, err := call[wire.Servers](ctx, c, wire.Cluster{Format: 1}, false)
	return nodesOf(servers), err
}

// Metadata describes a node.
type Metadata struct{ FailureDomain, Weight uint64 }

// Describe gives the failure domain and the weight of the node.
func (c *Client) Describe(ctx context.Context) (Metadata, error) {
	metadata, err := call[wire.Metadata](ctx, c, wire.Describe{}, false)
	return Metadata(metadata), err
}

// Weight sets the weight of the node.
func (c *Client) Weight(ctx context.Context, weight uint64) error {
	_, err := call[wire.Empty](ctx, c, wire.Weight{Weight: weight}, true)
	return err
}

// Add makes a node a member of the cluster, with its role. If giving it the role fails, it is a
// spare.
func (c *Client) Add(ctx context.Context, node NodeInfo) error {
	if !isAddress(node.Address, true) {
		return &quorlite.Error{Kind: quorlite.Usage, ExtendedCode: quorlite.CodeMisuse,
			Message: strconv.Quote(node.Address) + " is not HOST:PORT in printable letters"}
	}
	_, err := call[wire.Empty](ctx, c, wire.Add{ID: node.ID, Address: node.Address}, true)
	if err != nil || node.Role == Spare {
		return err
	}
	return c.Assign(ctx, node.ID, node.Role)
}

// Assign gives a member a role. Making it a voter takes until it has caught up.
func (c *Client) Assign(ctx context.Context, id uint64, role Role) error {
	_, err := call[wire.Empty](ctx, c, wire.Assign{ID: id, Role: uint64(role)}, true)
	return err
}

// Remove ends a membership.
func (c *Client) Remove(ctx context.Context, id uint64) error {
	_, err := call[wire.Empty](ctx, c, wire.Remove{ID: id}, true)
	return err
}

// Transfer makes another node lead; 0 lets the cluster choose one.
func (c *Client) Transfer(ctx context.Context, id uint64) error {
	_, err := call[wire.Empty](ctx, c, wire.Transfer{ID: id}, true)
	return err
}
