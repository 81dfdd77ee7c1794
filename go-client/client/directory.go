package client

import (
	"sync"
	"time"
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
type directory struct {
	mu        sync.Mutex
	nodes     []NodeInfo
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

// update takes the cluster's own list, and tells whether it differs from the one known before. A list
// without voters is not believed.
func (d *directory) update(nodes []NodeInfo) bool {
	known := map[string]bool{}
	voters := false
	for _, node := range nodes {
		voters = voters || node.Role == Voter
		known[node.Address] = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !voters || sameNodes(nodes, d.nodes) {
		return false
	}
	d.nodes = append([]NodeInfo(nil), nodes...)
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

// merge adds the nodes of a store that are not known yet.
func (d *directory) merge(nodes []NodeInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := map[string]bool{}
	for _, node := range d.nodes {
		known[node.Address] = true
	}
	for _, node := range nodes {
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
