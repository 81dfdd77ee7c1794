// A transaction that is run again as a whole where that is safe, and an honest word if nobody can know
// whether it was done.
//
//	accounts quorlite://127.0.0.1:9001/example
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"os"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/driver"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: accounts DSN")
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
	ctx := context.Background()
	if err := fill(ctx, db, 1000); err != nil {
		return err
	}
	fmt.Fprintln(out, 1000, "accounts")
	left, err := transfer(ctx, db, 1, 2, 30)
	if quorlite.VerdictOf(err) == quorlite.InDoubt {
		fmt.Fprintln(out, "look at the data:", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, left, "left")
	return nil
}

func fill(ctx context.Context, db *sql.DB, count int) error {
	return driver.RunTx(ctx, db, func(tx *sql.Tx) error {
		for _, text := range []string{
			"CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, amount INTEGER)",
			"DELETE FROM accounts",
		} {
			if _, err := tx.Exec(text); err != nil {
				return err
			}
		}
		for id := 0; id < count; id++ {
			if _, err := tx.Exec("INSERT INTO accounts VALUES (?, ?)", id, 100); err != nil {
				return err
			}
		}
		return nil
	})
}

func transfer(ctx context.Context, db *sql.DB, from, to, amount int64) (left int64, err error) {
	// It may run more than once, if the leader changes in the middle of it.
	err = driver.RunTx(ctx, db, func(tx *sql.Tx) error {
		const move = "UPDATE accounts SET amount = amount + ? WHERE id = ?"
		if _, err := tx.Exec(move, -amount, from); err != nil {
			return err
		}
		if _, err := tx.Exec(move, amount, to); err != nil {
			return err
		}
		return tx.QueryRow("SELECT amount FROM accounts WHERE id = ?", from).Scan(&left)
	})
	return left, err
}
