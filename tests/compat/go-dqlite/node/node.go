// Package dqlite stands in for go-dqlite's package of that name, of which it has what go-dqlite's own
// tests of its driver and client use to run a node: here a process of the program that $QUORLITED names.
//
// Node 1 begins a cluster when it starts for the first time. Any other node waits until a client has
// added it, as dqlite's nodes do, and only then runs. A node that is closed is killed: dqlite's do not
// hand their leadership over, ours would.
package dqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/canonical/go-dqlite/v3/client"
)

const (
	patience     = 45 * time.Second
	pollInterval = 10 * time.Millisecond
)

// Where the cluster that was begun last can be joined. The tests run one after the other.
var first string

// Option is there for WithBindAddress, the one option that the tests use.
type Option func(*Node)

// WithBindAddress binds what is the node's address anyway.
func WithBindAddress(string) Option { return func(*Node) {} }

// Node is a node that is started, or about to be.
type Node struct {
	id      uint64
	address string
	dir     string
	stop    context.CancelFunc // of waiting to be added
	waited  chan struct{}      // closed when nobody waits any more
	process *exec.Cmd          // nil until it runs; may be read once `waited` is closed
}

// New is a node that has not been started. It is new if its directory is empty.
func New(id uint64, address, dir string, options ...Option) (*Node, error) {
	n := &Node{id: id, address: address, dir: dir}
	for _, option := range options {
		option(n)
	}
	if id == 1 {
		first = address
	}
	return n, nil
}

// BindAddress is the node's address.
func (n *Node) BindAddress() string { return n.address }

// Start runs the node, or begins to wait for its being added.
func (n *Node) Start() error {
	files, err := os.ReadDir(n.dir)
	if err != nil {
		return err
	}
	isNew := len(files) == 0
	ctx, stop := context.WithCancel(context.Background())
	n.stop, n.waited = stop, make(chan struct{})
	if isNew && n.id != 1 {
		go func(cluster string) {
			defer close(n.waited)
			if n.added(ctx, cluster) {
				n.run("--join", cluster)
			}
		}(first)
		return nil
	}
	defer close(n.waited)
	n.run("--bootstrap") // of no effect where a node restarts
	return n.ready(isNew)
}

func (n *Node) run(arguments ...string) {
	arguments = append([]string{"--id", strconv.FormatUint(n.id, 10), "--address", n.address,
		"--dir", n.dir, "--log-level", "error"}, arguments...)
	process := exec.Command(os.Getenv("QUORLITED"), arguments...)
	process.Stdout, process.Stderr = os.Stderr, os.Stderr
	if err := process.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "QUORLITED:", err) // whoever needs the node fails
		return
	}
	n.process = process
}

// added waits until the node is a member.
func (n *Node) added(ctx context.Context, cluster string) bool {
	for ; ctx.Err() == nil; time.Sleep(pollInterval) {
		direct, err := client.New(ctx, cluster)
		if err != nil {
			continue
		}
		members, _ := direct.Cluster(ctx) // asked again if it fails
		direct.Close()
		for _, member := range members {
			if member.ID == n.id {
				return true
			}
		}
	}
	return false
}

// ready waits until the node answers, or until it leads.
func (n *Node) ready(leads bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(pollInterval) {
		direct, err := client.New(ctx, n.address)
		if err != nil {
			continue
		}
		leader, err := direct.Leader(ctx)
		direct.Close()
		if err == nil && (!leads || leader != nil && leader.ID == n.id) {
			return nil
		}
	}
	return fmt.Errorf("node %d is not ready after %v", n.id, patience)
}

// Close ends the node.
func (n *Node) Close() error {
	n.stop()
	<-n.waited
	if n.process == nil {
		return nil
	}
	if err := n.process.Process.Kill(); err != nil {
		return err
	}
	_ = n.process.Wait() // that it was killed
	return nil
}

// AwaitLeader waits until the node leads. The test of TRANSFER asks a moment too early: our nodes say
// that they lead once they serve.
func (n *Node) AwaitLeader() {
	_ = n.ready(true) // the test finds out
}

// What the tests of dqlite's own files on disk use. They are skipped, but compiled.

// LastEntryInfo is the last entry of a log.
type LastEntryInfo struct{ Term, Index uint64 }

var errDqliteOnly = errors.New("of dqlite's directories only")

// ReadLastEntryInfo reads a directory of dqlite.
func ReadLastEntryInfo(string) (LastEntryInfo, error) { return LastEntryInfo{}, errDqliteOnly }

// ReconfigureMembershipExt writes into a directory of dqlite.
func ReconfigureMembershipExt(string, []client.NodeInfo) error { return errDqliteOnly }
