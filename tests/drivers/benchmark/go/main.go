// Command main measures go-dqlite's driver: point reads on one connection, and rows inserted one by one
// with a prepared statement in a transaction, which is how that driver inserts in bulk.
// Usage: main reads|bulk COUNT ADDRESS... ; prints how many per second.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/canonical/go-dqlite/v3/client"
	"github.com/canonical/go-dqlite/v3/driver"
)

const rowsRead = 10000

func open(addresses []string) *sql.DB {
	store := client.NewInmemNodeStore()
	nodes := []client.NodeInfo{}
	for i, address := range addresses {
		nodes = append(nodes, client.NodeInfo{ID: uint64(i + 1), Address: address})
	}
	if err := store.Set(context.Background(), nodes); err != nil {
		log.Fatal(err)
	}
	dqlite, err := driver.New(store)
	if err != nil {
		log.Fatal(err)
	}
	sql.Register("dqlite-benchmark", dqlite)
	db, err := sql.Open("dqlite-benchmark", "benchmark")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// The faster of the driver's two ways: a prepared statement.
func reads(db *sql.DB, count int) {
	statement, err := db.Prepare("SELECT name FROM read WHERE id = ?")
	if err != nil {
		log.Fatal(err)
	}
	var name string
	for i := 0; i < count; i++ {
		if err := statement.QueryRow(i % rowsRead).Scan(&name); err != nil {
			log.Fatal(err)
		}
	}
}

func bulk(db *sql.DB, count int) {
	if _, err := db.Exec("DELETE FROM bulk_go"); err != nil {
		log.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		log.Fatal(err)
	}
	statement, err := tx.Prepare("INSERT INTO bulk_go(id, name) VALUES(?, ?)")
	if err != nil {
		log.Fatal(err)
	}
	for i := 0; i < count; i++ {
		if _, err := statement.Exec(i, "a name of a row"); err != nil {
			log.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		log.Fatal(err)
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	db := open(os.Args[3:])
	if err := db.Ping(); err != nil {
		log.Fatal(err)
	}
	begin := time.Now()
	if os.Args[1] == "reads" {
		reads(db, count)
	} else {
		bulk(db, count)
	}
	fmt.Println(float64(count) / time.Since(begin).Seconds())
}
