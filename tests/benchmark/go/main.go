// Our database/sql driver beside go-dqlite's, against the same three nodes in one run.
//
//	QUORLITED=build/release/engine/server/quorlited go run .
//	DQLITE_NODE=build/release/tests/benchmark/dqlite_node go run . -server dqlite
//
// or both by tests/run go-bench.
//
// The drivers take short turns, so that a slow minute of the machine hurts both. It prints one line for
// each kind of work: the medians of the turns, and the median of the ratios of neighbouring turns, which
// is held against a goal for one goroutine. With -strict a goal that is missed is a failure.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dqliteclient "github.com/canonical/go-dqlite/v3/client"
	dqlite "github.com/canonical/go-dqlite/v3/driver"

	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

const (
	insert = "INSERT INTO log(v) VALUES (?)"
	// What a statement of a real program looks like; to parse it takes longer than to run it. It
	// changes nothing, so no disk is waited for. (SQLite parses a prepared LIKE ? each time anyway.)
	update = "UPDATE t SET v = CASE WHEN ? > 10 THEN 'x' WHEN ? > 20 THEN 'y' ELSE v END, " +
		"w = coalesce(?, w) WHERE n IN (SELECT a.n FROM t AS a LEFT JOIN t AS b ON a.n = b.n " +
		"AND b.v LIKE '%a%' WHERE a.n = ? AND b.n < 0)"
	// Statements that a program uses in turn: more than a Quorlite node remembers by their texts for
	// one connection (16), fewer than this client keeps prepared (64). dqlite remembers none.
	texts = 32
	// Executions in one transaction.
	batch = 100
	// Of the result that is read to count allocations.
	resultRows = 20000
	// A ratio that is smaller than its goal by this part of it may be chance.
	noise = 0.03
)

var updates = func() (all [texts]string) {
	for i := range all {
		all[i] = fmt.Sprintf("%s AND %d > 0", update, i)
	}
	return all
}()

// work is what one goroutine does once; it gives the number of operations that this was.
var work = []struct {
	name       string
	goroutines []int
	goal       float64 // times go-dqlite's rate, with one goroutine; 0: none
	run        func(db *sql.DB, i int) (int, error)
}{
	{"point read", []int{1, 16}, 1, func(db *sql.DB, i int) (int, error) {
		var v string
		return 1, db.QueryRow("SELECT v FROM t WHERE n = ?", i%1000+1).Scan(&v)
	}},
	{"insert", []int{1, 16}, 1, func(db *sql.DB, i int) (int, error) {
		_, err := db.Exec(insert, i)
		return 1, err
	}},
	{"insert in a transaction", []int{1}, 0, func(db *sql.DB, i int) (int, error) {
		tx, err := db.Begin()
		if err != nil {
			return 0, err
		}
		defer tx.Rollback() // does nothing after a commit
		for n := 0; n < batch; n++ {
			if _, err := tx.Exec(insert, n); err != nil {
				return 0, err
			}
		}
		return batch, tx.Commit()
	}},
	{"update of nothing", []int{1, 16}, 1.5, func(db *sql.DB, i int) (int, error) {
		_, err := db.Exec(update, i, i, i, i%1000+1)
		return 1, err
	}},
	{fmt.Sprintf("%d such updates in turn", texts), []int{1, 16}, 1.5, func(db *sql.DB, i int) (int, error) {
		_, err := db.Exec(updates[i%texts], i, i, i, i%1000+1)
		return 1, err
	}},
}

func main() {
	server := flag.String("server", "quorlite", "quorlite or dqlite")
	rounds := flag.Int("rounds", 25, "how often each driver has its turn")
	turn := flag.Duration("turn", 100*time.Millisecond, "how long a turn is")
	only := flag.String("only", "", "only the work whose name contains this")
	strict := flag.Bool("strict", false, "fail if a goal is missed")
	testing.Init()
	flag.Parse()
	failed := true
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "benchmark", F: func(t *testing.T) {
			cluster := startCluster(t, *server)
			reached := compare(t, cluster, *only, *rounds, *turn)
			failed = t.Failed() || (*strict && !reached)
		}}}, nil, nil)
	if failed {
		os.Exit(1)
	}
}

