// The members of a cluster, with their roles.
//
//	members 127.0.0.1:9001
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/quorlite/quorlite/go-client/client"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer, addresses []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cluster := client.NewCluster(client.NewListStore(addresses...), client.Config{})
	leader, err := cluster.Leader(ctx)
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
