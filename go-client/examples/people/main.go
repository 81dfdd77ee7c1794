// The first steps: connect, write, read.
//
//	people quorlite://127.0.0.1:9001/example
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	quorlite "github.com/quorlite/quorlite/go-client"
	_ "github.com/quorlite/quorlite/go-client/driver"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: people DSN")
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
	for _, text := range []string{
		"CREATE TABLE IF NOT EXISTS people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)",
		"DELETE FROM people",
	} {
		if _, err := db.Exec(text); err != nil {
			return err
		}
	}
	if _, err := db.Exec("INSERT INTO people (name, age) VALUES (?, ?)", "Ada", 36); err != nil {
		return err
	}
	_, err = db.Exec("INSERT INTO people (name, age) VALUES (:name, :age)",
		sql.Named("name", "Alan"), sql.Named("age", nil))
	if err != nil {
		return err
	}
	if err := list(out, db); err != nil {
		return err
	}
	_, err = db.Exec("INSERT INTO people (id) VALUES (1)")
	var failure *quorlite.Error
	if errors.As(err, &failure) && failure.Code() == quorlite.CodeConstraint {
		fmt.Fprintln(out, failure.Message)
	}
	var count int
	if err := db.QueryRow("SELECT count(*) FROM people").Scan(&count); err != nil {
		return err
	}
	fmt.Fprintln(out, count, "people")
	return nil
}

func list(out io.Writer, db *sql.DB) error {
	rows, err := db.Query("SELECT name, age FROM people ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var age sql.NullInt64
		if err := rows.Scan(&name, &age); err != nil {
			return err
		}
		if age.Valid {
			fmt.Fprintln(out, name, age.Int64)
		} else {
			fmt.Fprintln(out, name, "unknown")
		}
	}
	return rows.Err()
}