func startCluster(t *testing.T, server string) *nodes.Cluster {
	switch server {
	case "quorlite":
		return nodes.Start(t)
	case "dqlite":
		return nodes.StartDqlite(t)
	}
	t.Fatalf("-server is quorlite or dqlite, not %q", server)
	return nil
}

// compare tells whether all goals were reached.
func compare(t *testing.T, cluster *nodes.Cluster, only string, rounds int, turn time.Duration) bool {
	reached := true
	verdict := func(ok bool) string {
		reached = reached && ok
		return map[bool]string{true: "ok", false: "MISSED"}[ok]
	}
	ours := sql.OpenDB(driver.NewConnector(cluster.Store(), "bench.db", driver.Config{}))
	defer ours.Close()
	theirs := openDqlite(t, cluster)
	defer theirs.Close()
	fill(t, ours)
	for _, kind := range work {
		if !strings.Contains(kind.name, only) {
			continue
		}
		for _, goroutines := range kind.goroutines {
			var a, b, ratios []float64
			for round := 0; round <= rounds; round++ {
				x := rate(t, ours, goroutines, turn, kind.run)
				y := rate(t, theirs, goroutines, turn, kind.run)
				if round > 0 { // the first connects
					a, b, ratios = append(a, x), append(b, y), append(ratios, x/y)
				}
			}
			ratio, goal := median(ratios), ""
			if goroutines == 1 && kind.goal > 0 {
				goal = fmt.Sprintf("   goal %.1f %s", kind.goal, verdict(ratio >= kind.goal*(1-noise)))
			}
			fmt.Printf("%-24s %2d goroutines %9.0f/s   go-dqlite %9.0f/s   ratio %.2f%s\n", kind.name,
				goroutines, median(a), median(b), ratio, goal)
		}
	}
	a, b := allocations(t, ours), allocations(t, theirs)
	fmt.Printf("%-38s %9.2f     go-dqlite %9.2f     ratio %.2f   goal 0.5 %s\n",
		"allocations for each row read", a, b, a/b, verdict(a/b <= 0.5))
	return reached
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
		fmt.Sprintf("WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) "+
			"INSERT INTO t SELECT n + 1000000, 'text of row ' || n, n FROM g", resultRows),
		"INSERT INTO t SELECT n - 1000000, v, w FROM t WHERE n <= 1001000"} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
}

// rate is what so many goroutines do in a second, each on a connection of its own.
func rate(t *testing.T, db *sql.DB, goroutines int, turn time.Duration,
	run func(*sql.DB, int) (int, error)) float64 {
	db.SetMaxOpenConns(goroutines)
	db.SetMaxIdleConns(goroutines)
	var count atomic.Int64
	var done sync.WaitGroup
	begin := time.Now()
	for g := 0; g < goroutines; g++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for i := 0; time.Since(begin) < turn; i++ {
				n, err := run(db, i)
				switch {
				case err == nil:
					count.Add(int64(n))
				case !isBusy(err): // go-dqlite leaves it to the program to try again
					t.Error(err)
					return
				}
			}
		}()
	}
	done.Wait()
	return float64(count.Load()) / time.Since(begin).Seconds()
}

func isBusy(err error) bool {
	var refused dqlite.Error
	return errors.As(err, &refused) && refused.Code == dqlite.ErrBusy
}

func median(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}

// allocations of reading one row, database/sql's own included.
func allocations(t *testing.T, db *sql.DB) float64 {
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
	if found.Err() != nil || count != resultRows {
		t.Fatalf("%d rows, %v", count, found.Err())
	}
	return float64(after.Mallocs-before.Mallocs) / resultRows
}
