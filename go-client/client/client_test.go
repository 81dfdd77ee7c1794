package client

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/wire"
)

func TestYAMLStore(t *testing.T) {
	ctx := context.Background()
	store := &YAMLStore{Path: filepath.Join(t.TempDir(), "nodes.yaml")}
	if nodes, err := store.Get(ctx); err != nil || len(nodes) != 0 {
		t.Errorf("a missing file: %v, %v", nodes, err)
	}
	want := []NodeInfo{{1, "127.0.0.1:9001", Voter}, {2, `odd "name" # \`, Spare}}
	if err := store.Set(ctx, want); err != nil {
		t.Fatal(err)
	}
	if nodes, err := store.Get(ctx); err != nil || !reflect.DeepEqual(nodes, want) {
		t.Errorf("%v, %v", nodes, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(store.Path)); len(left) != 1 {
		t.Errorf("files are left behind: %v", left)
	}
}

func TestYAMLOfOthers(t *testing.T) {
	for text, want := range map[string][]NodeInfo{
		"": nil, "[]\n": nil, "---\n# nothing\n": nil,
		"- ID: 3297041220608546238\n  Address: 127.0.0.1:9001\n  Role: 0\n" +
			"- ID: 2\n  Address: '@it''s'\n  Role: 2 # spare\n  Other: x\n": {
			{3297041220608546238, "127.0.0.1:9001", Voter}, {2, "@it's", Spare}},
		"-\n  Address: a:1\n": {{0, "a:1", Voter}},
	} {
		got, err := parseNodes([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"Address: a:1", "- ID: 1", "- ID: x\n  Address: a:1", "- x",
		"- Address: 'a", "- Address: a:1\n  Role: 3"} {
		if got, err := parseNodes([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestPlan(t *testing.T) {
	p := &plan{promising: []string{"a", "b", "c", "d"}, failing: []string{"x"}, probes: 2,
		alone: true, asked: map[string]bool{}}
	expect := func(what string, want ...string) {
		t.Helper()
		if got := p.next(); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: asks %v, want %v", what, got, want)
		}
	}
	expect("the last leader has a head start", "a")
	expect("still", nil...)
	p.alone = false
	expect("then others are asked as well", "b")
	p.answered("b", "e", "")
	p.answered("a", "e", "")
	expect("a hint is followed at once, and once", "e", "c")
	p.answered("e", "a", "")
	expect("nobody is asked twice", "d")
	p.answered("c", "", "")
	p.answered("d", "", "")
	expect("those that failed lately come last", "x")
	p.answered("x", "", "")
	expect("then nobody is left", nil...)
	if p.running != 0 {
		t.Errorf("%d are running", p.running)
	}
}

func TestDirectory(t *testing.T) {
	now := time.Unix(1000, 0)
	d := &directory{}
	d.merge([]NodeInfo{{1, "a:1", Voter}, {2, "b:1", Voter}, {3, "s:1", Spare}})
	d.merge([]NodeInfo{{0, "a:1", Voter}})
	d.foundLeader("b:1")
	promising, failing := d.candidates(now, 0)
	if !reflect.DeepEqual(promising, []string{"b:1", "a:1", "s:1"}) || failing != nil {
		t.Errorf("asks %v, then %v", promising, failing)
	}
	d.failed("b:1", now)
	promising, failing = d.candidates(now, 0)
	if !reflect.DeepEqual(promising, []string{"a:1", "s:1"}) || !reflect.DeepEqual(failing, []string{"b:1"}) {
		t.Errorf("after a failure asks %v, then %v", promising, failing)
	}
	if promising, _ = d.candidates(now.Add(penaltyMin), 1); !reflect.DeepEqual(promising, []string{"b:1", "a:1", "s:1"}) {
		t.Errorf("after the penalty asks %v", promising)
	}
	for i := 0; i < 100; i++ {
		d.failed("b:1", now)
	}
	if promising, _ = d.candidates(now.Add(penaltyMax), 1); len(promising) != 3 {
		t.Error("a penalty is without limit")
	}
	if d.update([]NodeInfo{{1, "a:1", Spare}}) || !d.update([]NodeInfo{{1, "a:1", Voter}}) ||
		d.update([]NodeInfo{{1, "a:1", Voter}}) {
		t.Error("a list without voters is believed, or a new one is not, or the same counts as new")
	}
	if !d.refreshDue(now, time.Minute) || d.refreshDue(now, time.Minute) {
		t.Error("the list is to be read once in a while")
	}
}

// scripted is a node that says the same to everybody.
func scripted(t *testing.T, answer func(address string) wire.Response) DialFunc {
	return func(_ context.Context, address string) (net.Conn, error) {
		if answer(address) == nil {
			return nil, errors.New("nobody there")
		}
		client, server := net.Pipe()
		t.Cleanup(func() { server.Close() })
		go func() {
			buffer := make([]byte, 1<<10)
			for {
				if _, err := server.Read(buffer); err != nil {
					return
				}
				message, _ := wire.AppendResponse(nil, answer(address))
				if _, err := server.Write(message); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
}

func TestAHintIsFollowedAndADeadNodeIsNot(t *testing.T) {
	dial := scripted(t, func(address string) wire.Response {
		if address == "dead:1" {
			return nil
		}
		return wire.Server{ID: 9, Address: "leader:1", Cluster: ours}
	})
	cluster := NewCluster(NewListStore("dead:1", "follower:1"), Config{Dial: dial})
	conn, err := cluster.Connect(context.Background(), time.Now().Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Address() != "leader:1" || !cluster.Leads("leader:1") || cluster.Leads("follower:1") {
		t.Errorf("%s leads", conn.Address())
	}
}

var ours, other = wire.ClusterID{High: 0x1111, Low: 1}, wire.ClusterID{High: 0x2222, Low: 2}

// world is some nodes that say who leads and which nodes there are.
type world struct {
	mu      sync.Mutex
	leaders map[string]string // by the address of the node that says so
	lists   map[string][]string
	ids     map[string]wire.ClusterID
	dialled []string
}

func (w *world) dial(_ context.Context, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialled = append(w.dialled, address)
	if _, there := w.leaders[address]; !there {
		return nil, errors.New("nobody there")
	}
	near, far := net.Pipe()
	go w.serve(far, address)
	return near, nil
}

func (w *world) serve(far net.Conn, address string) {
	defer far.Close()
	var greeting [8]byte
	_, err := io.ReadFull(far, greeting[:])
	for err == nil {
		var header [wire.HeaderBytes]byte
		if _, err = io.ReadFull(far, header[:]); err != nil {
			return
		}
		h := wire.ParseHeader(header)
		body := make([]byte, h.BodyBytes())
		if _, err = io.ReadFull(far, body); err != nil {
			return
		}
		request, _ := wire.DecodeRequest(h, body)
		message, _ := wire.AppendResponse(nil, w.answer(request, address))
		_, err = far.Write(message)
	}
}

func (w *world) answer(request wire.Request, address string) wire.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch request := request.(type) {
	case wire.Leader:
		server := wire.Server{ID: 1, Address: w.leaders[address]}
		if request.WantsClusterID {
			server.Cluster = w.ids[address]
		}
		return server
	case wire.Cluster:
		servers := wire.Servers{Format: request.Format}
		for i, each := range w.lists[address] {
			servers.Nodes = append(servers.Nodes, wire.Node{ID: uint64(i + 1), Address: each})
		}
		return servers
	}
	return wire.Failure{Code: 1, Message: "not asked for"}
}

func (w *world) wasDialled(address string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range w.dialled {
		if each == address {
			return true
		}
	}
	return false
}

func (w *world) cluster(given ...string) *Cluster {
	return NewCluster(NewListStore(given...), Config{Dial: w.dial})
}

func connected(c *Cluster, wait time.Duration) error {
	conn, err := c.Connect(context.Background(), time.Now().Add(wait))
	if err == nil {
		conn.Close()
	}
	return err
}

const patience, impatience = 10 * time.Second, 100 * time.Millisecond

func TestNoClientMovesToAnotherCluster(t *testing.T) {
	w := &world{leaders: map[string]string{"a:1": "a:1", "b:1": "a:1"},
		ids:   map[string]wire.ClusterID{"a:1": ours, "b:1": ours},
		lists: map[string][]string{"a:1": {"a:1", "b:1"}}}
	c := w.cluster("a:1", "b:1")
	if err := connected(c, patience); err != nil {
		t.Fatal(err)
	}
	w.ids["a:1"] = other // founded anew; the others go on
	w.leaders["b:1"] = "b:1"
	if err := connected(c, patience); err != nil || !c.Leads("b:1") {
		t.Errorf("one stranger stops the others: %v", err)
	}
	w.ids["b:1"] = other
	err := connected(c, patience)
	var failure *quorlite.Error
	if !errors.As(err, &failure) || failure.MayRetry || failure.Kind != quorlite.Unavailable ||
		!strings.Contains(failure.Message, ours.String()) ||
		!strings.Contains(failure.Message, other.String()) {
		t.Errorf("all are strangers: %v", err)
	}
	if err := connected(w.cluster("a:1"), patience); err != nil {
		t.Errorf("a new client may use that cluster: %v", err)
	}
}

func TestALyingServerLeadsNobodyToAStranger(t *testing.T) {
	w := &world{leaders: map[string]string{"a:1": "b:1", "b:1": "b:1"},
		lists: map[string][]string{"a:1": {"a:1", "b:1"}, "b:1": {"b:1"}}}
	if err := connected(w.cluster("a:1"), impatience); err == nil {
		t.Error("a stranger is followed")
	}
	w.ids = map[string]wire.ClusterID{"a:1": ours, "b:1": other}
	if err := connected(w.cluster("a:1"), impatience); err == nil {
		t.Error("a stranger with an id is followed")
	}
	w.ids = nil
	w.lists["b:1"] = []string{"b:1", "a:1"}
	if err := connected(w.cluster("a:1"), patience); err != nil {
		t.Errorf("the leader of the same cluster, which tells no id: %v", err)
	}
	w.lists = map[string][]string{"a:1": {"b:1"}, "b:1": {"b:1"}}
	if err := connected(w.cluster("a:1"), patience); err != nil {
		t.Errorf("one node under two names: %v", err)
	}
}

func TestALyingServerLeadsNobodyToAStrangerByItsList(t *testing.T) {
	w := &world{leaders: map[string]string{"a:1": "a:1", "b:1": "b:1"},
		lists: map[string][]string{"a:1": {"a:1", "b:1", "@socket", "c\x1b[2J:1"}, "b:1": {"b:1"}}}
	c := w.cluster("a:1")
	if err := connected(c, patience); err != nil { // and reads the list
		t.Fatal(err)
	}
	w.leaders["a:1"] = ""
	if err := connected(c, impatience); err == nil || !w.wasDialled("b:1") {
		t.Errorf("a stranger that is listed is followed: %v", err)
	}
	if w.wasDialled("@socket") || w.wasDialled("c\x1b[2J:1") {
		t.Error("what is no address is dialled")
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{"a:1", "[::1]:9001", "127.0.0.1:65535"} {
		if !isAddress(good, false) {
			t.Errorf("%s is none", good)
		}
	}
	for _, bad := range []string{"", ":1", "a", "a:", "a:0", "a:65536", "a:1x", "a b:1", "a\n:1",
		"/a:1", "@a", "@", strings.Repeat("a", 300) + ":1"} {
		if isAddress(bad, false) {
			t.Errorf("%q is one", bad)
		}
	}
	if !isAddress("@a", true) {
		t.Error("a Unix socket is none where one was given")
	}
}

func TestNoLeader(t *testing.T) {
	dial := scripted(t, func(string) wire.Response { return wire.Server{} })
	cluster := NewCluster(NewListStore("a:1"), Config{Dial: dial})
	_, err := cluster.Connect(context.Background(), time.Now().Add(50*time.Millisecond))
	var failure *quorlite.Error
	if !errors.As(err, &failure) || failure.Kind != quorlite.Unavailable ||
		failure.Verdict() != quorlite.NotCommitted {
		t.Errorf("got %v", err)
	}
}

// dumped is a Client whose node answers a dump with what `write` writes, and then hangs up.
func dumped(t *testing.T, write func(io.Writer)) *Client {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	go func() {
		defer far.Close()
		var request [1 << 10]byte
		if _, err := far.Read(request[:]); err == nil {
			write(far)
		}
	}()
	conn, err := Dial(context.Background(), func(context.Context, string) (net.Conn, error) {
		return near, nil
	}, "a:1")
	if err != nil {
		t.Fatal(err)
	}
	return &Client{conn: conn, config: Config{}.withDefaults()}
}

// A dump that is larger than what may be in memory.
func TestDumpIsStreamed(t *testing.T) {
	const size, memoryMax = 256 << 20, 4 << 20
	client := dumped(t, func(node io.Writer) {
		files, err := wire.AppendResponse(nil, wire.Files{Files: []wire.File{{Name: "a-wal"}, {Name: "a"}}})
		if err != nil {
			t.Error(err)
		}
		binary.LittleEndian.PutUint32(files, uint32((len(files)-wire.HeaderBytes+size)/8))
		binary.LittleEndian.PutUint64(files[len(files)-8:], size)
		_, _ = node.Write(files) // the client finds out if less arrives
		part := make([]byte, 64<<10)
		for sent := 0; sent < size; sent += len(part) {
			part[0] = byte(sent / len(part))
			_, _ = node.Write(part)
		}
	})
	sizes := map[string]int64{}
	part := make([]byte, 64<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := client.Dump(context.Background(), "a", func(file string, announced int64, data io.Reader) error {
		for n := 0; ; n++ {
			if _, err := io.ReadFull(data, part); err != nil {
				break
			}
			if sizes[file] += int64(len(part)); part[0] != byte(n) {
				t.Errorf("part %d begins with %d", n, part[0])
			}
		}
		if announced != sizes[file] {
			t.Errorf("%s has %d bytes instead of %d", file, sizes[file], announced)
		}
		return nil
	})
	if err != nil || sizes["a"] != size {
		t.Errorf("%v, %v", sizes, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > memoryMax {
		t.Errorf("%d bytes were allocated for a dump in pieces", used)
	}
}

func TestDumpThatFails(t *testing.T) {
	files := wire.Files{Files: []wire.File{{Name: "a", Data: make([]byte, 800)}, {Name: "b"}}}
	whole, err := wire.AppendResponse(nil, files)
	if err != nil {
		t.Fatal(err)
	}
	skip := func(string, int64, io.Reader) error { return nil }
	all := func(_ string, _ int64, data io.Reader) error {
		_, err := io.ReadAll(data)
		return err
	}
	send := func(message []byte) *Client {
		return dumped(t, func(node io.Writer) { _, _ = node.Write(message) })
	}
	for cut := 0; cut <= len(whole); cut++ {
		for _, each := range []func(string, int64, io.Reader) error{skip, all} {
			err := send(whole[:cut]).Dump(context.Background(), "a", each)
			var failure *quorlite.Error
			if errors.As(err, &failure) != (cut < len(whole)) || err != nil && failure == nil {
				t.Fatalf("%d of %d bytes: %v", cut, len(whole), err)
			}
		}
	}
	mine := errors.New("mine")
	client := send(whole)
	err = client.Dump(context.Background(), "a", func(string, int64, io.Reader) error { return mine })
	if err != mine {
		t.Errorf("an error of its own became %v", err)
	}
	if _, err := client.Leader(context.Background()); err == nil {
		t.Error("the connection was used with a part of a dump on its way")
	}
	longer := append([]byte(nil), whole...)
	longer[0]++
	var failure *quorlite.Error
	err = send(append(longer, make([]byte, 8)...)).Dump(context.Background(), "a", skip)
	if !errors.As(err, &failure) || failure.Kind != quorlite.Protocol {
		t.Errorf("a dump with a word too many: %v", err)
	}
	missing, _ := wire.AppendResponse(nil, wire.Failure{Code: 1002, Message: "not found"})
	if err := send(missing).Dump(context.Background(), "a", skip); !errors.As(err, &failure) ||
		failure.ExtendedCode != 1002 {
		t.Errorf("a database that is not there: %v", err)
	}
}

// A node that stops sending in the middle is not waited for once the context ends.
func TestDumpIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	client := dumped(t, func(node io.Writer) {
		whole, _ := wire.AppendResponse(nil, wire.Files{Files: []wire.File{{Name: "a", Data: make([]byte, 800)}}})
		_, _ = node.Write(whole[:400])
		cancel()
		<-ctx.Done()
		_, _ = node.(net.Conn).Read(make([]byte, 1)) // until the client closes
	})
	err := client.Dump(ctx, "a", func(_ string, _ int64, data io.Reader) error {
		_, err := io.ReadAll(data)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Whatever a server sends ends as an error, not as a panic, to whatever it is the answer.
func FuzzServer(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 7, 0, 0, 0})
	f.Add([]byte{4, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0,
		1, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, sent []byte) {
		answer := func(node io.Writer) { _, _ = node.Write(sent) } // the client may have closed
		conn := dumped(t, answer).conn
		err := conn.Flush() // the greeting
		for err == nil {
			_, err = conn.ReceiveResponse(wire.Asked{ClusterFormat: 1})
		}
		_ = dumped(t, answer).Dump(context.Background(), "a", func(_ string, size int64, data io.Reader) error {
			if n, err := io.Copy(io.Discard, data); err == nil && n != size {
				t.Errorf("a file of %d bytes has %d", size, n)
			}
			return nil
		})
	})
}
