// Money that moves between accounts: a transaction that survives a change of the leader, and an
// honest word if nobody can know whether it was done.
//
//	transfer quorlite://127.0.0.1:9001/bank.db
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
		log.Fatal("usage: transfer DSN")
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
	err = driver.RunTx(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.Exec("CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, balance INT); " +
			"INSERT OR IGNORE INTO account VALUES (1, 100), (2, 0)")
		return err
	})
	if err != nil {
		return err
	}
	if err := transfer(ctx, db, 1, 2, 10); err != nil {
		if quorlite.VerdictOf(err) == quorlite.InDoubt {
			fmt.Fprintln(out, "look at the accounts before trying again")
		}
		return err
	}
	var first, second int64
	const balances = "SELECT (SELECT balance FROM account WHERE id = 1), " +
		"(SELECT balance FROM account WHERE id = 2)"
	if err := db.QueryRowContext(ctx, balances).Scan(&first, &second); err != nil {
		return err
	}
	fmt.Fprintln(out, first, second)
	return nil
}

func transfer(ctx context.Context, db *sql.DB, from, to, amount int64) error {
	return driver.RunTx(ctx, db, func(tx *sql.Tx) error {
		const move = "UPDATE account SET balance = balance + ? WHERE id = ?"
		if _, err := tx.Exec(move, -amount, from); err != nil {
			return err
		}
		_, err := tx.Exec(move, amount, to)
		return err
	})
}
