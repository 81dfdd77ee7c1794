package compat

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/canonical/go-dqlite/v3/client"
)

func TestMembership(t *testing.T) {
	c := startCluster(t)
	t.Run("leader from any node", func(t *testing.T) { testLeaderFromAnyNode(t, c) })
	t.Run("cluster", func(t *testing.T) { testCluster(t, c) })
	t.Run("describe and weight", func(t *testing.T) { testDescribeAndWeight(t, c) })
	t.Run("only the leader changes it", func(t *testing.T) { testOnlyTheLeader(t, c) })
	t.Run("add and remove", func(t *testing.T) { testAddAndRemove(t, c) })
	t.Run("assign", func(t *testing.T) { testAssign(t, c) })
	t.Run("dump", func(t *testing.T) { testDump(t, c) })
	t.Run("dump of a missing database", func(t *testing.T) { testDumpMissing(t, c) })
}

func storeOf(n *node) client.NodeStore {
	return (&cluster{nodes: []*node{n}}).store()
}

func testLeaderFromAnyNode(t *testing.T, c *cluster) {
	ctx := within(t, patience)
	leading, _ := c.leaderNode(t)
	for _, n := range c.nodes {
		info, err := n.direct(t, ctx).Leader(ctx)
		if err != nil || info.ID != leading.id || info.Address != leading.address {
			t.Errorf("node %d says %v leads, not node %d: %v", n.id, info, leading.id, err)
		}
		found, err := client.FindLeader(ctx, storeOf(n), client.WithLogFunc(quiet))
		if err != nil {
			t.Fatalf("through node %d alone: %v", n.id, err)
		}
		found.Close()
		db := openStore(t, storeOf(n), "any-node.db")
		mustExec(t, db, "CREATE TABLE IF NOT EXISTS test (n INT)")
		mustExec(t, db, "INSERT INTO test VALUES (?)", n.id)
	}
	if sum := mustCount(t, c.open(t, "any-node.db"), "SELECT sum(n) FROM test"); sum != 1+2+3 {
		t.Errorf("sum %d", sum)
	}
}

func testCluster(t *testing.T, c *cluster) {
	ctx := within(t, patience)
	for _, n := range c.nodes {
		members, err := n.direct(t, ctx).Cluster(ctx)
		if err != nil || len(members) != len(c.nodes) {
			t.Fatalf("node %d knows %v: %v", n.id, members, err)
		}
		for _, member := range members {
			expected := c.nodes[member.ID-1]
			if member.Address != expected.address || member.Role != client.Voter {
				t.Errorf("node %d says %v", n.id, member)
			}
		}
	}
}

func testDescribeAndWeight(t *testing.T, c *cluster) {
	ctx := within(t, patience)
	for _, n := range c.nodes {
		direct := n.direct(t, ctx)
		if err := direct.Weight(ctx, 10+n.id); err != nil {
			t.Fatal(err)
		}
		metadata, err := n.direct(t, ctx).Describe(ctx)
		if err != nil || metadata.FailureDomain != 0 || metadata.Weight != 10+n.id {
			t.Errorf("node %d describes itself as %v: %v", n.id, metadata, err)
		}
	}
}

func expectFailure(t *testing.T, what string, err error, code int) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(%d)", code)) {
		t.Errorf("%s: got %v, want code %d", what, err, code)
	}
}

func testOnlyTheLeader(t *testing.T, c *cluster) {
	ctx := within(t, patience)
	_, follower := c.leaderNode(t)
	direct := follower.direct(t, ctx)
	const notLeader = 10250
	stranger := client.NodeInfo{ID: 9, Address: "127.0.0.1:1", Role: client.Spare}
	expectFailure(t, "add", direct.Add(ctx, stranger), notLeader)
	expectFailure(t, "assign", direct.Assign(ctx, 1, client.StandBy), notLeader)
	expectFailure(t, "remove", direct.Remove(ctx, 1), notLeader)
	expectFailure(t, "transfer", direct.Transfer(ctx, 1), notLeader)
	if _, err := direct.Cluster(ctx); err != nil {
		t.Errorf("the connection is unusable after refusals: %v", err)
	}
}

