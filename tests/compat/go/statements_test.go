package compat

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v3/driver"
)

// Every subtest has a database of its own; the cluster is shared because none of them disturbs it.
func TestStatements(t *testing.T) {
	c := startCluster(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *sql.DB)
	}{
		{"exec and query", testExecAndQuery},
		{"several statements", testSeveralStatements},
		{"prepared", testPrepared},
		{"column types", testColumnTypes},
		{"dates and booleans", testDatesAndBooleans},
		{"parameters", testParameters},
		{"large blob", testLargeBlob},
		{"returning", testReturning},
		{"constraints", testConstraints},
		{"errors leave the connection usable", testErrorsLeaveConnectionUsable},
		{"large result", testLargeResult},
		{"early close", testEarlyClose},
		{"error in the middle of rows", testErrorInTheMiddle},
		{"abandoned statement", testAbandonedStatement},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, c.open(t, strings.ReplaceAll(test.name, " ", "-")+".db"))
		})
	}
	t.Run("registered driver", func(t *testing.T) { testRegisteredDriver(t, c) })
	t.Run("databases are apart", func(t *testing.T) { testDatabasesAreApart(t, c) })
}

func testExecAndQuery(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT)")
	for i, name := range []string{"Ada", "Grace", "Édith"} {
		result := mustExec(t, db, "INSERT INTO person (name) VALUES (?)", name)
		if id, _ := result.LastInsertId(); id != int64(i+1) {
			t.Errorf("last insert id %d, want %d", id, i+1)
		}
	}
	result := mustExec(t, db, "UPDATE person SET name = upper(name) WHERE id < ?", 3)
	if changed, _ := result.RowsAffected(); changed != 2 {
		t.Errorf("%d rows affected, want 2", changed)
	}
	rows, err := db.QueryContext(within(t, patience), "SELECT id, name FROM person ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if columns, _ := rows.Columns(); fmt.Sprint(columns) != "[id name]" {
		t.Errorf("columns %v", columns)
	}
	got := ""
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%d=%s ", id, name)
	}
	if want := "1=ADA 2=GRACE 3=Édith "; got != want || rows.Err() != nil {
		t.Errorf("got %q, want %q (%v)", got, want, rows.Err())
	}
}

func testRegisteredDriver(t *testing.T, c *cluster) {
	dqlite, err := driver.New(c.store(), driver.WithLogFunc(quiet))
	if err != nil {
		t.Fatal(err)
	}
	// A name can be registered once in a process, and this test may run more than once.
	name := fmt.Sprint("dqlite-", len(sql.Drivers()))
	sql.Register(name, dqlite)
	db, err := sql.Open(name, "registered.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(within(t, patience)); err != nil {
		t.Errorf("ping: %v", err)
	}
	if n := mustCount(t, db, "SELECT 42"); n != 42 {
		t.Errorf("got %d", n)
	}
}

func testSeveralStatements(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE a (n INT); CREATE TABLE b (n INT); INSERT INTO b VALUES (7)")
	if n := mustCount(t, db, "SELECT n FROM b"); n != 7 {
		t.Errorf("the third statement stored %d", n)
	}
	_, err := db.ExecContext(within(t, patience), "INSERT INTO a VALUES (1); INSERT INTO c VALUES (1)")
	if errorCode(err) != 1 || !strings.Contains(err.Error(), "no such table: c") {
		t.Errorf("the second statement gave %v", err)
	}
	if n := mustCount(t, db, "SELECT count(*) FROM a"); n != 1 {
		t.Errorf("the statement before the failing one left %d rows, want 1", n)
	}
}

