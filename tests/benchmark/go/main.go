// Our database/sql driver beside go-dqlite's, against the same three nodes in one run.
//
//	QUORLITED=build/release/engine/server/quorlited go run .
//
// The drivers take turns, round by round, so that a slow minute of the machine hurts both; the medians
// of the rounds are compared. It prints one line for each kind of work, with the ratio of their rates,
// and allocations for each row that is read.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"testing"
	"time"

	dqliteclient "github.com/canonical/go-dqlite/v3/client"
	dqlite "github.com/canonical/go-dqlite/v3/driver"

	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

// longText is what a statement of a real program looks like; to parse it takes longer than to run it.
const longText = "UPDATE t SET v = CASE WHEN ? > 10 THEN 'x' WHEN ? > 20 THEN 'y' ELSE v END, w = coalesce(?, w) " +
	"WHERE n IN (SELECT a.n FROM t AS a LEFT JOIN t AS b ON a.n = b.n AND b.v LIKE ? WHERE a.n = ? AND b.n < 0)"

var work = []struct {
	name string
	run  func(db *sql.DB, i int) error
}{
	{"point read", func(db *sql.DB, i int) error {
		var v string
		return db.QueryRow("SELECT v FROM t WHERE n = ?", i%1000+1).Scan(&v)
	}},
	{"single insert", func(db *sql.DB, i int) error {
		_, err := db.Exec("INSERT INTO log(v) VALUES (?)", i)
		return err
	}},
	{"repeated Exec", func(db *sql.DB, i int) error {
		_, err := db.Exec(longText, i, i, i, "%a%", i%1000+1)
		return err
	}},
}

func main() {
	rounds := flag.Int("rounds", 7, "how often each driver has its turn")
	span := flag.Duration("time", time.Second, "how long a turn is")
	testing.Init()
	flag.Parse()
	failed := true
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "benchmark", F: func(t *testing.T) { compare(t, *rounds, *span); failed = t.Failed() }}},
		nil, nil)
	if failed {
		os.Exit(1)
	}
}

func compare(t *testing.T, rounds int, span time.Duration) {
	cluster := nodes.Start(t)
	ours := sql.OpenDB(driver.NewConnector(cluster.Store(), "bench.db", driver.Config{}))
	defer ours.Close()
	theirs := openDqlite(t, cluster)
	defer theirs.Close()
	fill(t, ours)
	for _, kind := range work {
		var rates [2][]float64
		for round := 0; round < rounds; round++ {
			for i, db := range []*sql.DB{ours, theirs} {
				rates[i] = append(rates[i], rate(t, db, span, kind.run))
			}
		}
		a, b := median(rates[0]), median(rates[1])
		fmt.Printf("%-16s %9.0f/s   go-dqlite %9.0f/s   ratio %.2f\n", kind.name, a, b, a/b)
	}
	a, b := allocations(t, ours), allocations(t, theirs)
	fmt.Printf("%-16s %9.2f     go-dqlite %9.2f     ratio %.2f\n", "allocations/row", a, b, a/b)
}

func openDqlite(t *testing.T, cluster *nodes.Cluster) *sql.DB {
	store := dqliteclient.NewInmemNodeStore()
	known, err := cluster.Store().Get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var infos []dqliteclient.NodeInfo
	for _, node := range known {
		infos = append(infos, dqliteclient.NodeInfo{Address: node.Address})
	}
	_ = store.Set(context.Background(), infos) // memory does not fail
	quiet := func(dqliteclient.LogLevel, string, ...interface{}) {}
	opened, err := dqlite.New(store, dqlite.WithLogFunc(quiet))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := opened.OpenConnector("bench.db")
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}

func fill(t *testing.T, db *sql.DB) {
	for _, text := range []string{"CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT, w)",
		"CREATE TABLE log (n INTEGER PRIMARY KEY, v)",
		"WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20000) " +
			"INSERT INTO t SELECT n + 1000000, 'text of row ' || n, n FROM g",
		"INSERT INTO t SELECT n - 1000000, v, w FROM t WHERE n <= 1001000"} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
}

func rate(t *testing.T, db *sql.DB, span time.Duration, run func(*sql.DB, int) error) float64 {
	begin := time.Now()
	count := 0
	for ; time.Since(begin) < span; count++ {
		if err := run(db, count); err != nil {
			t.Fatal(err)
		}
	}
	return float64(count) / time.Since(begin).Seconds()
}

func median(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}

// allocations of reading one row, database/sql's own included.
func allocations(t *testing.T, db *sql.DB) float64 {
	const rows = 20000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found, err := db.Query("SELECT n, v FROM t WHERE n > 1000000")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	count := 0
	var n any
	var v string
	for found.Next() {
		if err := found.Scan(&n, &v); err != nil {
			t.Fatal(err)
		}
		count++
	}
	runtime.ReadMemStats(&after)
	if found.Err() != nil || count != rows {
		t.Fatalf("%d rows, %v", count, found.Err())
	}
	return float64(after.Mallocs-before.Mallocs) / rows
}
