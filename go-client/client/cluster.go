// Package client finds the leader of a cluster, and administers clusters.
package client

import (
	"context"
	"errors"
	"math/rand"
	"net"
	"strings"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/internal/rules"
	"github.com/quorlite/quorlite/go-client/internal/sqltext"
	"github.com/quorlite/quorlite/go-client/wire"
)

// Config says how nodes are reached. The zero value of each field means its default.
type Config struct {
	// Dial connects to a node: over TCP by default.
	Dial DialFunc
	// Timeout is for a whole operation whose context has no deadline, reconnecting and retrying
	// included: 30 s. There is no way to wait for ever.
	Timeout time.Duration
	// ConnectTimeout is for one node to accept a connection and to say who leads: 3 s.
	ConnectTimeout time.Duration
	// InterruptTimeout is how long a cancelled statement is waited for before its connection is
	// given up: 2 s.
	InterruptTimeout time.Duration
	// Probes is how many nodes are asked for the leader at the same time: 3.
	Probes int
	// RefreshInterval is how often the list of nodes is read from the cluster: 30 s.
	RefreshInterval time.Duration
	// The pause before a retry doubles from the first to the second, with jitter: 5 and 500 ms.
	PauseMin, PauseMax time.Duration
	// Log gets one line for whatever goes wrong and is dealt with; nothing is logged by default.
	Log func(line string)
}

// dialDefault reaches nodes over TCP, or over a Unix socket if the address begins with @.
func dialDefault(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(address, "@") {
		network = "unix"
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

func orDefault(value *time.Duration, otherwise time.Duration) {
	if *value <= 0 {
		*value = otherwise
	}
}

func (c Config) withDefaults() Config {
	if c.Dial == nil {
		c.Dial = dialDefault
	}
	orDefault(&c.Timeout, 30*time.Second)
	orDefault(&c.ConnectTimeout, 3*time.Second)
	orDefault(&c.InterruptTimeout, 2*time.Second)
	orDefault(&c.RefreshInterval, 30*time.Second)
	orDefault(&c.PauseMin, 5*time.Millisecond)
	orDefault(&c.PauseMax, 500*time.Millisecond)
	if c.Probes <= 0 {
		c.Probes = 3
	}
	if c.Log == nil {
		c.Log = func(string) {}
	}
	return c
}

// Cluster is a cluster as a client sees it: a list of nodes, one of which leads. It may be used by
// several goroutines.
type Cluster struct {
	config    Config
	store     NodeStore
	directory directory
}

// NewCluster makes a Cluster of the nodes in the store. No node is contacted yet.
func NewCluster(store NodeStore, config Config) *Cluster {
	return &Cluster{config: config.withDefaults(), store: store}
}

// Config is the configuration, with its defaults filled in.
func (c *Cluster) Config() Config { return c.config }

// DeadlineOf is the deadline of an operation that begins now.
func (c *Cluster) DeadlineOf(ctx context.Context) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	return time.Now().Add(c.config.Timeout)
}

// Connect gives a connection to the node that leads, and waits, within the deadline, while there is
// none.
func (c *Cluster) Connect(ctx context.Context, deadline time.Time) (*Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	backoff := c.Backoff()
	const nothing = "the list of nodes is empty"
	story := nothing
	if c.directory.empty() {
		c.loadStore(ctx)
	}
	for {
		conn, said, strangers := c.search(ctx)
		if strangers != nil {
			return nil, strangers
		}
		if conn != nil {
			err := c.Refresh(ctx, conn)
			if err == nil {
				return conn, nil
			}
			_ = conn.Close() // it is broken
			said = conn.Address() + ": " + err.Error()
		}
		// What the nodes say once the time is over is no reason for anything.
		if said != "" && (story == nothing || ctx.Err() == nil) {
			story = said
		}
		if err := Sleep(ctx, backoff.Next(rand.Int63())); err != nil {
			return nil, noLeader(err, story)
		}
		c.loadStore(ctx)
	}
}

func noLeader(cause error, story string) error {
	kind := quorlite.Unavailable
	if errors.Is(cause, context.Canceled) {
		kind = quorlite.Cancelled
	}
	return &quorlite.Error{Kind: kind, ExtendedCode: quorlite.CodeCannotOpen, MayRetry: true,
		Message: "no leader could be reached in time: " + story, Cause: cause}
}

func (c *Cluster) loadStore(ctx context.Context) {
	nodes, err := c.store.Get(ctx)
	if err != nil {
		c.config.Log(err.Error())
	}
	c.directory.merge(nodes)
}

// Backoff gives the pauses between attempts. For package driver.
func (c *Cluster) Backoff() rules.Backoff {
	return rules.Backoff{Min: c.config.PauseMin, Max: c.config.PauseMax}
}

// Sleep waits, unless the context ends before. For package driver.
func Sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}