func testPrepared(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE test (n INT, s TEXT)")
	ctx := within(t, patience)
	connection, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	insert, err := connection.PrepareContext(ctx, "INSERT INTO test (n, s) VALUES (?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	query, err := connection.PrepareContext(ctx, "SELECT s FROM test WHERE n = ?")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 100; i++ {
		if _, err := insert.ExecContext(ctx, i, fmt.Sprint("row ", i)); err != nil {
			t.Fatal(err)
		}
		var s string
		if err := query.QueryRowContext(ctx, i).Scan(&s); err != nil || s != fmt.Sprint("row ", i) {
			t.Fatalf("row %d: %q, %v", i, s, err)
		}
	}
	if _, err := insert.ExecContext(ctx, 1); err == nil {
		t.Error("one argument for two parameters was accepted")
	}
	if err := insert.Close(); err != nil {
		t.Errorf("finalize: %v", err)
	}
	// The freed statement slot is used again while the other statement stays alive.
	count, err := connection.PrepareContext(ctx, "SELECT count(*) FROM test")
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	if err := count.QueryRowContext(ctx).Scan(&rows); err != nil || rows != 100 {
		t.Errorf("%d rows, %v", rows, err)
	}
	var s string
	if err := query.QueryRowContext(ctx, 42).Scan(&s); err != nil || s != "row 42" {
		t.Errorf("the other statement gave %q, %v", s, err)
	}
	if _, err := connection.PrepareContext(ctx, "SELEC 1"); errorCode(err) != 1 {
		t.Errorf("a syntax error gave %v", err)
	}
}

func testColumnTypes(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE test (id INTEGER PRIMARY KEY, v)")
	blob := bytes.Repeat([]byte{0, 1, 2, 255}, 16384)
	for i, value := range []any{
		int64(0), int64(-1), int64(math.MaxInt64), int64(math.MinInt64),
		0.0, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1),
		"", "x", "1234567", "12345678", "ünïcødé ✓ \U0001F600", strings.Repeat("long ", 5000),
		[]byte{}, []byte{0}, []byte("1234567"), []byte("12345678"), blob, nil,
	} {
		mustExec(t, db, "INSERT INTO test (id, v) VALUES (?, ?)", i, value)
		var got any
		row := db.QueryRowContext(within(t, patience), "SELECT v FROM test WHERE id = ?", i)
		if err := row.Scan(&got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", value, value) {
			t.Errorf("value %d: sent %T %.40v, got %T %.40v", i, value, value, got, got)
		}
	}
	if n := mustCount(t, db, "SELECT count(*) FROM test WHERE v IS NULL"); n != 1 {
		t.Errorf("%d NULLs stored, want 1: an empty blob or text is not NULL", n)
	}
}

func testDatesAndBooleans(t *testing.T, db *sql.DB) {
	mustExec(t, db, `CREATE TABLE test (id INTEGER PRIMARY KEY,
		dt DATETIME, d DATE, ts TIMESTAMP, b BOOLEAN)`)
	moment := time.Date(2024, 2, 29, 23, 59, 58, 123456789, time.FixedZone("", 2*3600))
	mustExec(t, db, "INSERT INTO test VALUES (1, ?, ?, ?, ?)", moment, "2020-01-02",
		1700000000, true)
	mustExec(t, db, "INSERT INTO test VALUES (2, ?, ?, ?, ?)", nil, nil, nil, false)
	var dt, d, ts sql.NullTime
	var b bool
	read := func(id int) {
		t.Helper()
		row := db.QueryRowContext(within(t, patience), "SELECT dt, d, ts, b FROM test WHERE id=?", id)
		if err := row.Scan(&dt, &d, &ts, &b); err != nil {
			t.Fatal(err)
		}
	}
	read(1)
	if !dt.Time.Equal(moment) {
		t.Errorf("DATETIME %v, want %v", dt.Time, moment)
	}
	if want := time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC); !d.Time.Equal(want) {
		t.Errorf("DATE %v, want %v", d.Time, want)
	}
	if ts.Time.Unix() != 1700000000 || !b {
		t.Errorf("TIMESTAMP %v, BOOLEAN %v", ts.Time, b)
	}
	read(2)
	if dt.Valid || d.Valid || ts.Valid || b {
		t.Errorf("NULL dates are %v %v %v, false is %v", dt, d, ts, b)
	}
}

func testParameters(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE test (n INT)")
	for _, count := range []int{1, 2, 3, 4, 7, 8, 15, 16, 254, 255, 256, 1000, 32766} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			if count > 255 {
				skipOnDqlite(t, "no tuples with a 32-bit count")
			}
			arguments := make([]any, count)
			for i := range arguments {
				arguments[i] = i + 1
			}
			values := strings.TrimSuffix(strings.Repeat("(?),", count), ",")
			testParameterTuple(t, db, "VALUES "+values, arguments)
		})
	}
}

