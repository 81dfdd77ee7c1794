package driver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/fake"
)

func openFake(server *fake.Server) *sql.DB {
	config := driver.Config{Config: client.Config{Dial: server.Dial, Timeout: 10 * time.Second,
		PauseMin: time.Microsecond, PauseMax: time.Millisecond}}
	db := sql.OpenDB(driver.NewConnector(client.NewListStore(fake.Address), "db", config))
	db.SetMaxOpenConns(1)
	return db
}

func insertTwice(db *sql.DB) error { // the second time it is prepared
	for i := 0; i < 3; i++ {
		if _, err := db.Exec("INSERT row"); err != nil {
			return err
		}
	}
	return nil
}

func readRows(db *sql.DB) error {
	found, err := db.Query("SELECT n")
	if err != nil {
		return err
	}
	defer found.Close()
	count := 0
	for found.Next() {
		count++
	}
	if found.Err() == nil && count != 3 {
		return fmt.Errorf("%d rows and no error", count)
	}
	return found.Err()
}

func insertInTx(tx *sql.Tx) error {
	_, err := tx.Exec("INSERT row")
	return err
}

// beside inserts a row before a statement that breaks a constraint, and `after` behind it.
func beside(db *sql.DB, conflict string, after func(tx *sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := insertInTx(tx); err != nil {
		return err
	}
	_, err = tx.Exec(conflict)
	var failure *quorlite.Error
	if !errors.As(err, &failure) || failure.ExtendedCode != quorlite.CodeUnique {
		return err
	}
	return after(tx)
}

func insertAndCommit(tx *sql.Tx) error {
	if err := insertInTx(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func findLost(tx *sql.Tx) error {
	if insertInTx(tx) == nil {
		return errors.New("a statement was executed outside of the transaction that it belongs to")
	}
	if err := tx.Commit(); quorlite.VerdictOf(err) != quorlite.NotCommitted {
		return fmt.Errorf("the commit of a lost transaction: %w", err)
	}
	return nil
}

// Every step of the client's I/O fails in turn, in every way. Whatever happens, an error tells the
// truth about the work, what is safe to repeat does not fail at all, and the next operation works.
func TestEveryStepFails(t *testing.T) {
	for _, operation := range []struct {
		name string
		do   func(db *sql.DB) error
		rows int // that it inserts
		safe bool
	}{
		{"exec", insertTwice, 3, false},
		{"query", readRows, 0, false}, // rows that were given out cannot be taken back
		{"ping", func(db *sql.DB) error { return db.Ping() }, 0, true},
		{"prepare", func(db *sql.DB) error {
			statement, err := db.Prepare("INSERT row")
			if err != nil {
				return err
			}
			defer statement.Close()
			_, err = statement.Exec()
			return err
		}, 1, false},
		{"idempotent", func(db *sql.DB) error {
			_, err := db.ExecContext(quorlite.Idempotent(context.Background()), "UPDATE x")
			return err
		}, 0, true},
		{"transaction", func(db *sql.DB) error {
			return driver.RunTx(context.Background(), db, insertInTx)
		}, 1, false},
		{"rolled back", func(db *sql.DB) error {
			tx, err := db.Begin()
			if err != nil {
				return err
			}
			_, err = tx.Exec("INSERT row")
			if rolling := tx.Rollback(); err == nil {
				err = rolling
			}
			return err
		}, 0, false},
		{"conflict", func(db *sql.DB) error {
			return beside(db, "CONFLICT", insertAndCommit)
		}, 2, false},
		{"conflict that rolls back", func(db *sql.DB) error {
			return beside(db, "CONFLICT ROLLBACK", findLost)
		}, 0, false},
		{"read only", func(db *sql.DB) error {
			options := &sql.TxOptions{ReadOnly: true}
			return driver.RunTxWith(context.Background(), db, options, func(*sql.Tx) error { return nil })
		}, 0, false},
	} {
		for kind := 0; kind < fake.Kinds; kind++ {
			for step := 1; ; step++ {
				server := fake.New(step, kind)
				db := openFake(server)
				err := operation.do(db)
				failed := server.Failed()
				name := fmt.Sprintf("%s, step %d, kind %d", operation.name, step, kind)
				checkStep(t, name, err, server.Applied("row"), operation.rows, operation.safe)
				if _, err := db.Exec("INSERT after"); failed && err != nil {
					t.Errorf("%s: the next operation: %v", name, err)
				}
				db.Close()
				if !failed {
					if err != nil {
						t.Errorf("%s: %v without any failure", name, err)
					}
					break
				}
			}
		}
	}
}

func checkStep(t *testing.T, name string, err error, applied, rows int, safe bool) {
	t.Helper()
	var failure *quorlite.Error
	switch {
	case applied > rows:
		t.Errorf("%s: %d rows instead of %d", name, applied, rows)
	case err == nil && applied != rows:
		t.Errorf("%s: no error, and %d rows instead of %d", name, applied, rows)
	case err == nil:
	case safe:
		t.Errorf("%s: is safe to repeat, and failed: %v", name, err)
	case !errors.As(err, &failure):
		t.Errorf("%s: %v has no verdict", name, err)
	case failure.Verdict() == quorlite.NotCommitted && rows == 1 && applied != 0:
		t.Errorf("%s: %v, and it was committed", name, err)
	case failure.Verdict() == quorlite.Committed:
		t.Errorf("%s: %v, which is none of the verdicts here", name, err)
	}
}

// A transaction that was run again after an attempt in doubt is in doubt for good: the first attempt
// may have been committed, whatever happens to the second.
func TestDoubtRemains(t *testing.T) {
	refused := &quorlite.Error{Kind: quorlite.SQL, Outcome: quorlite.NotCommitted}
	committed := 0
	for step := 1; ; step++ {
		server := fake.New(step, fake.After)
		db := openFake(server)
		runs := 0
		err := driver.RunTx(quorlite.Idempotent(context.Background()), db, func(tx *sql.Tx) error {
			if runs++; runs > 1 {
				failed := *refused
				return &failed
			}
			return insertInTx(tx)
		})
		db.Close()
		if !server.Failed() {
			break
		}
		if applied := server.Applied("row"); applied > 0 && runs > 1 {
			committed++
			if quorlite.VerdictOf(err) != quorlite.InDoubt {
				t.Errorf("step %d: %v after a commit", step, err)
			}
		}
	}
	if committed == 0 {
		t.Error("no commit was in doubt")
	}
}
