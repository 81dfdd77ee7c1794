// Notes in a replicated database: the first steps with database/sql.
//
//	notes quorlite://127.0.0.1:9001/notes.db "buy milk"
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
	if len(os.Args) < 2 {
		log.Fatal("usage: notes DSN [NOTE...]")
	}
	if err := run(os.Stdout, os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer, dsn string, notes []string) error {
	db, err := sql.Open("quorlite", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	const table = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT, at DATETIME)"
	if _, err := db.ExecContext(ctx, table); err != nil {
		return err
	}
	for _, note := range notes {
		const insert = "INSERT INTO note (text, at) VALUES (?, ?)"
		if _, err := db.ExecContext(ctx, insert, note, time.Now()); err != nil {
			return err
		}
	}
	rows, err := db.QueryContext(ctx, "SELECT id, text FROM note ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		fmt.Fprintf(out, "%d: %s\n", id, text)
	}
	return rows.Err()
}
