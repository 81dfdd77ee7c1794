package driver_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

// Three nodes of Debian's dqlite 1.11, joined by our client, used by our driver.
func TestAgainstDqlite(t *testing.T) {
	cluster := nodes.StartDqlite(t)
	administer(t, cluster)
	db := open(t, cluster, "compat.db")
	mustExec(t, db, "CREATE TABLE t (n INTEGER PRIMARY KEY, v)")
	testNames(t, db)
	testStreaming(t, db)
	testColumnTypes(t, db)
	conflicts := open(t, cluster, "conflict.db")
	mustExec(t, conflicts, "CREATE TABLE t (n INTEGER PRIMARY KEY, v)")
	testConflict(t, conflicts)
	testRunTx(t, db)
	killed := cluster.Leader(t)
	killed.Kill(t)
	err := driver.RunTx(within(t), db, increment)
	if err != nil && quorlite.VerdictOf(err) != quorlite.InDoubt {
		t.Errorf("after the leader was killed: %v", err)
	}
	dump(t, cluster.Leader(t), "compat.db", "t")
}

// testNames: with parameters by name only. dqlite 1.11 wants no parameters in a text of several
// statements, and takes no more than 255.
func testNames(t *testing.T, db *sql.DB) {
	for i := 0; i < 3; i++ { // as a text, then prepared
		const query = "SELECT :a * 100 + @b * 10 + :a"
		if n := mustInt(t, db, query, sql.Named("b", 2), sql.Named("a", 1)); n != 121 {
			t.Errorf("named parameters: %d", n)
		}
	}
}

func TestAdministration(t *testing.T) {
	cluster := nodes.Start(t)
	administer(t, cluster)
	db := open(t, cluster, "dumped.db")
	mustExec(t, db, "CREATE TABLE t (n)")
	dump(t, cluster.Leader(t), "dumped.db", "t")
}

// administer leaves the cluster as it was, except for its leader.
func administer(t *testing.T, cluster *nodes.Cluster) {
	t.Helper()
	ctx := within(t)
	path := filepath.Join(t.TempDir(), "nodes.yaml")
	store := &client.YAMLStore{Path: path}
	if err := store.Set(ctx, []client.NodeInfo{{ID: 1, Address: cluster.Nodes[0].Address}}); err != nil {
		t.Fatal(err)
	}
	admin := client.NewCluster(store, client.Config{})
	members, err := admin.Nodes(ctx)
	if err != nil || len(members) != 3 {
		t.Fatalf("%v, %v", members, err)
	}
	if saved, err := store.Get(ctx); err != nil || len(saved) != 3 {
		t.Errorf("the store has %v, %v", saved, err)
	}
	leader := cluster.Leader(t)
	var other *nodes.Node
	for _, node := range cluster.Nodes {
		if node != leader {
			other = node
		}
	}
	direct, err := client.Connect(ctx, other.Address, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	if err := direct.Weight(ctx, 7); err != nil {
		t.Error(err)
	}
	if metadata, err := direct.Describe(ctx); err != nil || metadata.Weight != 7 {
		t.Errorf("%+v, %v", metadata, err)
	}
	if named, err := direct.Leader(ctx); err != nil || named.Address != leader.Address {
		t.Errorf("a follower says that %+v leads, %v", named, err)
	}
	err = direct.Remove(ctx, 99)
	if f := failure(t, err); f.Kind != quorlite.Unavailable || f.Verdict() != quorlite.NotCommitted {
		t.Errorf("a change that a follower is asked for: %v", err)
	}
	if err := admin.Assign(ctx, other.ID, client.StandBy); err != nil {
		t.Error(err)
	}
	if err := admin.Assign(ctx, other.ID, client.Voter); err != nil {
		t.Error(err)
	}
	nodes.Eventually(t, "another leader", func() error {
		if err := admin.Transfer(ctx, other.ID); err != nil {
			return err
		}
		if now := cluster.Leader(t); now != other {
			return errors.New(now.Address + " leads")
		}
		return nil
	})
	if err := admin.Remove(ctx, 99); failure(t, err).Verdict() != quorlite.NotCommitted {
		t.Errorf("removing nobody: %v", err)
	}
}

// dump expects that the files of a dump are a database with the table.
func dump(t *testing.T, node *nodes.Node, name, table string) {
	t.Helper()
	direct, err := client.Connect(within(t), node.Address, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	dir := t.TempDir()
	nodes.Eventually(t, "a sound dump", func() error {
		err := direct.Dump(context.Background(), name, func(file string, _ int64, data io.Reader) error {
			content, err := io.ReadAll(data)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, file), content, 0o600)
		})
		if err != nil {
			return err
		}
		check := exec.Command("sqlite3", filepath.Join(dir, name),
			"PRAGMA integrity_check; SELECT count(*) >= 0 FROM "+table)
		said, err := check.CombinedOutput()
		if err == nil && string(said) != "ok\n1\n" {
			err = errors.New(string(said))
		}
		return err
	})
}
