// Goroutines that write at the same time, under one deadline, and rows as a stream.
//
//	parallel quorlite://127.0.0.1:9001/example
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	_ "github.com/quorlite/quorlite/go-client/driver"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: parallel DSN")
	}
	if err := run(os.Stdout, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer, dsn string) error {
	db, err := sql.Open("quorlite", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, text := range []string{"CREATE TABLE IF NOT EXISTS numbers (n INTEGER)", "DELETE FROM numbers"} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	if err := insert(ctx, db, 5); err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, "SELECT n FROM numbers WHERE n > ?", 2)
	if err != nil {
		return err
	}
	defer rows.Close()
	sum := 0
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return err
		}
		sum += n
	}
	fmt.Fprintln(out, "sum", sum)
	return rows.Err()
}

// insert inserts each number from 1 to last on its own. Many at once share the waits for the disks.
func insert(ctx context.Context, db *sql.DB, last int) error {
	failures := make(chan error, last)
	for n := 1; n <= last; n++ {
		go func(n int) {
			_, err := db.ExecContext(ctx, "INSERT INTO numbers VALUES (?)", n)
			failures <- err
		}(n)
	}
	var first error
	for n := 1; n <= last; n++ {
		if err := <-failures; err != nil && first == nil {
			first = err
		}
	}
	return first
}