func testParameterTuple(t *testing.T, db *sql.DB, values string, arguments []any) {
	want := int64(len(arguments)) * int64(len(arguments)+1) / 2
	sum := "SELECT sum(column1) FROM (" + values + ")"
	if got := mustCount(t, db, sum, arguments...); got != want {
		t.Errorf("query: sum %d, want %d", got, want)
	}
	mustExec(t, db, "DELETE FROM test")
	mustExec(t, db, "INSERT INTO test "+values, arguments...)
	if got := mustCount(t, db, "SELECT sum(n) FROM test"); got != want {
		t.Errorf("exec: sum %d, want %d", got, want)
	}
	ctx := within(t, patience)
	query, err := db.PrepareContext(ctx, sum)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	var got int64
	if err := query.QueryRowContext(ctx, arguments...).Scan(&got); err != nil || got != want {
		t.Errorf("prepared query: sum %d, want %d: %v", got, want, err)
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO test "+values)
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	if _, err := insert.ExecContext(ctx, arguments...); err != nil {
		t.Fatal(err)
	}
	if got := mustCount(t, db, "SELECT sum(n) FROM test"); got != 2*want {
		t.Errorf("prepared exec: sum %d, want %d", got, 2*want)
	}
}

func testLargeBlob(t *testing.T, db *sql.DB) {
	mustExec(t, db, "CREATE TABLE test (v BLOB)")
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	mustExec(t, db, "INSERT INTO test VALUES (?)", sent)
	var got []byte
	row := db.QueryRowContext(within(t, patience), "SELECT v FROM test")
	if err := row.Scan(&got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("sent %d bytes, got %d: %v", len(sent), len(got), err)
	}
}

func testReturning(t *testing.T, db *sql.DB) {
	skipOnDqlite(t, "a query that writes is not replicated")
	mustExec(t, db, "CREATE TABLE test (id INTEGER PRIMARY KEY, n INT)")
	if id := mustCount(t, db, "INSERT INTO test (n) VALUES (5) RETURNING id"); id != 1 {
		t.Errorf("returned id %d", id)
	}
	if n := mustCount(t, db, "UPDATE test SET n = n + 1 RETURNING n"); n != 6 {
		t.Errorf("returned n %d", n)
	}
	if n := mustCount(t, db, "SELECT n FROM test WHERE id = 1"); n != 6 {
		t.Errorf("stored n %d", n)
	}
}

func testConstraints(t *testing.T, db *sql.DB) {
	mustExec(t, db, `CREATE TABLE parent (id INTEGER PRIMARY KEY);
		CREATE TABLE test (k TEXT PRIMARY KEY, u INT UNIQUE, v INT NOT NULL CHECK (v > 0),
			p INT REFERENCES parent (id))`)
	mustExec(t, db, "INSERT INTO test VALUES ('a', 1, 1, NULL)")
	for _, violation := range []struct {
		code    int
		message string
		values  string
	}{
		{1555, "UNIQUE constraint failed: test.k", "('a', 2, 1, NULL)"},
		{2067, "UNIQUE constraint failed: test.u", "('b', 1, 1, NULL)"},
		{1299, "NOT NULL constraint failed: test.v", "('b', 2, NULL, NULL)"},
		{275, "CHECK constraint failed: v > 0", "('b', 2, -1, NULL)"},
		{787, "FOREIGN KEY constraint failed", "('b', 2, 1, 99)"},
	} {
		_, err := db.ExecContext(within(t, patience), "INSERT INTO test VALUES "+violation.values)
		if errorCode(err) != violation.code || err.Error() != violation.message {
			t.Errorf("%s: got %d %v, want %d %s", violation.values, errorCode(err), err,
				violation.code, violation.message)
		}
	}
	if n := mustCount(t, db, "SELECT count(*) FROM test"); n != 1 {
		t.Errorf("%d rows after failed inserts, want 1", n)
	}
}

func testErrorsLeaveConnectionUsable(t *testing.T, db *sql.DB) {
	ctx := within(t, patience)
	connection, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	for _, wrong := range []struct {
		sql, message string
	}{
		{"SELECT FROM", "syntax error"},
		{"SELECT * FROM nowhere", "no such table: nowhere"},
		{"SELECT no_such_thing(1)", "no such function: no_such_thing"},
		{"ROLLBACK", "no transaction is active"},
	} {
		_, err := connection.ExecContext(ctx, wrong.sql)
		if errorCode(err) != 1 || !strings.Contains(err.Error(), wrong.message) {
			t.Errorf("%s: got %d %v", wrong.sql, errorCode(err), err)
		}
		if n := mustCount(t, connection, "SELECT 42"); n != 42 {
			t.Errorf("after %s: %d", wrong.sql, n)
		}
	}
}

// 200,000 rows of known sum: many batches.
const manyRows = `WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200000)
	SELECT n, 'some text to fill the batch ' || n FROM c`

func testLargeResult(t *testing.T, db *sql.DB) {
	rows, err := db.QueryContext(within(t, patience), manyRows)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	want := int64(0)
	for rows.Next() {
		want++
		var n int64
		var s string
		if err := rows.Scan(&n, &s); err != nil {
			t.Fatal(err)
		}
		if n != want || s != fmt.Sprint("some text to fill the batch ", n) {
			t.Fatalf("row %d holds %d %q", want, n, s)
		}
	}
	if rows.Err() != nil || want != 200000 {
		t.Errorf("%d rows, %v", want, rows.Err())
	}
}

func testEarlyClose(t *testing.T, db *sql.DB) {
	ctx := within(t, patience)
	connection, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	for _, taken := range []int{0, 1, 100, 5000} {
		rows, err := connection.QueryContext(ctx, manyRows)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < taken; i++ {
			if !rows.Next() {
				t.Fatalf("row %d is missing: %v", i, rows.Err())
			}
		}
		if err := rows.Close(); err != nil {
			t.Errorf("close after %d rows: %v", taken, err)
		}
		if n := mustCount(t, connection, "SELECT ?", taken); n != int64(taken) {
			t.Errorf("the next query on the connection gave %d, want %d", n, taken)
		}
	}
}

func testErrorInTheMiddle(t *testing.T, db *sql.DB) {
	ctx := within(t, patience)
	connection, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	rows, err := connection.QueryContext(ctx, `WITH RECURSIVE c (n) AS
		(SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
		SELECT abs(CASE n WHEN 10000 THEN -9223372036854775808 ELSE n END) FROM c`)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for rows.Next() {
		seen++
	}
	err = rows.Err()
	rows.Close()
	if err == nil || seen >= 10000 {
		t.Errorf("%d rows, error %v: the error at row 10000 is lost", seen, err)
	}
	if n := mustCount(t, connection, "SELECT 42"); n != 42 {
		t.Errorf("the next query on the connection gave %d", n)
	}
	skipOnDqlite(t, "the code and text of a failure in the middle of rows are garbled")
	if errorCode(err) != 1 || err.Error() != "integer overflow" {
		t.Errorf("got %d %v", errorCode(err), err)
	}
}

// A client that gives up its endless statement must not keep anybody else waiting.
func testAbandonedStatement(t *testing.T, db *sql.DB) {
	skipOnDqlite(t, "a running statement cannot be stopped and blocks the node")
	mustExec(t, db, "CREATE TABLE test (n INT)")
	short, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var abandoned sync.WaitGroup
	abandoned.Add(1)
	go func() {
		defer abandoned.Done()
		var n int64
		row := db.QueryRowContext(short, `WITH RECURSIVE c (n) AS
			(SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c`)
		if row.Scan(&n) == nil {
			t.Error("an endless statement ended")
		}
	}()
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		began := time.Now()
		mustExec(t, db, "INSERT INTO test VALUES (1)")
		if took := time.Since(began); took > time.Second {
			t.Errorf("an insert next to an endless statement took %v", took)
		}
	}
	abandoned.Wait()
}

func testDatabasesAreApart(t *testing.T, c *cluster) {
	for _, name := range []string{"one", "two.db", "dir/three", "vier?x=1", "ünf"} {
		db := c.open(t, name)
		mustExec(t, db, "CREATE TABLE test (name TEXT)")
		mustExec(t, db, "INSERT INTO test VALUES (?)", name)
		var got string
		row := db.QueryRowContext(within(t, patience), "SELECT group_concat(name) FROM test")
		if err := row.Scan(&got); err != nil || got != name {
			t.Errorf("database %q holds %q: %v", name, got, err)
		}
	}
}
