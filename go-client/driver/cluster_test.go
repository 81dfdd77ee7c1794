package driver_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), nodes.Patience)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, cluster *nodes.Cluster, name string) *sql.DB {
	t.Helper()
	db := sql.OpenDB(driver.NewConnector(cluster.Store(), name, driver.Config{}))
	t.Cleanup(func() { db.Close() })
	return db
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func mustExec(t *testing.T, db execer, query string, args ...any) sql.Result {
	t.Helper()
	result, err := db.ExecContext(within(t), query, args...)
	if err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	return result
}

func mustInt(t *testing.T, db *sql.DB, query string, args ...any) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(within(t), query, args...).Scan(&n); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	return n
}

func failure(t *testing.T, err error) *quorlite.Error {
	t.Helper()
	var failure *quorlite.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%v is no *quorlite.Error", err)
	}
	return failure
}

func TestAgainstThreeNodes(t *testing.T) {
	cluster := nodes.Start(t)
	for name, run := range map[string]func(*testing.T, *sql.DB){
		"values": testValues, "parameters": testParameters, "prepared": testPrepared,
		"streaming": testStreaming, "cancel": testCancel, "transactions": testTransactions,
		"read only": testReadOnly, "errors": testErrors, "rows held": testRowsHeld,
		"column types": testColumnTypes, "lost transaction": testLostTransaction,
		"conflict": testConflict, "stopped read": testStoppedRead,
		"run": testRunTx, "left open": testLeftOpen, "immediate": testImmediate, "memory": testMemory,
	} {
		run := run
		t.Run(name, func(t *testing.T) {
			db := open(t, cluster, strings.ReplaceAll(name, " ", "-")+".db")
			mustExec(t, db, "CREATE TABLE t (n INTEGER PRIMARY KEY, v)")
			run(t, db)
		})
	}
}

func testValues(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE w (d DATETIME, b BOOLEAN, u TIMESTAMP)")
	at := time.Date(2024, 2, 3, 4, 5, 6, 789000000, time.FixedZone("", 3600))
	mustExec(t, db, "INSERT INTO w VALUES (?, ?, ?)", at, true, 1000)
	var d, u time.Time
	var b bool
	if err := db.QueryRow("SELECT d, b, u FROM w").Scan(&d, &b, &u); err != nil {
		t.Fatal(err)
	}
	if !d.Equal(at) || !b || u.Unix() != 1000 {
		t.Errorf("got %v %v %v", d, b, u)
	}
	for _, want := range []any{int64(-5), 2.5, "text", []byte{0, 1}, []byte{}, nil} {
		var got any
		if err := db.QueryRow("SELECT ?", want).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
	}
	for _, bound := range []any{[]byte(nil), sql.NullInt64{}, sql.NullTime{}, (*int)(nil)} {
		var null sql.NullString
		if err := db.QueryRow("SELECT ?", bound).Scan(&null); err != nil || null.Valid {
			t.Errorf("%#v: %v, %v", bound, null, err)
		}
	}
	for bound, want := range map[any]string{sql.NullInt64{Int64: 5, Valid: true}: "integer 5",
		sql.NullBool{Bool: true, Valid: true}: "integer 1", color(7): "text #7", float32(0.5): "real 0.5"} {
		var got string
		err := db.QueryRow("SELECT typeof(:v) || ' ' || :v", sql.Named("v", bound)).Scan(&got)
		if err != nil || got != want {
			t.Errorf("%#v became %q, %v", bound, got, err)
		}
	}
	if _, err := db.Exec("SELECT ?", struct{}{}); err == nil {
		t.Error("a struct was bound")
	}
}

// color is a type of a program that says how it is stored.
type color int

func (c color) Value() (sqldriver.Value, error) { return fmt.Sprintf("#%d", int(c)), nil }

