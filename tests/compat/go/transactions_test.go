package compat

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTransactions(t *testing.T) {
	c := startCluster(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *sql.DB)
	}{
		{"commit and rollback", testCommitAndRollback},
		{"closing rolls back", testClosingRollsBack},
		{"error inside", testErrorInside},
		{"busy", testBusy},
		{"no lost update", testNoLostUpdate},
		{"many connections", testManyConnections},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := c.open(t, strings.ReplaceAll(test.name, " ", "-")+".db")
			mustExec(t, db, "CREATE TABLE test (n INT)")
			test.run(t, db)
		})
	}
}

func mustBegin(t *testing.T, db *sql.DB) *sql.Tx {
	t.Helper()
	// Not within(): database/sql rolls a transaction back when the context of its begin ends.
	transaction, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transaction.Rollback() })
	return transaction
}

func expectRows(t *testing.T, db queryer, want int64) {
	t.Helper()
	if n := mustCount(t, db, "SELECT count(*) FROM test"); n != want {
		t.Errorf("%d rows, want %d", n, want)
	}
}

func testCommitAndRollback(t *testing.T, db *sql.DB) {
	transaction := mustBegin(t, db)
	for i := 0; i < 10; i++ {
		mustExec(t, transaction, "INSERT INTO test VALUES (?)", i)
	}
	expectRows(t, transaction, 10)
	expectRows(t, db, 0)
	if err := transaction.Commit(); err != nil {
		t.Fatal(err)
	}
	expectRows(t, db, 10)

	transaction = mustBegin(t, db)
	mustExec(t, transaction, "DELETE FROM test")
	expectRows(t, transaction, 0)
	if err := transaction.Rollback(); err != nil {
		t.Fatal(err)
	}
	expectRows(t, db, 10)
}

func testClosingRollsBack(t *testing.T, db *sql.DB) {
	ctx := within(t, patience)
	connection, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, connection, "BEGIN")
	mustExec(t, connection, "INSERT INTO test VALUES (1)")
	db.SetMaxIdleConns(-1)
	if err := connection.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the write lock is free", func() error {
		_, err := db.ExecContext(ctx, "INSERT INTO test VALUES (2)")
		return err
	})
	expectRows(t, db, 1)
}

func testErrorInside(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE UNIQUE INDEX test_n ON test (n)")
	transaction := mustBegin(t, db)
	mustExec(t, transaction, "INSERT INTO test VALUES (1)")
	_, err := transaction.ExecContext(within(t, patience), "INSERT INTO test VALUES (1)")
	if errorCode(err) != 2067 {
		t.Errorf("got %d %v", errorCode(err), err)
	}
	mustExec(t, transaction, "INSERT INTO test VALUES (2)")
	if err := transaction.Commit(); err != nil {
		t.Fatal(err)
	}
	expectRows(t, db, 2)
}

// A second writer waits for the first as long as the server lets it, or is told that it is busy.
func testBusy(t *testing.T, db *sql.DB) {
	first := mustBegin(t, db)
	mustExec(t, first, "INSERT INTO test VALUES (1)")
	second := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := db.ExecContext(ctx, "INSERT INTO test VALUES (2)")
		second <- err
	}()
	expectRows(t, db, 0)
	select {
	case err := <-second:
		if errorCode(err) != 5 {
			t.Fatalf("the second writer got %d %v before the first ended", errorCode(err), err)
		}
		second <- err
	case <-time.After(200 * time.Millisecond):
	}
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err == nil {
		expectRows(t, db, 2)
	} else if errorCode(err) == 5 {
		expectRows(t, db, 1)
	} else {
		t.Errorf("the second writer got %v", err)
	}
}

func increment(ctx context.Context, db *sql.DB) error {
	transaction, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = transaction.Rollback() }()
	var n int64
	if err := transaction.QueryRowContext(ctx, "SELECT n FROM test").Scan(&n); err != nil {
		return err
	}
	if _, err := transaction.ExecContext(ctx, "UPDATE test SET n = ?", n+1); err != nil {
		return err
	}
	return transaction.Commit()
}

func testNoLostUpdate(t *testing.T, db *sql.DB) {
	const workers, increments = 8, 20
	mustExec(t, db, "INSERT INTO test VALUES (0)")
	ctx := within(t, patience)
	var done sync.WaitGroup
	for w := 0; w < workers; w++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for i := 0; i < increments; {
				err := increment(ctx, db)
				switch code := errorCode(err); {
				case err == nil:
					i++
				case code == 5 || code == 517:
				default:
					t.Errorf("increment: %d %v", code, err)
					return
				}
			}
		}()
	}
	done.Wait()
	if n := mustCount(t, db, "SELECT n FROM test"); n != workers*increments {
		t.Errorf("%d increments left %d", workers*increments, n)
	}
}

func testManyConnections(t *testing.T, db *sql.DB) {
	const workers, inserts = 32, 20
	ctx := within(t, patience)
	var done sync.WaitGroup
	for w := 0; w < workers; w++ {
		done.Add(1)
		go func(w int) {
			defer done.Done()
			connection, err := db.Conn(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer connection.Close()
			for i := 0; i < inserts; {
				_, err := connection.ExecContext(ctx, "INSERT INTO test VALUES (?)", w*inserts+i)
				if err == nil {
					i++
				} else if errorCode(err) != 5 {
					t.Errorf("insert: %v", err)
					return
				}
			}
		}(w)
	}
	done.Wait()
	expectRows(t, db, workers*inserts)
	distinct := fmt.Sprintf("SELECT count(DISTINCT n) FROM test WHERE n < %d", workers*inserts)
	if n := mustCount(t, db, distinct); n != workers*inserts {
		t.Errorf("%d distinct rows, want %d", n, workers*inserts)
	}
}
