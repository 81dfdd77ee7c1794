package client

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
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
	d.merge([]NodeInfo{{1, "a", Voter}, {2, "b", Voter}, {3, "s", Spare}})
	d.merge([]NodeInfo{{0, "a", Voter}})
	d.foundLeader("b")
	promising, failing := d.candidates(now, 0)
	if !reflect.DeepEqual(promising, []string{"b", "a", "s"}) || failing != nil {
		t.Errorf("asks %v, then %v", promising, failing)
	}
	d.failed("b", now)
	promising, failing = d.candidates(now, 0)
	if !reflect.DeepEqual(promising, []string{"a", "s"}) || !reflect.DeepEqual(failing, []string{"b"}) {
		t.Errorf("after a failure asks %v, then %v", promising, failing)
	}
	if promising, _ = d.candidates(now.Add(penaltyMin), 1); !reflect.DeepEqual(promising, []string{"b", "a", "s"}) {
		t.Errorf("after the penalty asks %v", promising)
	}
	for i := 0; i < 100; i++ {
		d.failed("b", now)
	}
	if promising, _ = d.candidates(now.Add(penaltyMax), 1); len(promising) != 3 {
		t.Error("a penalty is without limit")
	}
	if d.update([]NodeInfo{{1, "a", Spare}}) || !d.update([]NodeInfo{{1, "a", Voter}}) ||
		d.update([]NodeInfo{{1, "a", Voter}}) {
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
		if address == "dead" {
			return nil
		}
		return wire.Server{ID: 9, Address: "leader"}
	})
	cluster := NewCluster(NewListStore("dead", "follower"), Config{Dial: dial})
	conn, err := cluster.Connect(context.Background(), time.Now().Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Address() != "leader" || !cluster.Leads("leader") || cluster.Leads("follower") {
		t.Errorf("%s leads", conn.Address())
	}
}

func TestNoLeader(t *testing.T) {
	dial := scripted(t, func(string) wire.Response { return wire.Server{} })
	cluster := NewCluster(NewListStore("a"), Config{Dial: dial})
	_, err := cluster.Connect(context.Background(), time.Now().Add(50*time.Millisecond))
	var failure *quorlite.Error
	if !errors.As(err, &failure) || failure.Kind != quorlite.Unavailable ||
		failure.Verdict() != quorlite.NotCommitted {
		t.Errorf("got %v", err)
	}
}

// Whatever a server sends ends as an error, not as a panic.
func FuzzServer(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 7, 0, 0, 0})
	f.Fuzz(func(t *testing.T, sent []byte) {
		client, server := net.Pipe()
		conn := &Conn{nc: client, in: make([]byte, bufferBytes)}
		go func() {
			_, _ = server.Write(sent) // the client may have closed
			server.Close()
		}()
		for {
			if _, err := conn.ReceiveResponse(wire.Asked{ClusterFormat: 1}); err != nil {
				break
			}
		}
		client.Close()
	})
}