func testParameters(t *testing.T, db *sql.DB) {
	sum := "SELECT 0" + strings.Repeat(" + ?", 300)
	args := make([]any, 300)
	for i := range args {
		args[i] = i
	}
	if n := mustInt(t, db, sum, args...); n != 300*299/2 {
		t.Errorf("300 parameters: %d", n)
	}
	named := "SELECT :a * 100 + @b * 10 + :a"
	if n := mustInt(t, db, named, sql.Named("b", 2), sql.Named("a", 1)); n != 121 {
		t.Errorf("named parameters: %d", n)
	}
	for _, args := range [][]any{{}, {1, 2, 3}, {sql.Named("a", 1)}, {sql.Named("a", 1), sql.Named("c", 1)}} {
		_, err := db.Exec("INSERT INTO t VALUES (:a, :b)", args...)
		if failure(t, err).Kind != quorlite.Usage {
			t.Errorf("%v: %v", args, err)
		}
	}
	mustExec(t, db, "INSERT INTO t VALUES (?, 1); INSERT INTO t VALUES (?, ?)", 1, 2, 3)
	if n := mustInt(t, db, "SELECT sum(v) FROM t"); n != 4 {
		t.Errorf("two statements: %d", n)
	}
	if _, err := db.Exec("SELECT ?", "a\x00b"); failure(t, err).Kind != quorlite.Usage {
		t.Errorf("a NUL: %v", err)
	}
}

func testPrepared(t *testing.T, db *sql.DB) {
	db.SetMaxOpenConns(1)
	insert, err := db.Prepare("INSERT INTO t VALUES (?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	for i := 1; i <= 300; i++ { // the texts in between push it out of the cache
		result, err := insert.Exec(i, "x")
		if err != nil {
			t.Fatal(err)
		}
		if id, _ := result.LastInsertId(); id != int64(i) {
			t.Errorf("row %d got id %d", i, id)
		}
		for j := 0; j < 2; j++ {
			if n := mustInt(t, db, fmt.Sprintf("SELECT %d", i)); n != int64(i) {
				t.Fatalf("SELECT %d gives %d", i, n)
			}
		}
	}
	if n := mustInt(t, db, "SELECT count(*) FROM t"); n != 300 {
		t.Errorf("%d rows", n)
	}
	if _, err := db.Prepare("SELEC"); failure(t, err).ExtendedCode != quorlite.CodeError {
		t.Errorf("a syntax error: %v", err)
	}
}

const numbers = "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ?) " +
	"SELECT n, 'row ' || n FROM g"

func testStreaming(t *testing.T, db *sql.DB) {
	found, err := db.Query(numbers, 100000)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	count := int64(0)
	for found.Next() {
		var n int64
		var text string
		if err := found.Scan(&n, &text); err != nil {
			t.Fatal(err)
		}
		if count++; n != count || text != fmt.Sprintf("row %d", n) {
			t.Fatalf("row %d is %d, %q", count, n, text)
		}
	}
	if found.Err() != nil || count != 100000 {
		t.Errorf("%d rows, %v", count, found.Err())
	}
}

