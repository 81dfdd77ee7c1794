package client

import (
	"context"
	"fmt"
	"math/rand"
	"strings"
	"time"

	"github.com/quorlite/quorlite/go-client/wire"
)

const (
	// How long the node that led last is waited for before others are asked as well.
	headStart = 100 * time.Millisecond
	// Hints that one search follows: nodes that point at each other cannot keep it busy.
	hintsMax = 8
)

// plan decides whom to ask for the leader next. It knows no socket and no clock.
type plan struct {
	promising, failing []string
	probes             int // to be asked at the same time
	alone              bool
	asked              map[string]bool
	hinted             []string
	hints              int
	running            int
	story              []string
}

// next gives the nodes to be asked now.
func (p *plan) next() []string {
	now := p.hinted
	p.hinted = nil
	p.running += len(now)
	allowed := p.probes
	if p.alone {
		allowed = 1
	}
	for p.running < allowed {
		if len(p.promising) == 0 && p.running == 0 {
			p.promising, p.failing = p.failing, nil
		}
		if len(p.promising) == 0 {
			break
		}
		address := p.promising[0]
		p.promising = p.promising[1:]
		if p.asked[address] {
			continue
		}
		p.asked[address] = true
		p.running++
		now = append(now, address)
	}
	return now
}

// answered: a node that does not lead has said who does, or nothing, or failed.
func (p *plan) answered(address, leader, what string) {
	p.running--
	p.alone = false
	p.story = append(p.story, address+": "+what)
	if leader != "" && !p.asked[leader] && p.hints < hintsMax {
		p.hints++
		p.asked[leader] = true
		p.hinted = append(p.hinted, leader)
	}
}

type probed struct {
	address string
	conn    *Conn
	leader  string
	err     error
}

// search asks the nodes once. It returns a connection to the leader, or what each node said.
func (c *Cluster) search(ctx context.Context) (*Conn, string) {
	now := time.Now()
	promising, failing := c.directory.candidates(now, rand.Int63())
	p := &plan{promising: promising, failing: failing, probes: c.config.Probes,
		asked: map[string]bool{}, alone: c.directory.currentLeader() != ""}
	results := make(chan probed, len(promising)+len(failing)+hintsMax)
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		go closeAll(results, p.running)
	}()
	over := time.NewTimer(headStart)
	defer over.Stop()
	for {
		for _, address := range p.next() {
			go func(address string) { results <- c.probe(ctx, address) }(address)
		}
		if p.running == 0 {
			return nil, strings.Join(p.story, "; ")
		}
		select {
		case <-over.C:
			p.alone = false
		case result := <-results:
			if conn := c.take(p, result); conn != nil {
				return conn, ""
			}
		}
	}
}

// take notes what a node said. The connection is not nil if it is the leader's.
func (c *Cluster) take(p *plan, result probed) *Conn {
	address := result.address
	switch {
	case result.err != nil:
		c.directory.failed(address, time.Now())
		p.answered(address, "", result.err.Error())
	case result.leader == address:
		p.running--
		c.directory.foundLeader(address)
		return result.conn
	case result.leader == "":
		c.directory.answered(address)
		c.directory.lostLeader(address)
		p.answered(address, "", "knows no leader")
	default:
		c.directory.answered(address)
		c.directory.lostLeader(address)
		p.answered(address, result.leader, "says that "+result.leader+" leads")
	}
	if result.conn != nil {
		_ = result.conn.Close() // nothing was asked of it but who leads
	}
	return nil
}

func (c *Cluster) probe(ctx context.Context, address string) probed {
	deadline := time.Now().Add(c.config.ConnectTimeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := Dial(ctx, c.config.Dial, address)
	if err != nil {
		return probed{address: address, err: err}
	}
	response, err := conn.Call(ctx, deadline, wire.Leader{}, wire.Asked{})
	server, ok := response.(wire.Server)
	if err == nil && !ok {
		err = fmt.Errorf("does not say who leads: %v", response)
	}
	if err != nil {
		_ = conn.Close()
		return probed{address: address, err: err}
	}
	return probed{address: address, conn: conn, leader: server.Address}
}

// closeAll closes the connections of probes that came too late.
func closeAll(results <-chan probed, count int) {
	for ; count > 0; count-- {
		if late := <-results; late.conn != nil {
			_ = late.conn.Close()
		}
	}
}
