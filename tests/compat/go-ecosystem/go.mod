module github.com/quorlite/quorlite/go-client/ecosystem

go 1.19

require (
	github.com/jmoiron/sqlx v1.3.5
	github.com/pressly/goose/v3 v3.7.0
	github.com/quorlite/quorlite/go-client v0.0.0
	gorm.io/driver/sqlite v1.5.4
	gorm.io/gorm v1.25.5
)

require (
	github.com/jinzhu/inflection v1.0.0 // indirect
	github.com/jinzhu/now v1.1.5 // indirect
	github.com/mattn/go-sqlite3 v1.14.17 // indirect
)

replace github.com/quorlite/quorlite/go-client => ../../../go-client
