# The two commands to begin with are `make run` and `make test`; each installs what it needs.

run:            ## start three nodes here, run SQL, kill the leader, go on; KEEP=1 leaves them up
	@tests/run demo

test:           ## build and run every test
	@tests/run all

bench:          ## compare with the real dqlite and with etcd, side by side
	@tests/run bench

help:
	@grep -E '^[a-z]+: +##' $(MAKEFILE_LIST) | sed -E 's/: +##/\t/'
	@tests/run help

.PHONY: run test bench help
.DEFAULT_GOAL := help