// Leads tells whether, as far as is known, the node at the address leads.
func (c *Cluster) Leads(address string) bool {
	leader := c.directory.currentLeader()
	return leader == "" || leader == address
}

// Lost says that the node at the address turned out not to lead.
func (c *Cluster) Lost(address string) { c.directory.lostLeader(address) }

// Refresh reads the list of nodes from the cluster, if that is due. After an error the connection is
// of no use any more.
func (c *Cluster) Refresh(ctx context.Context, conn *Conn) error {
	if !c.directory.refreshDue(time.Now(), c.config.RefreshInterval) {
		return nil
	}
	deadline := time.Now().Add(c.config.ConnectTimeout)
	response, err := conn.Call(ctx, deadline, wire.Cluster{Format: 1}, wire.Asked{ClusterFormat: 1})
	servers, ok := response.(wire.Servers)
	if err != nil || !ok {
		return err // a node that only refuses may still be asked for other things
	}
	nodes := nodesOf(servers)
	if !c.directory.update(nodes) {
		return nil
	}
	if err := c.store.Set(ctx, c.directory.list()); err != nil {
		c.config.Log(err.Error())
	}
	return nil
}

func nodesOf(servers wire.Servers) []NodeInfo {
	nodes := make([]NodeInfo, 0, len(servers.Nodes))
	for _, node := range servers.Nodes {
		nodes = append(nodes, NodeInfo{ID: node.ID, Address: node.Address, Role: Role(node.Role)})
	}
	return nodes
}

// Leader gives a Client of the node that leads.
func (c *Cluster) Leader(ctx context.Context) (*Client, error) {
	conn, err := c.Connect(ctx, c.DeadlineOf(ctx))
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, config: c.config}, nil
}

// Nodes gives the members, as the leader knows them.
func (c *Cluster) Nodes(ctx context.Context) (nodes []NodeInfo, err error) {
	err = c.onLeader(ctx, func(leader *Client) (err error) {
		nodes, err = leader.Cluster(ctx)
		return err
	})
	return nodes, err
}

// Add makes a node a member of the cluster, with its role. If that fails after the node was added,
// it is a spare.
func (c *Cluster) Add(ctx context.Context, node NodeInfo) error {
	return c.onLeader(ctx, func(leader *Client) error { return leader.Add(ctx, node) })
}

// Assign gives a member another role.
func (c *Cluster) Assign(ctx context.Context, id uint64, role Role) error {
	return c.onLeader(ctx, func(leader *Client) error { return leader.Assign(ctx, id, role) })
}

// Remove ends a membership.
func (c *Cluster) Remove(ctx context.Context, id uint64) error {
	return c.onLeader(ctx, func(leader *Client) error { return leader.Remove(ctx, id) })
}

// Transfer makes another node lead; 0 lets the cluster choose one.
func (c *Cluster) Transfer(ctx context.Context, id uint64) error {
	return c.onLeader(ctx, func(leader *Client) error { return leader.Transfer(ctx, id) })
}

// onLeader tries again, within the deadline, what certainly had no effect and may have one later.
func (c *Cluster) onLeader(ctx context.Context, do func(*Client) error) error {
	ctx, cancel := context.WithDeadline(ctx, c.DeadlineOf(ctx))
	defer cancel()
	backoff := c.Backoff()
	for {
		leader, err := c.Leader(ctx)
		if err != nil {
			return err
		}
		err = do(leader)
		_ = leader.Close() // of a connection that was read to the end or is broken
		var failure *quorlite.Error
		again := errors.As(err, &failure) && rules.MayRerun(failure, quorlite.IsIdempotent(ctx))
		if !again {
			return err
		}
		if failure.Kind != quorlite.Busy {
			c.Lost(failure.Node)
		}
		if Sleep(ctx, backoff.Next(rand.Int63())) != nil {
			return err
		}
	}
}

// retryContext of a request that administers: outside of any transaction.
func retryContext(ctx context.Context, changes bool) rules.RetryContext {
	rc := rules.RetryContext{Effect: sqltext.Read, Idempotent: quorlite.IsIdempotent(ctx)}
	if changes {
		rc.Effect = sqltext.Write
	}
	return rc
}
