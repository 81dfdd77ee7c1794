// etcd_load puts values into a cluster of etcd nodes from many clients and prints one JSON line
// with the rate and the latencies, in the form of the load generator for the other systems.
//
//	etcd_load --endpoints HOST:PORT,... --clients 64 --warmup 1 --seconds 5 --bytes 100
//
// Every client has one put outstanding. The clients share --connections connections to the leader,
// because that costs etcd less than one for each.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

type settings struct {
	endpoints []string
	clients   int
	shared    int
	bytes     int
	warmup    time.Duration
	seconds   time.Duration
}

type outcome struct {
	Workload    string  `json:"workload"`
	Connections int     `json:"connections"`
	Seconds     float64 `json:"seconds"`
	Requests    int     `json:"requests"`
	Rate        float64 `json:"rate"`
	Errors      int64   `json:"errors"`
	P50us       int64   `json:"p50_us"`
	P99us       int64   `json:"p99_us"`
	P999us      int64   `json:"p999_us"`
	MaxUs       int64   `json:"max_us"`
}

func dial(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{endpoint},
		DialTimeout: 10 * time.Second,
	})
}

// leaderEndpoint finds the node that leads: a client of a follower would pay one more hop.
func leaderEndpoint(ctx context.Context, endpoints []string) (string, error) {
	for _, endpoint := range endpoints {
		client, err := dial(endpoint)
		if err != nil {
			return "", err
		}
		status, err := client.Status(ctx, endpoint)
		client.Close()
		if err == nil && status.Leader == status.Header.MemberId {
			return endpoint, nil
		}
	}
	return "", fmt.Errorf("none of %v leads", endpoints)
}

// load puts until the end and gives the latencies of the puts that began after the warm-up.
func load(ctx context.Context, client *clientv3.Client, number int, s settings,
	errors *atomic.Int64) []time.Duration {
	value := strings.Repeat("v", s.bytes)
	warm := time.Now().Add(s.warmup)
	end := warm.Add(s.seconds)
	latencies := []time.Duration{}
	for i := 0; ; i++ {
		began := time.Now()
		if began.After(end) {
			return latencies
		}
		_, err := client.Put(ctx, fmt.Sprintf("key-%d-%d", number, i), value)
		if err != nil {
			errors.Add(1)
		} else if began.After(warm) {
			latencies = append(latencies, time.Since(began))
		}
	}
}

func run(s settings) (outcome, error) {
	limit := s.warmup + s.seconds + 20*time.Second
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	leader, err := leaderEndpoint(ctx, s.endpoints)
	if err != nil {
		return outcome{}, err
	}
	connections := make([]*clientv3.Client, s.shared)
	for i := range connections {
		if connections[i], err = dial(leader); err != nil {
			return outcome{}, err
		}
		defer connections[i].Close()
		// The first request connects; it is not part of the measurement.
		if _, err := connections[i].Put(ctx, fmt.Sprintf("connect-%d", i), ""); err != nil {
			return outcome{}, err
		}
	}
	var errors atomic.Int64
	var done sync.WaitGroup
	latencies := make([][]time.Duration, s.clients)
	for i := 0; i < s.clients; i++ {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			latencies[i] = load(ctx, connections[i%s.shared], i, s, &errors)
		}(i)
	}
	done.Wait()
	all := []time.Duration{}
	for _, some := range latencies {
		all = append(all, some...)
	}
	return summarize(all, errors.Load(), s), nil
}

func summarize(latencies []time.Duration, errors int64, s settings) outcome {
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	at := func(quantile float64) int64 {
		if len(latencies) == 0 {
			return 0
		}
		position := int(quantile * float64(len(latencies)-1))
		return latencies[position].Microseconds()
	}
	return outcome{
		Workload:    "put",
		Connections: s.clients,
		Seconds:     s.seconds.Seconds(),
		Requests:    len(latencies),
		Rate:        float64(len(latencies)) / s.seconds.Seconds(),
		Errors:      errors,
		P50us:       at(0.5),
		P99us:       at(0.99),
		P999us:      at(0.999),
		MaxUs:       at(1),
	}
}

func main() {
	endpoints := flag.String("endpoints", "", "addresses of the nodes, separated by commas")
	clients := flag.Int("clients", 64, "clients, each with one put outstanding")
	shared := flag.Int("connections", 4, "connections that the clients share")
	bytes := flag.Int("bytes", 100, "size of a value")
	warmup := flag.Float64("warmup", 1, "seconds of load before the measurement")
	seconds := flag.Float64("seconds", 5, "seconds of measurement")
	flag.Parse()
	result, err := run(settings{
		endpoints: strings.Split(*endpoints, ","),
		clients:   *clients,
		shared:    *shared,
		bytes:     *bytes,
		warmup:    time.Duration(*warmup * float64(time.Second)),
		seconds:   time.Duration(*seconds * float64(time.Second)),
	})
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd_load:", err)
		os.Exit(1)
	}
}