func (c *cluster) expectRole(t *testing.T, id uint64, want client.NodeRole) {
	t.Helper()
	leader := c.leader(t)
	ctx := within(t, patience)
	eventually(t, fmt.Sprintf("node %d is %v", id, want), func() error {
		members, err := leader.Cluster(ctx)
		for _, member := range members {
			if member.ID == id && member.Role == want {
				return nil
			}
		}
		return fmt.Errorf("members are %v: %v", members, err)
	})
}

func testAddAndRemove(t *testing.T, c *cluster) {
	ctx := within(t, patience)
	leader := c.leader(t)
	// Adding does not contact the node: nobody listens at this address.
	absent := client.NodeInfo{ID: 77, Address: freeAddress(t), Role: client.Spare}
	if err := leader.Add(ctx, absent); err != nil {
		t.Fatal(err)
	}
	c.expectRole(t, absent.ID, client.Spare)
	expectFailure(t, "add twice", leader.Add(ctx, absent), 1)
	sameAddress := client.NodeInfo{ID: 78, Address: absent.Address, Role: client.Spare}
	expectFailure(t, "add the address again", leader.Add(ctx, sameAddress), 1)
	if err := leader.Remove(ctx, absent.ID); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, "remove twice", leader.Remove(ctx, absent.ID), 1)
	eventually(t, "three voters", func() error { return c.expectVoters(3) })
}

func testAssign(t *testing.T, c *cluster) {
	db := c.open(t, "members.db")
	mustExec(t, db, "CREATE TABLE test (n INT)")
	fourth := newNode(t, 4)
	fourth.start(t, c.nodes[0].address)
	if onDqlite() {
		c.add(t, fourth, client.StandBy)
	}
	c.expectRole(t, fourth.id, client.StandBy)
	ctx := within(t, patience)
	leader := c.leader(t)
	expectFailure(t, "assign an unknown node", leader.Assign(ctx, 99, client.StandBy), 1)
	roles := []client.NodeRole{client.Voter, client.StandBy, client.Spare}
	for _, role := range roles {
		if err := leader.Assign(ctx, fourth.id, role); err != nil {
			t.Fatalf("assign %v: %v", role, err)
		}
		c.expectRole(t, fourth.id, role)
		mustExec(t, db, "INSERT INTO test VALUES (1)")
	}
	if err := leader.Remove(ctx, fourth.id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three voters", func() error { return c.expectVoters(3) })
	if n := mustCount(t, db, "SELECT count(*) FROM test"); n != int64(len(roles)) {
		t.Errorf("%d rows, want %d", n, len(roles))
	}
}

// dumpInto asks one node for a database and gives what the sqlite3 shell says about it.
func dumpInto(t *testing.T, dir string, n *node, name, query string) (string, error) {
	t.Helper()
	ctx := within(t, patience)
	files, err := n.direct(t, ctx).Dump(ctx, name)
	if err != nil {
		return "", err
	}
	if len(files) != 2 || files[0].Name != name || files[1].Name != name+"-wal" {
		return "", fmt.Errorf("unexpected files: %d", len(files))
	}
	for _, file := range files {
		path := filepath.Join(dir, file.Name)
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			return "", err
		}
	}
	shell := exec.CommandContext(ctx, "sqlite3", filepath.Join(dir, name), query)
	output, err := shell.CombinedOutput()
	return strings.TrimSpace(string(output)), err
}

func testDump(t *testing.T, c *cluster) {
	db := c.open(t, "dump.db")
	mustExec(t, db, "CREATE TABLE test (id INTEGER PRIMARY KEY, v BLOB); CREATE INDEX i ON test (v)")
	for i := 0; i < 50; i++ {
		mustExec(t, db, "INSERT INTO test (v) VALUES (randomblob(3000))")
	}
	for _, n := range c.nodes {
		// A follower learns of the last commits a moment later than the client.
		eventually(t, fmt.Sprintf("a whole dump of node %d", n.id), func() error {
			got, err := dumpInto(t, t.TempDir(), n, "dump.db",
				"PRAGMA integrity_check; SELECT count(*), sum(length(v)) FROM test")
			if err == nil && got != "ok\n50|150000" {
				err = fmt.Errorf("the dumped file gives %q", got)
			}
			return err
		})
	}
}

func testDumpMissing(t *testing.T, c *cluster) {
	skipOnDqlite(t, "a missing database is dumped as two empty files")
	ctx := within(t, patience)
	for _, n := range c.nodes {
		_, err := n.direct(t, ctx).Dump(ctx, "missing.db")
		expectFailure(t, "dump", err, 1002)
	}
}
