// Package compat holds the unmodified go-dqlite client and driver against three of our nodes.
//
// The server under test is the program named by $QUORLITED. With COMPAT_SERVER=dqlite the same
// tests run against Debian's dqlite 1.11.1 through the program named by $DQLITE_NODE: that is how
// the tests themselves are checked. Where 1.11 differs from what the protocol promises, a test
// names the difference with skipOnDqlite. Nothing here sleeps to wait for another process:
// everything polls, with a deadline.
package compat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v3/client"
	"github.com/canonical/go-dqlite/v3/driver"
)

const (
	// Long enough for two of dqlite's elections (3 to 6 s each) on a loaded machine.
	patience     = 45 * time.Second
	pollInterval = 20 * time.Millisecond
)

type node struct {
	id      uint64
	address string
	dir     string
	process *exec.Cmd
	exited  chan struct{}
}

type cluster struct {
	nodes []*node
}

func onDqlite() bool { return os.Getenv("COMPAT_SERVER") == "dqlite" }

func skipOnDqlite(t *testing.T, difference string) {
	t.Helper()
	if onDqlite() {
		t.Skip("dqlite 1.11: " + difference)
	}
}

func serverProgram(t *testing.T) string {
	t.Helper()
	variable := "QUORLITED"
	if onDqlite() {
		variable = "DQLITE_NODE"
	}
	program := os.Getenv(variable)
	if program == "" {
		t.Fatalf("set %s to the path of the server program", variable)
	}
	return program
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until the condition gives nil and fails the test with its last error otherwise.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(pollInterval) {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatalf("%s: not within %v: %v", what, patience, err)
}

// freeAddress reserves nothing: the port is free now and the node binds it a moment later.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func newNode(t *testing.T, id uint64) *node {
	t.Helper()
	return &node{id: id, address: freeAddress(t), dir: filepath.Join(t.TempDir(), "data")}
}

// start runs the node and registers its end with the test. `join` is the address of a member, empty
// for the node that starts a cluster and for one that restarts. dqlite's nodes cannot join by
// themselves: a client has to add them.
func (n *node) start(t *testing.T, join string) {
	t.Helper()
	arguments := []string{"--id", strconv.FormatUint(n.id, 10), "--address", n.address,
		"--dir", n.dir}
	if !onDqlite() {
		if join != "" {
			arguments = append(arguments, "--join", join)
		} else {
			arguments = append(arguments, "--bootstrap") // of no effect where a node restarts
		}
	}
	command := exec.Command(serverProgram(t), arguments...)
	var log strings.Builder
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	n.process, n.exited = command, exited
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-exited
		if t.Failed() && log.Len() > 0 {
			t.Logf("node %d said:\n%s", n.id, log.String())
		}
	})
	eventually(t, fmt.Sprintf("node %d accepts connections", n.id), func() error {
		connection, err := net.DialTimeout("tcp", n.address, time.Second)
		if err == nil {
			connection.Close()
		}
		return err
	})
}

func (n *node) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := n.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.exited:
	case <-time.After(patience):
		t.Fatalf("node %d did not end after %v", n.id, signal)
	}
}

// direct gives a client of this very node, leader or not.
func (n *node) direct(t *testing.T, ctx context.Context) *client.Client {
	t.Helper()
	direct, err := client.New(ctx, n.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { direct.Close() })
	return direct
}

// startCluster gives three voters that agree on a leader.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	for id := uint64(1); id <= 3; id++ {
		n := newNode(t, id)
		join := ""
		if id > 1 {
			join = c.nodes[0].address
		}
		c.nodes = append(c.nodes, n)
		n.start(t, join)
		if id > 1 && onDqlite() {
			c.add(t, n, client.Voter)
		}
	}
	eventually(t, "three voters", func() error { return c.expectVoters(3) })
	return c
}

func (c *cluster) add(t *testing.T, n *node, role client.NodeRole) {
	t.Helper()
	info := client.NodeInfo{ID: n.id, Address: n.address, Role: role}
	if err := c.leader(t).Add(within(t, patience), info); err != nil {
		t.Fatalf("add node %d: %v", n.id, err)
	}
}

