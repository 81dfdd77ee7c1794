// Package nodes runs real servers for tests: the programs that $QUORLITED and $DQLITE_NODE name.
package nodes

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorlite/quorlite/go-client/client"
)

// Patience is how long anything may take on a loaded machine.
const Patience = 45 * time.Second

// Node is one server process.
type Node struct {
	ID      uint64
	Address string
	dir     string
	program string
	process *exec.Cmd
	exited  chan struct{}
}

// Cluster is three voters.
type Cluster struct{ Nodes []*Node }

// Program is the server to be tested.
func Program(t testing.TB, variable string) string {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		t.Fatalf("set %s to the path of the server program; tests/run go does", variable)
	}
	return program
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// newCluster is three nodes of the program that a variable of the environment names, not started.
func newCluster(t testing.TB, variable string) *Cluster {
	t.Helper()
	program := Program(t, variable)
	cluster := &Cluster{}
	for id := uint64(1); id <= 3; id++ {
		cluster.Nodes = append(cluster.Nodes, New(t, program, id))
	}
	return cluster
}

// Start runs three nodes of quorlited, which end with the test.
func Start(t testing.TB) *Cluster {
	t.Helper()
	cluster := newCluster(t, "QUORLITED")
	cluster.Nodes[0].Start(t, "--bootstrap")
	for _, node := range cluster.Nodes[1:] {
		node.Start(t, "--join", cluster.Nodes[0].Address)
	}
	Eventually(t, "three voters", func() error { return cluster.expectVoters(3) })
	return cluster
}

// StartDqlite runs three nodes of Debian's dqlite, through the program that $DQLITE_NODE names.
func StartDqlite(t testing.TB) *Cluster {
	t.Helper()
	cluster := newCluster(t, "DQLITE_NODE")
	for _, node := range cluster.Nodes {
		node.Start(t)
	}
	known := client.NewCluster(client.NewListStore(cluster.Nodes[0].Address), client.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	for _, node := range cluster.Nodes[1:] {
		info := client.NodeInfo{ID: node.ID, Address: node.Address, Role: client.Voter}
		Eventually(t, "a node is added", func() error { return known.Add(ctx, info) })
	}
	return cluster
}

// New is a node that has not been started.
func New(t testing.TB, program string, id uint64) *Node {
	return &Node{ID: id, Address: freeAddress(t), program: program,
		dir: filepath.Join(t.TempDir(), "data")}
}

// Start runs the node, anew if it was killed.
func (n *Node) Start(t testing.TB, arguments ...string) {
	t.Helper()
	arguments = append([]string{"--id", strconv.FormatUint(n.ID, 10), "--address", n.Address,
		"--dir", n.dir}, arguments...)
	command := exec.Command(n.program, arguments...)
	var log strings.Builder
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = command.Wait() // a killed node has no other status
		close(exited)
	}()
	n.process, n.exited = command, exited
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		<-exited
		if t.Failed() && log.Len() > 0 {
			t.Logf("node %d said:\n%s", n.ID, log.String())
		}
	})
	Eventually(t, "a node that accepts connections", func() error {
		connection, err := net.DialTimeout("tcp", n.Address, time.Second)
		if err == nil {
			connection.Close()
		}
		return err
	})
}

// Kill ends the node at once and waits for that.
func (n *Node) Kill(t testing.TB) {
	t.Helper()
	if err := n.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-n.exited
}

// Store has the addresses of all nodes.
func (c *Cluster) Store() client.NodeStore {
	var addresses []string
	for _, node := range c.Nodes {
		addresses = append(addresses, node.Address)
	}
	return client.NewListStore(addresses...)
}

// Leader is the node that leads now.
func (c *Cluster) Leader(t testing.TB) *Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	leader, err := client.NewCluster(c.Store(), client.Config{}).Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer leader.Close()
	for _, node := range c.Nodes {
		if node.Address == leader.Address() {
			return node
		}
	}
	t.Fatalf("%s leads and is none of the nodes", leader.Address())
	return nil
}

func (c *Cluster) expectVoters(want int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, node := range c.Nodes {
		direct, err := client.Connect(ctx, node.Address, client.Config{})
		if err != nil {
			return err
		}
		members, err := direct.Cluster(ctx)
		leader, leaderErr := direct.Leader(ctx)
		direct.Close()
		voters := 0
		for _, member := range members {
			if member.Role == client.Voter {
				voters++
			}
		}
		if err != nil || leaderErr != nil || voters != want || leader.ID == 0 {
			return fmt.Errorf("node %d sees %v, leader %v; %v, %v", node.ID, members, leader, err,
				leaderErr)
		}
	}
	return nil
}

// Eventually polls until the condition gives nil.
func Eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatalf("%s: not within %v: %v", what, Patience, err)
}

// DSN names a database of the cluster.
func (c *Cluster) DSN(name string) string {
	var addresses []string
	for _, node := range c.Nodes {
		addresses = append(addresses, node.Address)
	}
	return "quorlite://" + strings.Join(addresses, ",") + "/" + name
}

// ExpectExample compares what an example says to a cluster with what the examples of this name say in
// every language.
func ExpectExample(t *testing.T, name string, run func(out io.Writer, dsn string) error) {
	t.Helper()
	var said strings.Builder
	if err := run(&said, Start(t).DSN("example")); err != nil {
		t.Fatal(err)
	}
	_, here, _, _ := runtime.Caller(0)
	file := filepath.Join(filepath.Dir(here), "../../../tests/examples", name+".txt")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if said.String() != string(want) {
		t.Errorf("it says %q instead of %q", said.String(), want)
	}
}
