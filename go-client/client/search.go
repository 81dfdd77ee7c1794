package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
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
	referrals          map[string]*referral // of those that were hinted at
	running            int
	strangers          int
	stranger           string
	story              []string
}

// referral is how a search came to an address that the client was not given and whose node it does
// not know yet: by whom, and which nodes that one lists. A server could name any address; so nothing
// but LEADER and CLUSTER is asked of such a node before it turns out to be of the same cluster.
type referral struct {
	by   string
	list []string
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
	address  string
	conn     *Conn
	leader   string
	referral *referral // for the leader that is named
	stranger bool      // of another cluster
	err      error
}

// search asks the nodes once. It returns a connection to the leader, or what each node said; an error
// if all of them are of another cluster.
func (c *Cluster) search(ctx context.Context) (*Conn, string, error) {
	now := time.Now()
	listed := c.directory.addresses()
	promising, failing := c.directory.candidates(now, rand.Int63())
	p := &plan{promising: promising, failing: failing, probes: c.config.Probes,
		asked: map[string]bool{}, referrals: map[string]*referral{}, alone: c.directory.currentLeader() != ""}
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
			led := p.referrals[address]
			if led == nil && !c.directory.trusts(address) {
				led = &referral{list: listed}
			}
			go func(address string) { results <- c.probe(ctx, address, led) }(address)
		}
		if p.running == 0 && p.strangers > 0 && p.strangers == len(p.asked) {
			return nil, "", &quorlite.Error{Kind: quorlite.Unavailable, Message: p.stranger,
				ExtendedCode: quorlite.CodeCannotOpen}
		}
		if p.running == 0 {
			return nil, strings.Join(p.story, "; "), nil
		}
		select {
		case <-over.C:
			p.alone = false
		case result := <-results:
			if conn := c.take(p, result); conn != nil {
				return conn, "", nil
			}
		}
	}
}

// take notes what a node said. The connection is not nil if it is the leader's.
func (c *Cluster) take(p *plan, result probed) *Conn {
	address := result.address
	switch {
	case result.err != nil:
		if result.stranger {
			p.strangers++
			p.stranger = result.err.Error()
		}
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
		if !p.asked[result.leader] && !c.directory.trusts(result.leader) {
			p.referrals[result.leader] = result.referral
		}
		p.answered(address, result.leader, "says that "+result.leader+" leads")
	}
	if result.conn != nil {
		_ = result.conn.Close() // nothing was asked of it but who leads
	}
	return nil
}

// probe asks one node who leads. The leader itself, if the client was led to it, has to be of the
// same cluster.
func (c *Cluster) probe(ctx context.Context, address string, led *referral) probed {
	deadline := time.Now().Add(c.config.ConnectTimeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := Dial(ctx, c.config.Dial, address)
	if err != nil {
		return probed{address: address, err: err}
	}
	result := c.ask(ctx, deadline, conn, led)
	if result.err != nil {
		_ = conn.Close() // why is in the result
		result.conn = nil
	}
	return result
}

func (c *Cluster) ask(ctx context.Context, deadline time.Time, conn *Conn, led *referral) probed {
	result := probed{address: conn.Address(), conn: conn}
	response, err := conn.Call(ctx, deadline, wire.Leader{WantsClusterID: true}, wire.Asked{})
	server, ok := response.(wire.Server)
	if err == nil && !ok {
		err = fmt.Errorf("does not say who leads: %v", response)
	}
	if err != nil {
		result.err = err
		return result
	}
	conn.tellsNull = server.Cluster != wire.ClusterID{}
	if why := c.directory.refusal(result.address, server.Cluster); why != "" {
		result.err, result.stranger = errors.New(why), true
		return result
	}
	if led == nil || c.directory.isOurs(server.Cluster) {
		c.directory.admit(result.address, server.Cluster)
		led = nil
	}
	result.leader, result.referral = server.Address, led
	switch {
	case server.Address == result.address:
		if led != nil {
			result.err = c.getToKnow(ctx, deadline, conn, server.Cluster, led)
		}
	case server.Address != "" && !c.directory.mayDial(server.Address):
		result.err = errors.New("names no HOST:PORT as the leader")
	case server.Address != "" && led == nil:
		result.referral = &referral{by: result.address}
		if (server.Cluster == wire.ClusterID{}) && !c.directory.trusts(server.Address) {
			result.referral.list, result.err = c.list(ctx, deadline, conn)
		}
	}
	return result
}

func (c *Cluster) list(ctx context.Context, deadline time.Time, conn *Conn) ([]string, error) {
	response, err := conn.Call(ctx, deadline, wire.Cluster{Format: 1}, wire.Asked{ClusterFormat: 1})
	servers, ok := response.(wire.Servers)
	if err == nil && !ok {
		err = fmt.Errorf("does not list its nodes: %v", response)
	}
	var list []string
	for _, node := range servers.Nodes {
		list = append(list, node.Address)
	}
	return list, err
}

// getToKnow admits a node that says that it leads, and tells no id that is known, if its list and
// what the client knows name each other.
func (c *Cluster) getToKnow(ctx context.Context, deadline time.Time, conn *Conn,
	id wire.ClusterID, led *referral) error {
	list, err := c.list(ctx, deadline, conn)
	if err != nil {
		return err
	}
	if !c.related(conn.Address(), list, led) {
		return errors.New("lists no node that this client knows: it may be of another cluster")
	}
	c.directory.admit(conn.Address(), id)
	return nil
}

// related: as far as that can be seen. A client may know a node by a name that no list has.
func (c *Cluster) related(address string, list []string, led *referral) bool {
	shared := map[string]bool{}
	for _, each := range led.list {
		shared[each] = true
	}
	for _, each := range list {
		if each != address && (shared[each] || c.directory.trusts(each)) {
			return true
		}
	}
	// One node alone, under two names.
	return len(list) == 1 && len(led.list) == 1 && list[0] == address && shared[address] &&
		portOf(led.by) == portOf(address)
}

// closeAll closes the connections of probes that came too late.
func closeAll(results <-chan probed, count int) {
	for ; count > 0; count-- {
		if late := <-results; late.conn != nil {
			_ = late.conn.Close()
		}
	}
}