func (c *cluster) expectVoters(want int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, n := range c.nodes {
		direct, err := client.New(ctx, n.address)
		if err != nil {
			return err
		}
		members, err := direct.Cluster(ctx)
		leader, leaderErr := direct.Leader(ctx)
		direct.Close()
		if err != nil || leaderErr != nil {
			return fmt.Errorf("node %d: %v, %v", n.id, err, leaderErr)
		}
		voters := 0
		for _, member := range members {
			if member.Role == client.Voter {
				voters++
			}
		}
		if voters != want || leader.ID == 0 {
			return fmt.Errorf("node %d sees %v, leader %v", n.id, members, leader)
		}
	}
	return nil
}

func (c *cluster) store() client.NodeStore {
	store := client.NewInmemNodeStore()
	infos := []client.NodeInfo{}
	for _, n := range c.nodes {
		infos = append(infos, client.NodeInfo{ID: n.id, Address: n.address})
	}
	_ = store.Set(context.Background(), infos)
	return store
}

func quiet(client.LogLevel, string, ...interface{}) {}

// leader gives a client connected to the current leader.
func (c *cluster) leader(t *testing.T) *client.Client {
	t.Helper()
	leader, err := client.FindLeader(within(t, patience), c.store(), client.WithLogFunc(quiet))
	if err != nil {
		t.Fatalf("find the leader: %v", err)
	}
	t.Cleanup(func() { leader.Close() })
	return leader
}

// leading gives the node that leads now, and one that does not.
func (c *cluster) leading() (leader, other *node, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	connected, err := client.FindLeader(ctx, c.store(), client.WithLogFunc(quiet))
	if err != nil {
		return nil, nil, err
	}
	defer connected.Close()
	info, err := connected.Leader(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range c.nodes {
		if n.id == info.ID {
			leader = n
		} else {
			other = n
		}
	}
	if leader == nil {
		return nil, nil, fmt.Errorf("the leader %v is none of the nodes", info)
	}
	return leader, other, nil
}

func (c *cluster) leaderNode(t *testing.T) (leader, other *node) {
	t.Helper()
	leader, other, err := c.leading()
	if err != nil {
		t.Fatal(err)
	}
	return leader, other
}

// awaitLeaderOtherThan returns when a node that is not `old` leads.
func (c *cluster) awaitLeaderOtherThan(t *testing.T, old *node) *node {
	t.Helper()
	var now *node
	eventually(t, "a new leader", func() (err error) {
		if now, _, err = c.leading(); err == nil && now == old {
			err = fmt.Errorf("node %d still leads", old.id)
		}
		return err
	})
	return now
}

// openStore gives a database/sql handle on one database, its cluster known by the store alone.
func openStore(t *testing.T, store client.NodeStore, name string) *sql.DB {
	t.Helper()
	dqlite, err := driver.New(store, driver.WithLogFunc(quiet))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := dqlite.OpenConnector(name)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func (c *cluster) open(t *testing.T, name string) *sql.DB {
	t.Helper()
	return openStore(t, c.store(), name)
}

func mustExec(t *testing.T, db execer, statement string, arguments ...any) sql.Result {
	t.Helper()
	result, err := db.ExecContext(within(t, patience), statement, arguments...)
	if err != nil {
		t.Fatalf("%.80s: %v", statement, err)
	}
	return result
}

func mustCount(t *testing.T, db queryer, query string, arguments ...any) int64 {
	t.Helper()
	var count int64
	err := db.QueryRowContext(within(t, patience), query, arguments...).Scan(&count)
	if err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	return count
}

type execer interface {
	ExecContext(ctx context.Context, statement string, arguments ...any) (sql.Result, error)
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}

// errorCode gives the code of an error that the server sent, or -1 for any other error.
func errorCode(err error) int {
	var failure driver.Error
	if errors.As(err, &failure) {
		return failure.Code
	}
	return -1
}
