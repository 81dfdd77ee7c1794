package driver_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/fake"
	"github.com/quorlite/quorlite/go-client/wire"
)

// One connection to a server that is reached over TCP.
func openTCP(t *testing.T, server *fake.Server, config driver.Config) *sql.DB {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Listen(t, listener)
	db := sql.OpenDB(driver.NewConnector(client.NewListStore(server.Name), "db", config))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

// A text that comes again costs one message each way, and is not parsed again.
func TestStatementCache(t *testing.T) {
	server := fake.New(0, 0)
	db := openTCP(t, server, driver.Config{})
	mustExec(t, db, "UPDATE x")
	server.Asked()
	for i := 0; i < 3; i++ {
		mustExec(t, db, "INSERT row")
	}
	want := []wire.Request{
		wire.ExecSQL{SQL: "INSERT row"},
		wire.Prepare{SQL: "INSERT row"}, wire.Exec{},
		wire.Exec{},
	}
	if got := server.Asked(); !reflect.DeepEqual(got, want) {
		t.Errorf("asks\n%+v instead of\n%+v", got, want)
	}
}

// What a node closes while nobody uses it is no failure of what comes next, even if that may not be
// repeated.
func TestConnectionClosedWhileIdle(t *testing.T) {
	server := fake.New(0, 0)
	db := openTCP(t, server, driver.Config{})
	for i := 0; i < 3; i++ {
		mustExec(t, db, "INSERT row")
		server.HangUp()
		time.Sleep(10 * time.Millisecond) // for the kernel to say so
	}
	if n := server.Applied("row"); n != 3 {
		t.Errorf("%d rows", n)
	}
}

// A context that ends while the list of nodes is read leaves nothing behind that the next statement
// would take for its answer.
func TestRefreshIsCancelled(t *testing.T) {
	server := fake.New(0, 0)
	db := openTCP(t, server, driver.Config{Config: client.Config{RefreshInterval: time.Nanosecond}})
	mustExec(t, db, "UPDATE x")
	release := server.HoldMembers()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "INSERT row"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("in the middle of it: %v", err)
	}
	release()
	time.Sleep(10 * time.Millisecond) // for the late answer
	mustExec(t, db, "INSERT row")
	if n := server.Applied("row"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// A statement that ends every node that executes it does not go round the cluster by itself, nor does
// a transaction that has it.
func TestAStatementThatBreaksConnectionsIsNotSentAThirdTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server := fake.New(0, 0)
	db := openTCP(t, server, driver.Config{StatementCache: -1})
	mustExec(t, db, "UPDATE x")
	var times atomic.Int32
	server.Silence("INSERT row", func() {
		times.Add(1)
		go server.HangUp()
	})
	_, err := db.ExecContext(quorlite.Idempotent(ctx), "INSERT row")
	var failure *quorlite.Error
	if !errors.As(err, &failure) || failure.MayRetry || failure.Kind != quorlite.Connection {
		t.Errorf("a statement: %v", err)
	}
	if sent := times.Load(); sent != 2 {
		t.Errorf("a statement was sent %d times", sent)
	}
	times.Store(0)
	err = driver.RunTx(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT row")
		return err
	})
	if run := times.Load(); err == nil || run != 2 {
		t.Errorf("a transaction was run %d times: %v", run, err)
	}
	server.Silence("", nil)
	mustExec(t, db, "INSERT row")
}

// A node that does not answer is not waited for once the context has ended, whatever it was asked.
func TestSilentNode(t *testing.T) {
	const muchLater = 20 * time.Second // and less than the timeout of the client
	config := driver.Config{Config: client.Config{InterruptTimeout: 100 * time.Millisecond}}
	for _, silent := range []string{"BEGIN", "INSERT row", "COMMIT", "ROLLBACK"} {
		server := fake.New(0, 0)
		db := openTCP(t, server, config)
		mustExec(t, db, "UPDATE x") // to be connected
		ctx, cancel := context.WithCancel(context.Background())
		server.Silence(silent, cancel)
		began := time.Now()
		verdict, err := transact(ctx, db, silent == "ROLLBACK")
		cancel()
		if took := time.Since(began); took > muchLater {
			t.Errorf("%s was waited for for %v", silent, took)
		}
		switch {
		case silent == "COMMIT" && (verdict != quorlite.InDoubt || !errors.Is(err, context.Canceled)):
			t.Errorf("%s: %v", silent, err)
		case (silent == "BEGIN" || silent == "INSERT row") && verdict != quorlite.NotCommitted:
			t.Errorf("%s: %v", silent, err)
		case silent == "ROLLBACK" && err != nil:
			t.Errorf("%s: %v", silent, err) // what the node has lost is rolled back as well
		}
		mustExec(t, db, "INSERT after")
		if n := server.Applied("after"); n != 1 {
			t.Errorf("%s: %d rows afterwards", silent, n)
		}
	}
}

func transact(ctx context.Context, db *sql.DB, rollBack bool) (quorlite.Verdict, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err == nil {
		_, err = tx.ExecContext(ctx, "INSERT row")
	}
	switch {
	case err != nil && tx != nil:
		_ = tx.Rollback() // of what has failed
	case err == nil && rollBack:
		err = tx.Rollback()
	case err == nil:
		err = tx.Commit()
	}
	return quorlite.VerdictOf(err), err
}

// Whatever a server answers to a statement ends as a result or as an error.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []wire.Response{wire.Result{RowsAffected: 1}, wire.Failure{Code: 5, Message: "busy"},
		wire.Stmt{ID: 1, Parameters: 1}, wire.Empty{},
		wire.Rows{Columns: []string{"a"}, Rows: [][]wire.Value{{wire.TextValue("x")}}, More: true}} {
		message, err := wire.AppendResponse(nil, answer)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(message, message...))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		dial := func(context.Context, string) (net.Conn, error) {
			near, far := net.Pipe()
			go babble(far, answer)
			return near, nil
		}
		config := driver.Config{Config: client.Config{Dial: dial, Timeout: 20 * time.Millisecond,
			InterruptTimeout: 10 * time.Millisecond, PauseMin: time.Millisecond}}
		db := sql.OpenDB(driver.NewConnector(client.NewListStore(fake.Address), "db", config))
		defer db.Close()
		for i := 0; i < 2; i++ {
			_, _ = db.Exec("INSERT INTO t VALUES (?)", 1)
		}
		found, err := db.Query("SELECT a FROM t")
		if err != nil {
			return
		}
		defer found.Close()
		_, _ = found.ColumnTypes()
		for n := 0; found.Next(); n++ {
			columns, _ := found.Columns()
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			_ = found.Scan(values...)
		}
	})
}

// babble lets a client connect and open a database, answers one request with anything, and hangs up.
func babble(client net.Conn, answer []byte) {
	defer client.Close()
	greeting, _ := wire.AppendResponse(nil, wire.Server{ID: 1, Address: fake.Address})
	members, _ := wire.AppendResponse(nil, wire.Servers{Format: 1})
	opened, _ := wire.AppendResponse(nil, wire.DB{})
	buffer := make([]byte, 1<<10)
	skip := wire.HeaderBytes // the handshake
	for last := false; !last; {
		if _, err := io.ReadAtLeast(client, buffer, skip+wire.HeaderBytes); err != nil {
			return
		}
		said := opened
		switch wire.RequestType(buffer[skip+4]) {
		case wire.TypeLeader:
			said = greeting
		case wire.TypeCluster:
			said = members
		case wire.TypeOpen:
		default:
			said, last = answer, true
		}
		skip = 0
		if _, err := client.Write(said); err != nil {
			return
		}
	}
}
