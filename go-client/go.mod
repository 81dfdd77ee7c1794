module github.com/quorlite/quorlite/go-client

go 1.19
