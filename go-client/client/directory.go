package client

import (
	"fmt"
	"sync"
	"time"

	"github.com/quorlite/quorlite/go-client/wire"
)

const (
	// How long a node that did not answer is left alone, doubling from the first to the second.
	penaltyMin = 500 * time.Millisecond
	penaltyMax = 15 * time.Second
)

// directory is what all connections of a client know together about the nodes: which there are, who
// led last, and which did not answer lately. A connection that finds a new leader tells the others
// through it. A node that failed is asked last for a time that doubles with every failure: a dead
// node costs nothing once it is known.
//
// And which cluster it is: the first id that a node tells is remembered, so that an address that
// another cluster has taken leads nowhere. Nodes that tell no id are trusted if the client was given
// them, or if their own list names one that it trusts.
type directory struct {
	mu        sync.Mutex
	nodes     []NodeInfo
	cluster   wire.ClusterID
	trusted   map[string]bool // given to the client, or admitted
	told      map[string]bool // by a server's list alone
	local     bool            // the client was given a Unix socket
	failing   map[string]penalty
	leader    string
	refreshed time.Time // when the list was read last, or was about to be
}

type penalty struct {
	failures uint
	until    time.Time
}

// candidates gives the addresses in the order to be asked: first those with good prospects, the last
// leader in front, then those to be asked if all of these have nothing to say. Voters know who leads,
// the others do not always. Within a role the order is rotated, so that many clients do not all ask
// the same node first.
func (d *directory) candidates(now time.Time, random int64) (promising, failing []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leader != "" {
		promising = append(promising, d.leader)
	}
	for _, role := range []Role{Voter, StandBy, Spare} {
		var same []string
		for _, node := range d.nodes {
			if node.Role == role && node.Address != d.leader {
				same = append(same, node.Address)
			}
		}
		for i := range same {
			address := same[(int(random%int64(len(same)))+i)%len(same)]
			if now.Before(d.failing[address].until) {
				failing = append(failing, address)
			} else {
				promising = append(promising, address)
			}
		}
	}
	return promising, failing
}

func (d *directory) currentLeader() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leader
}

func (d *directory) foundLeader(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leader = address
	delete(d.failing, address)
}

// lostLeader: `address` turned out not to lead.
func (d *directory) lostLeader(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leader == address {
		d.leader = ""
	}
}

func (d *directory) failed(address string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leader == address {
		d.leader = ""
	}
	p := d.failing[address]
	pause := penaltyMin << p.failures
	if pause >= penaltyMax {
		pause = penaltyMax
	} else {
		p.failures++
	}
	p.until = now.Add(pause)
	if d.failing == nil {
		d.failing = map[string]penalty{}
	}
	d.failing[address] = p
}

func (d *directory) answered(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.failing, address)
}

// refusal says why a node of this cluster is none of ours, and names both; "" if it may be.
func (d *directory) refusal(address string, id wire.ClusterID) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	none := wire.ClusterID{}
	if id == none || d.cluster == none || id == d.cluster {
		return ""
	}
	return fmt.Sprintf("%s is a node of the cluster %v, and this client belongs to the cluster %v: "+
		"another cluster has its address, or it was founded anew. Correct the list of nodes, or "+
		"connect anew if that cluster is meant", address, id, d.cluster)
}

// isOurs tells whether the cluster is known, and known to be ours.
func (d *directory) isOurs(id wire.ClusterID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return id != wire.ClusterID{} && id == d.cluster
}

// admit: a node of ours answered. Its cluster is remembered if it is the first to tell.
func (d *directory) admit(address string, id wire.ClusterID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if (d.cluster == wire.ClusterID{}) {
		d.cluster = id
	}
	d.trust(address)
}

func (d *directory) trust(address string) {
	if d.trusted == nil {
		d.trusted = map[string]bool{}
	}
	if len(d.trusted) < nodesMax {
		d.trusted[address] = true
	}
}

// trusts tells whether the client was given this address, or has admitted its node.
func (d *directory) trusts(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trusted[address]
}

// mayDial tells whether a server may lead this client to that address.
func (d *directory) mayDial(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return isAddress(address, d.local)
}

func (d *directory) list() []NodeInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]NodeInfo(nil), d.nodes...)
}

func (d *directory) addresses() []string {
	var addresses []string
	for _, node := range d.list() {
		addresses = append(addresses, node.Address)
	}
	return addresses
}

// update takes the cluster's own list, and tells whether it differs from the one known before. A list
// without voters is not believed, nor is an address that is none.
func (d *directory) update(list []NodeInfo) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	var nodes []NodeInfo
	known := map[string]bool{}
	voters := false
	for _, node := range list {
		if !isAddress(node.Address, d.local) || len(nodes) == nodesMax {
			continue
		}
		nodes = append(nodes, node)
		voters = voters || node.Role == Voter
		known[node.Address] = true
	}
	if !voters || sameNodes(nodes, d.nodes) {
		return false
	}
	d.nodes, d.told = nodes, known
	for address := range d.failing {
		if !known[address] {
			delete(d.failing, address)
		}
	}
	return true
}

func sameNodes(a, b []NodeInfo) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// merge adds the nodes of a store that are not known yet. What was written to it from a server's list
// is no more trusted than before.
func (d *directory) merge(nodes []NodeInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := map[string]bool{}
	for _, node := range d.nodes {
		known[node.Address] = true
	}
	for _, node := range nodes {
		if !d.told[node.Address] {
			d.trust(node.Address)
			d.local = d.local || isLocal(node.Address)
		}
		if !known[node.Address] {
			known[node.Address] = true
			d.nodes = append(d.nodes, node)
		}
	}
}

func (d *directory) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.nodes) == 0
}

// refreshDue tells whether the list should be read from the cluster again. If so nobody else is told
// so for another `interval`.
func (d *directory) refreshDue(now time.Time, interval time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.refreshed.IsZero() && now.Sub(d.refreshed) < interval {
		return false
	}
	d.refreshed = now
	return true
}