func testCancel(t *testing.T, db *sql.DB) {
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(within(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mustExec(t, conn, "CREATE TEMP TABLE mine (n)") // lives as long as the session
	const endless = "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g) "
	for _, query := range []string{endless + "SELECT count(*) FROM g",
		"INSERT INTO t(v) " + endless + "SELECT count(*) FROM g", endless + "SELECT n FROM g"} {
		for _, want := range []error{context.DeadlineExceeded, context.Canceled} {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			if want == context.Canceled {
				ctx, cancel = context.WithCancel(context.Background())
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			began := time.Now()
			found, err := conn.QueryContext(ctx, query)
			for err == nil && found.Next() {
			}
			if err == nil {
				err = found.Err()
				found.Close()
			}
			cancel()
			inDoubt := quorlite.VerdictOf(err) == quorlite.InDoubt
			if !errors.Is(err, want) || inDoubt && !strings.HasSuffix(query, "SELECT n FROM g") {
				t.Errorf("%.40s: %v instead of %v", query, err, want)
			}
			if took := time.Since(began); took > nodes.Patience/3 { // before the timeout of the client
				t.Errorf("%.40s: waited for for %v", query, took)
			}
			mustExec(t, conn, "INSERT INTO mine VALUES (1)")
		}
	}
	found, err := conn.QueryContext(within(t), numbers, 1000000)
	if err != nil || !found.Next() || found.Close() != nil {
		t.Errorf("closing early: %v", err)
	}
	mustExec(t, conn, "INSERT INTO mine VALUES (1)")
}

func testTransactions(t *testing.T, db *sql.DB) {
	for _, commit := range []bool{true, false} {
		tx, err := db.BeginTx(within(t), &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, tx, "INSERT INTO t(v) VALUES (1)")
		if commit {
			err = tx.Commit()
		} else {
			err = tx.Rollback()
		}
		if n := mustInt(t, db, "SELECT count(*) FROM t"); n != 1 || err != nil {
			t.Errorf("commit %v: %d rows, %v", commit, n, err)
		}
	}
	if _, err := db.BeginTx(within(t), &sql.TxOptions{Isolation: 99}); err == nil {
		t.Error("isolation level 99 was accepted")
	}
}

// Serializable takes the write lock at the begin, the default with the first write.
func testImmediate(t *testing.T, db *sql.DB) {
	for level, locked := range map[sql.IsolationLevel]bool{sql.LevelDefault: false,
		sql.LevelSnapshot: false, sql.LevelSerializable: true, sql.LevelLinearizable: true} {
		tx, err := db.BeginTx(within(t), &sql.TxOptions{Isolation: level})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_, err = db.ExecContext(ctx, "INSERT INTO t(v) VALUES (1)")
		cancel()
		if (err != nil) != locked {
			t.Errorf("beside a transaction of isolation %v: %v", level, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// A result far larger than what the client holds of it.
func testMemory(t *testing.T, db *sql.DB) {
	const rows, rowBytes, heldMax = 100000, 1000, 16 << 20
	heap := func() int64 {
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		return int64(memory.HeapAlloc)
	}
	before := heap()
	found, err := db.Query("WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ?) "+
		"SELECT zeroblob(?) FROM g", rows, rowBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	count := 0
	for ; found.Next(); count++ {
		var value sql.RawBytes
		if err := found.Scan(&value); err != nil || len(value) != rowBytes {
			t.Fatalf("row %d: %d bytes, %v", count, len(value), err)
		}
		if count%(rows/10) == 0 && heap() > before+heldMax {
			t.Fatalf("after %d rows %d bytes are held", count, heap()-before)
		}
	}
	if found.Err() != nil || count != rows {
		t.Errorf("%d rows, %v", count, found.Err())
	}
}

func testReadOnly(t *testing.T, db *sql.DB) {
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(within(t), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec("INSERT INTO t(v) VALUES (1)")
	if failure(t, err).Code() != quorlite.CodeReadOnly {
		t.Errorf("a write in a read-only transaction: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	mustExec(t, db, "INSERT INTO t(v) VALUES (1)")
	// One that a text has ended leaves no connection behind that refuses writes.
	for _, text := range []string{"COMMIT", "ROLLBACK"} {
		if tx, err = db.BeginTx(within(t), &sql.TxOptions{ReadOnly: true}); err != nil {
			t.Fatal(err)
		}
		mustExec(t, tx, text)
		_ = tx.Rollback() // there is nothing left of it
		mustExec(t, db, "INSERT INTO t(v) VALUES (1)")
	}
}

// The time to wait for a lock is the client's, not the node's.
func TestBusyTimeout(t *testing.T) {
	cluster := nodes.Start(t)
	config := driver.Config{BusyTimeout: 300 * time.Millisecond}
	db := sql.OpenDB(driver.NewConnector(cluster.Store(), "busy.db", config))
	defer db.Close()
	if ms := mustInt(t, db, "PRAGMA busy_timeout"); ms != 300 {
		t.Errorf("a node waits %d ms", ms)
	}
}

func testErrors(t *testing.T, db *sql.DB) {
	mustExec(t, db, "INSERT INTO t VALUES (1, 1)")
	_, err := db.Exec("INSERT INTO t VALUES (1, 1)")
	if f := failure(t, err); f.ExtendedCode != quorlite.CodePrimaryKey || f.Verdict() != quorlite.NotCommitted {
		t.Errorf("a conflict: %v", err)
	}
	_, err = db.Exec("INSERT INTO t VALUES (2, 1); INSERT INTO t VALUES (1, 1)")
	if f := failure(t, err); f.Verdict() != quorlite.InDoubt {
		t.Errorf("half of a text: %v", err)
	}
	_, err = db.Query("SELECT abs(-9223372036854775808)")
	if f := failure(t, err); f.ExtendedCode != quorlite.CodeError {
		t.Errorf("an overflow: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := db.ExecContext(ctx, "DELETE FROM t"); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	var id int64
	err = db.QueryRow("INSERT INTO t(v) VALUES (7) RETURNING n").Scan(&id)
	if n := mustInt(t, db, "SELECT v FROM t WHERE n = ?", id); err != nil || n != 7 {
		t.Errorf("RETURNING: %v, %d", err, n)
	}
	for query, want := range map[string]int64{"SELECT n FROM t": 0, "UPDATE t SET v = 8 RETURNING n": 3} {
		result := mustExec(t, db, query)
		affected, _ := result.RowsAffected()
		if _, err := result.LastInsertId(); affected != want || err == nil {
			t.Errorf("%s by Exec: %d rows affected, %v", query, affected, err)
		}
	}
}

// A statement in the middle of another one's rows, on the same connection.
func testRowsHeld(t *testing.T, db *sql.DB) {
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	found, err := tx.Query(numbers, 20000)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	sum := int64(0)
	for count := 0; found.Next(); count++ {
		var n int64
		var text sql.RawBytes
		if err := found.Scan(&n, &text); err != nil {
			t.Fatal(err)
		}
		if count%5000 == 1 {
			mustExec(t, tx, "INSERT INTO t(v) VALUES (?)", n)
		}
		if string(text) != fmt.Sprintf("row %d", n) {
			t.Fatalf("row %d has %q", n, text)
		}
		sum += n
	}
	if found.Err() != nil || sum != 20000*20001/2 {
		t.Errorf("the sum is %d, %v", sum, found.Err())
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if n := mustInt(t, db, "SELECT count(*) FROM t"); n != 4 {
		t.Errorf("%d rows were inserted meanwhile", n)
	}
}

func testColumnTypes(t *testing.T, db *sql.DB) {
	found, err := db.Query("SELECT 1, 2.5, 'a', x'00', NULL")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	types, err := found.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"INTEGER", "FLOAT", "TEXT", "BLOB", "NULL"} {
		nullable, known := types[i].Nullable()
		if types[i].DatabaseTypeName() != want || !nullable || !known {
			t.Errorf("column %d is a %s", i, types[i].DatabaseTypeName())
		}
	}
	if types[0].ScanType() != reflect.TypeOf(sql.NullInt64{}) {
		t.Errorf("an integer is scanned into %v", types[0].ScanType())
	}
}

// insertedOne is a transaction in which a row was inserted, and a context that is over soon.
func insertedOne(t *testing.T, db *sql.DB) (*sql.Tx, context.Context) {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	mustExec(t, tx, "INSERT INTO t(v) VALUES (1)")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return tx, ctx
}

// SQLite rolls back a transaction whose statement is interrupted: what follows must not be executed
// outside of it.
func testLostTransaction(t *testing.T, db *sql.DB) {
	tx, ctx := insertedOne(t, db)
	_, err := tx.ExecContext(ctx, "INSERT INTO t(v) WITH RECURSIVE g(n) AS "+
		"(SELECT 1 UNION ALL SELECT n + 1 FROM g) SELECT count(*) FROM g")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an endless insert: %v", err)
	}
	if _, err := tx.Exec("INSERT INTO t(v) VALUES (2)"); err == nil {
		t.Error("a statement was executed after the transaction was lost")
	}
	if err := tx.Commit(); quorlite.VerdictOf(err) != quorlite.NotCommitted {
		t.Errorf("the commit of a lost transaction: %v", err)
	}
	if n := mustInt(t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows are left of a lost transaction", n)
	}
}

// A read that is interrupted leaves its transaction as it was.
func testStoppedRead(t *testing.T, db *sql.DB) {
	tx, ctx := insertedOne(t, db)
	var count int
	err := tx.QueryRowContext(ctx, "WITH RECURSIVE g(n) AS "+
		"(SELECT 1 UNION ALL SELECT n + 1 FROM g) SELECT count(*) FROM g").Scan(&count)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an endless query: %v", err)
	}
	mustExec(t, tx, "INSERT INTO t(v) VALUES (2)")
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if n := mustInt(t, db, "SELECT count(*) FROM t"); n != 2 {
		t.Errorf("%d rows instead of 2", n)
	}
}

// A constraint may end its transaction; most do not.
func testConflict(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE r (n UNIQUE ON CONFLICT ROLLBACK)")
	mustExec(t, db, "INSERT INTO t VALUES (1, 1)")
	mustExec(t, db, "INSERT INTO r VALUES (1)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	mustExec(t, tx, "INSERT INTO r VALUES (2)")
	if _, err := tx.Exec("INSERT INTO t VALUES (1, 1)"); failure(t, err).Code() != quorlite.CodeConstraint {
		t.Errorf("a conflict: %v", err)
	}
	mustExec(t, tx, "INSERT INTO r VALUES (3)")
	if _, err := tx.Exec("INSERT INTO r VALUES (1)"); failure(t, err).Code() != quorlite.CodeConstraint {
		t.Errorf("a conflict that rolls back: %v", err)
	}
	if _, err := tx.Exec("INSERT INTO r VALUES (4)"); err == nil {
		t.Error("a statement was executed after the transaction was lost")
	}
	if err := tx.Commit(); quorlite.VerdictOf(err) != quorlite.NotCommitted {
		t.Errorf("the commit of a lost transaction: %v", err)
	}
	mustExec(t, db, "INSERT INTO r VALUES (5)")
	if n := mustInt(t, db, "SELECT sum(n) FROM r"); n != 6 {
		t.Errorf("the sum is %d instead of 6", n)
	}
}

func testRunTx(t *testing.T, db *sql.DB) {
	mustExec(t, db, "INSERT INTO t VALUES (1, 0)")
	const workers, increments = 4, 20
	var done sync.WaitGroup
	for w := 0; w < workers; w++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for i := 0; i < increments; i++ {
				if err := driver.RunTx(context.Background(), db, increment); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	done.Wait()
	if n := mustInt(t, db, "SELECT v FROM t"); n != workers*increments {
		t.Errorf("%d increments gave %d", workers*increments, n)
	}
	mine := errors.New("mine")
	if err := driver.RunTx(within(t), db, func(*sql.Tx) error { return mine }); err != mine {
		t.Errorf("the error of the body became %v", err)
	}
}

func increment(tx *sql.Tx) error {
	var n int64
	if err := tx.QueryRow("SELECT v FROM t WHERE n = 1").Scan(&n); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE t SET v = ? WHERE n = 1", n+1)
	return err
}

// A connection that goes back to the pool inside a transaction gives its lock free.
func testLeftOpen(t *testing.T, db *sql.DB) {
	conn, err := db.Conn(within(t))
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, "BEGIN IMMEDIATE")
	mustExec(t, conn, "INSERT INTO t(v) VALUES (1)")
	conn.Close()
	mustExec(t, db, "INSERT INTO t(v) VALUES (2)")
	if n := mustInt(t, db, "SELECT count(*) FROM t"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// The leader is killed again and again under a load of inserts and counters. Nothing that was
// acknowledged is lost, nothing is done twice, and every verdict is true.
func TestKillTheLeader(t *testing.T) {
	cluster := nodes.Start(t)
	db := open(t, cluster, "failover.db")
	mustExec(t, db, "CREATE TABLE log (worker INT, n INT)")
	mustExec(t, db, "CREATE TABLE counter (n INT)")
	mustExec(t, db, "INSERT INTO counter VALUES (0)")
	mustExec(t, db, "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INT)")
	for id := 0; id < accounts; id++ {
		mustExec(t, db, "INSERT INTO account VALUES (?, ?)", id, balance)
	}
	load := &load{db: db, verdicts: map[[2]int]quorlite.Verdict{}}
	var done sync.WaitGroup
	for w := 0; w < 8; w++ {
		done.Add(1)
		go func(w int) {
			defer done.Done()
			load.run(t, w)
		}(w)
	}
	kills := 0
	for end := failoverEnd(t); kills < 3 || time.Now().Before(end); kills++ {
		load.progress(t)
		leader := cluster.Leader(t)
		leader.Kill(t)
		load.progress(t)
		leader.Start(t)
	}
	load.stop.Store(true)
	done.Wait()
	load.check(t)
	t.Logf("%d leaders were killed", kills)
}

// failoverEnd: three kills are not enough if $QUORLITE_FAILOVER_SECONDS asks for more.
func failoverEnd(t *testing.T) time.Time {
	text := os.Getenv("QUORLITE_FAILOVER_SECONDS")
	if text == "" {
		return time.Time{}
	}
	seconds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("QUORLITE_FAILOVER_SECONDS:", err)
	}
	return time.Now().Add(time.Duration(seconds) * time.Second)
}

const accounts, balance = 5, 100

type load struct {
	db       *sql.DB
	stop     atomic.Bool
	count    atomic.Int64
	reads    atomic.Int64
	commits  atomic.Int64
	doubts   atomic.Int64 // increments whose outcome is in doubt
	mu       sync.Mutex
	verdicts map[[2]int]quorlite.Verdict
}

func (l *load) run(t *testing.T, worker int) {
	work := []func(t *testing.T, worker, n int){l.insert, l.increment, l.transfer, l.read}[worker%4]
	for n := 0; !l.stop.Load(); n++ {
		work(t, worker, n)
		l.count.Add(1)
	}
}

func (l *load) insert(t *testing.T, worker, n int) {
	_, err := l.db.ExecContext(context.Background(), "INSERT INTO log VALUES (?, ?)", worker, n)
	l.note(t, worker, n, err)
}

func (l *load) increment(t *testing.T, _, _ int) {
	switch l.inTx(t, func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE counter SET n = n + 1")
		return err
	}) {
	case quorlite.Committed:
		l.commits.Add(1)
	case quorlite.InDoubt:
		l.doubts.Add(1)
	}
}

// transfer moves money in two steps: whoever sees only one of them sees another sum.
func (l *load) transfer(t *testing.T, worker, n int) {
	l.inTx(t, func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE account SET balance = balance - 1 WHERE id = ?", n%accounts)
		if err == nil {
			_, err = tx.Exec("UPDATE account SET balance = balance + 1 WHERE id = ?", (n+worker)%accounts)
		}
		return err
	})
}

func (l *load) inTx(t *testing.T, fn func(tx *sql.Tx) error) quorlite.Verdict {
	err := driver.RunTx(context.Background(), l.db, fn)
	verdict := quorlite.VerdictOf(err)
	if verdict == quorlite.NotCommitted {
		t.Errorf("a transaction that is safe to retry failed: %v", err)
	}
	return verdict
}

func (l *load) read(t *testing.T, _, _ int) {
	var sum int
	if err := l.db.QueryRow("SELECT sum(balance) FROM account").Scan(&sum); err != nil {
		t.Errorf("a read failed: %v", err)
	} else if sum != accounts*balance {
		t.Errorf("the sum was %d in the middle of transfers", sum)
	}
	l.reads.Add(1)
}

func (l *load) note(t *testing.T, worker, n int, err error) {
	verdict := quorlite.VerdictOf(err)
	if err != nil && verdict != quorlite.InDoubt {
		t.Errorf("an insert that is safe to retry failed: %v", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.verdicts[[2]int{worker, n}] = verdict
}

func (l *load) progress(t *testing.T) {
	t.Helper()
	target := l.count.Load() + 100
	nodes.Eventually(t, "progress", func() error {
		if now := l.count.Load(); now < target {
			return fmt.Errorf("%d of %d", now, target)
		}
		return nil
	})
}

func (l *load) check(t *testing.T) {
	found := map[[2]int]int{}
	list, err := l.db.Query("SELECT worker, n FROM log")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for list.Next() {
		var key [2]int
		if err := list.Scan(&key[0], &key[1]); err != nil {
			t.Fatal(err)
		}
		found[key]++
	}
	if list.Err() != nil {
		t.Fatal(list.Err())
	}
	doubts := 0
	for key, verdict := range l.verdicts {
		switch times := found[key]; {
		case verdict == quorlite.InDoubt && times <= 1:
			doubts++
		case verdict == quorlite.Committed && times == 1:
		default:
			t.Errorf("%v was %v and is there %d times", key, verdict, times)
		}
	}
	if sum := mustInt(t, l.db, "SELECT sum(balance) FROM account"); sum != accounts*balance {
		t.Errorf("the sum is %d", sum)
	}
	counter := mustInt(t, l.db, "SELECT n FROM counter")
	low, high := l.commits.Load(), l.commits.Load()+l.doubts.Load()
	if counter < low || counter > high {
		t.Errorf("the counter is %d after %d to %d increments", counter, low, high)
	}
	t.Logf("%d inserts, %d in doubt; %d to %d increments gave %d; %d reads", len(l.verdicts), doubts, low,
		high, counter, l.reads.Load())
}
