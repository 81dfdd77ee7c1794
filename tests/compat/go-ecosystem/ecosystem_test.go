// Package ecosystem uses the Go client through what programs put on top of database/sql: sqlx, GORM,
// goose's migrations and the kind of code that sqlc writes. A module of its own, so that users of
// the client inherit none of these.
package ecosystem

import (
	"context"
	"database/sql"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/nodes"
)

func TestEcosystem(t *testing.T) {
	cluster := nodes.Start(t)
	for name, run := range map[string]func(*testing.T, *sql.DB){
		"sqlx": testSqlx, "gorm": testGorm, "goose": testGoose, "sqlc": testSqlc,
	} {
		run := run
		t.Run(name, func(t *testing.T) {
			db := sql.OpenDB(driver.NewConnector(cluster.Store(), name+".db", driver.Config{}))
			defer db.Close()
			run(t, db)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type person struct {
	ID   int64
	Name string
	Born sql.NullTime
}

func testSqlx(t *testing.T, db *sql.DB) {
	x := sqlx.NewDb(db, "sqlite3")
	x.MustExec("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, born DATETIME)")
	born := time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC)
	_, err := x.NamedExec("INSERT INTO person (id, name, born) VALUES (:id, :name, :born)",
		[]person{{1, "Ada", sql.NullTime{Time: born, Valid: true}}, {2, "Bob", sql.NullTime{}}})
	must(t, err)
	var people []person
	query, arguments, err := sqlx.In("SELECT * FROM person WHERE id IN (?) ORDER BY id", []int{1, 2})
	must(t, err)
	must(t, x.Select(&people, x.Rebind(query), arguments...))
	if len(people) != 2 || !people[0].Born.Time.Equal(born) || people[1].Born.Valid {
		t.Errorf("got %+v", people)
	}
	tx := x.MustBegin()
	tx.MustExec("DELETE FROM person")
	must(t, tx.Rollback())
	var count int
	must(t, x.Get(&count, "SELECT count(*) FROM person"))
	if count != 2 {
		t.Errorf("%d people", count)
	}
}

type author struct {
	gorm.Model
	Name  string `gorm:"uniqueIndex"`
	Books []book
}

type book struct {
	ID       uint
	AuthorID uint
	Title    string
}

func testGorm(t *testing.T, db *sql.DB) {
	g, err := gorm.Open(sqlite.Dialector{Conn: db}, &gorm.Config{})
	must(t, err)
	must(t, g.AutoMigrate(&author{}, &book{}))
	must(t, g.AutoMigrate(&author{}, &book{})) // finds all of it there
	must(t, g.Create(&author{Name: "Ada", Books: []book{{Title: "Notes"}, {Title: "Letters"}}}).Error)
	var found author
	must(t, g.Preload("Books").Where("name = ?", "Ada").First(&found).Error)
	if len(found.Books) != 2 || found.CreatedAt.IsZero() {
		t.Errorf("got %+v", found)
	}
	must(t, g.Model(&found).Update("Name", "Augusta").Error)
	if err := g.Create(&author{Name: "Augusta"}).Error; err == nil {
		t.Error("a name was taken twice")
	}
	must(t, g.Transaction(func(tx *gorm.DB) error {
		return tx.Where("title = ?", "Letters").Delete(&book{}).Error
	}))
	var count int64
	must(t, g.Model(&book{}).Count(&count).Error)
	if count != 1 {
		t.Errorf("%d books", count)
	}
}

func testGoose(t *testing.T, db *sql.DB) {
	goose.SetBaseFS(fstest.MapFS{
		"m/1_first.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (n INT);\n" +
			"CREATE INDEX a_n ON a (n);\n-- +goose Down\nDROP TABLE a;\n")},
		"m/2_second.sql": {Data: []byte("-- +goose Up\nINSERT INTO a VALUES (1), (2);\n" +
			"-- +goose Down\nDELETE FROM a;\n")},
	})
	goose.SetLogger(goose.NopLogger())
	must(t, goose.SetDialect("sqlite3"))
	must(t, goose.Up(db, "m"))
	version, err := goose.GetDBVersion(db)
	if err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
	must(t, goose.Down(db, "m"))
	var count int
	must(t, db.QueryRow("SELECT count(*) FROM a").Scan(&count))
	if count != 0 {
		t.Errorf("%d rows after going down", count)
	}
}

// What follows is written as sqlc writes it.

type dbtx interface {
	ExecContext(context.Context, string, ...interface{}) (sql.Result, error)
	PrepareContext(context.Context, string) (*sql.Stmt, error)
	QueryContext(context.Context, string, ...interface{}) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...interface{}) *sql.Row
}

type queries struct{ db dbtx }

func (q *queries) withTx(tx *sql.Tx) *queries { return &queries{db: tx} }

const createItem = `-- name: CreateItem :one
INSERT INTO item (name, price) VALUES (?1, ?2)
RETURNING id, name, price
`

type item struct {
	ID    int64
	Name  string
	Price sql.NullFloat64
}

func (q *queries) createItem(ctx context.Context, name string, price sql.NullFloat64) (item, error) {
	row := q.db.QueryRowContext(ctx, createItem, name, price)
	var i item
	err := row.Scan(&i.ID, &i.Name, &i.Price)
	return i, err
}

const listItems = `-- name: ListItems :many
SELECT id, name, price FROM item ORDER BY name
`

func (q *queries) listItems(ctx context.Context) ([]item, error) {
	rows, err := q.db.QueryContext(ctx, listItems)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []item
	for rows.Next() {
		var i item
		if err := rows.Scan(&i.ID, &i.Name, &i.Price); err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	return items, rows.Err()
}

func testSqlc(t *testing.T, db *sql.DB) {
	ctx := context.Background()
	_, err := db.ExecContext(ctx, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL)")
	must(t, err)
	q := &queries{db: db}
	must(t, driver.RunTx(ctx, db, func(tx *sql.Tx) error {
		_, err := q.withTx(tx).createItem(ctx, "pear", sql.NullFloat64{Float64: 1.5, Valid: true})
		return err
	}))
	created, err := q.createItem(ctx, "apple", sql.NullFloat64{})
	must(t, err)
	items, err := q.listItems(ctx)
	must(t, err)
	if len(items) != 2 || items[0] != created || items[1].Price.Float64 != 1.5 {
		t.Errorf("got %+v", items)
	}
}
