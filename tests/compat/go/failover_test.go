package compat

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// writers insert distinct keys without pause and remember which were acknowledged. The driver
// hides a lost connection by sending the statement again, so "already there" counts as well.
type writers struct {
	acknowledged sync.Map
	count        atomic.Int64
	stop         atomic.Bool
	done         sync.WaitGroup
}

func startWriters(t *testing.T, db *sql.DB, count int) *writers {
	t.Helper()
	w := &writers{}
	for i := 0; i < count; i++ {
		w.done.Add(1)
		go func(key int64) {
			defer w.done.Done()
			for ; !w.stop.Load(); key += int64(count) {
				w.insert(t, db, key)
			}
		}(int64(i))
	}
	return w
}

func (w *writers) insert(t *testing.T, db *sql.DB, key int64) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ctx.Err() == nil {
		_, err := db.ExecContext(ctx, "INSERT INTO test VALUES (?)", key)
		const alreadyThere, outOfMemory = 1555, 7
		switch code := errorCode(err); {
		case err == nil || code == alreadyThere:
			w.acknowledged.Store(key, true)
			w.count.Add(1)
			return
		case code == -1 || code == 5:
			// No leader, a lost connection or a busy database: the same key again.
		case onDqlite() && code == outOfMemory:
			// What dqlite 1.11 answers while a transfer of leadership is pending.
		default:
			t.Errorf("insert %d: %d %v", key, code, err)
			w.stop.Store(true)
			return
		}
	}
	t.Errorf("key %d was not accepted within %v", key, patience)
	w.stop.Store(true)
}

// progress returns when the writers got further, which needs a leader that serves.
func (w *writers) progress(t *testing.T, what string) {
	t.Helper()
	target := w.count.Load() + 50
	eventually(t, what, func() error {
		if now := w.count.Load(); now < target {
			return fmt.Errorf("%d of %d inserts", now, target)
		}
		return nil
	})
}

// finish stops the writers and checks that exactly what was acknowledged is there.
func (w *writers) finish(t *testing.T, db *sql.DB) int64 {
	t.Helper()
	w.stop.Store(true)
	w.done.Wait()
	rows, err := db.QueryContext(within(t, patience), "SELECT n FROM test")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[int64]bool{}
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		if _, acknowledged := w.acknowledged.Load(n); !acknowledged {
			t.Errorf("key %d was never acknowledged", n)
		}
		found[n] = true
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	w.acknowledged.Range(func(key, _ any) bool {
		if !found[key.(int64)] {
			t.Errorf("key %d was acknowledged and is lost", key)
		}
		return !t.Failed()
	})
	return int64(len(found))
}

func openForWriters(t *testing.T, c *cluster) *sql.DB {
	t.Helper()
	db := c.open(t, "failover.db")
	mustExec(t, db, "CREATE TABLE test (n INTEGER PRIMARY KEY)")
	return db
}

// expectSame waits until a dump of every node holds the same rows in a sound database.
func (c *cluster) expectSame(t *testing.T, rows int64) {
	t.Helper()
	for _, n := range c.nodes {
		eventually(t, fmt.Sprintf("node %d has everything", n.id), func() error {
			got, err := dumpInto(t, t.TempDir(), n, "failover.db",
				"PRAGMA integrity_check; SELECT count(*) FROM test")
			if want := fmt.Sprintf("ok\n%d", rows); err == nil && got != want {
				err = fmt.Errorf("the dump gives %q, want %q", got, want)
			}
			return err
		})
	}
}

// transfer makes another node lead. A server may give up a transfer that takes longer than an
// election timeout, which happens on a loaded machine; then it is asked again.
func (c *cluster) transfer(t *testing.T, from, to *node) {
	t.Helper()
	ctx := within(t, patience)
	eventually(t, fmt.Sprintf("transfer from node %d to node %d", from.id, to.id), func() error {
		err := c.leader(t).Transfer(ctx, to.id)
		if now, _, _ := c.leading(); now == to {
			return nil
		}
		return fmt.Errorf("node %d does not lead: %v", to.id, err)
	})
}

func TestTransferUnderLoad(t *testing.T) {
	c := startCluster(t)
	db := openForWriters(t, c)
	load := startWriters(t, db, 4)
	load.progress(t, "the first inserts")
	for i := 0; i < 5; i++ {
		leader, other := c.leaderNode(t)
		c.transfer(t, leader, other)
		load.progress(t, fmt.Sprintf("inserts after transfer %d", i))
	}
	c.expectSame(t, load.finish(t, db))
}

func TestTransferInsideTransaction(t *testing.T) {
	c := startCluster(t)
	db := openForWriters(t, c)
	transaction := mustBegin(t, db)
	mustExec(t, transaction, "INSERT INTO test VALUES (1)")
	leader, other := c.leaderNode(t)
	c.transfer(t, leader, other)
	if err := transaction.Commit(); err == nil {
		t.Error("a transaction of the former leader was committed")
	}
	expectRows(t, db, 0)
	mustExec(t, db, "INSERT INTO test VALUES (2)")
	expectRows(t, db, 1)
}

func TestKillLeaderUnderLoad(t *testing.T) {
	c := startCluster(t)
	db := openForWriters(t, c)
	load := startWriters(t, db, 4)
	load.progress(t, "the first inserts")
	for i := 0; i < 2; i++ {
		leader, _ := c.leaderNode(t)
		leader.signal(t, syscall.SIGKILL)
		c.awaitLeaderOtherThan(t, leader)
		load.progress(t, fmt.Sprintf("inserts after kill %d", i))
		leader.start(t, "")
		eventually(t, "three voters", func() error { return c.expectVoters(3) })
	}
	c.expectSame(t, load.finish(t, db))
}

func TestOrderlyStopUnderLoad(t *testing.T) {
	c := startCluster(t)
	db := openForWriters(t, c)
	load := startWriters(t, db, 4)
	load.progress(t, "the first inserts")
	leader, _ := c.leaderNode(t)
	leader.signal(t, syscall.SIGTERM)
	c.awaitLeaderOtherThan(t, leader)
	load.progress(t, "inserts after the stop")
	leader.start(t, "")
	eventually(t, "three voters", func() error { return c.expectVoters(3) })
	c.expectSame(t, load.finish(t, db))
}

func TestQuorumLostAndRegained(t *testing.T) {
	c := startCluster(t)
	db := openForWriters(t, c)
	mustExec(t, db, "INSERT INTO test VALUES (1)")
	leader, _ := c.leaderNode(t)
	for _, n := range c.nodes {
		if n != leader {
			n.signal(t, syscall.SIGKILL)
		}
	}
	short, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := db.ExecContext(short, "INSERT INTO test VALUES (2)"); err == nil {
		t.Error("a write was acknowledged without a majority")
	}
	for _, n := range c.nodes {
		if n != leader {
			n.start(t, "")
		}
	}
	eventually(t, "a write with the majority back", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := db.ExecContext(ctx, "INSERT OR IGNORE INTO test VALUES (3)")
		return err
	})
	if n := mustCount(t, db, "SELECT count(*) FROM test WHERE n IN (1, 3)"); n != 2 {
		t.Errorf("%d of 2 acknowledged rows are there", n)
	}
}
