// The members of a cluster, with their roles.
//
//	members quorlite://127.0.0.1:9001/example
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/driver"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: members DSN")
	}
	if err := run(os.Stdout, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer, dsn string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store, _, config, err := driver.ParseDSN(dsn)
	if err != nil {
		return err
	}
	leader, err := client.NewCluster(store, config.Config).Leader(ctx)
	if err != nil {
		return err
	}
	defer leader.Close()
	nodes, err := leader.Cluster(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		mark := ""
		if node.Address == leader.Address() {
			mark = " (leads)"
		}
		fmt.Fprintf(out, "%d %s %v%s\n", node.ID, node.Address, node.Role, mark)
	}
	return nil
}
