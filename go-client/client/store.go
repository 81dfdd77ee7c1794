package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	quorlite "github.com/quorlite/quorlite/go-client"
)

// Role is what a node does in its cluster.
type Role uint64

const (
	Voter   Role = 0 // votes, and has all data
	StandBy Role = 1 // has all data
	Spare   Role = 2 // has nothing
)

var roleNames = [...]string{Voter: "voter", StandBy: "stand-by", Spare: "spare"}

func (r Role) String() string {
	if r >= Role(len(roleNames)) {
		return fmt.Sprintf("role %d", uint64(r))
	}
	return roleNames[r]
}

// NodeInfo is a node as its cluster knows it.
type NodeInfo struct {
	ID      uint64 // 0: not known
	Address string // HOST:PORT
	Role    Role
}

// NodeStore is where a client learns which nodes there are. It is read when a Cluster is first used,
// and written whenever the cluster's own list turns out to be different. Its methods may be called
// by several goroutines.
type NodeStore interface {
	Get(ctx context.Context) ([]NodeInfo, error)
	Set(ctx context.Context, nodes []NodeInfo) error
}

// ListStore keeps the nodes in memory.
type ListStore struct {
	mu    sync.Mutex
	nodes []NodeInfo
}

// NewListStore begins with these addresses.
func NewListStore(addresses ...string) *ListStore {
	store := &ListStore{}
	for _, address := range addresses {
		store.nodes = append(store.nodes, NodeInfo{Address: address})
	}
	return store
}

func (s *ListStore) Get(context.Context) ([]NodeInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]NodeInfo(nil), s.nodes...), nil
}

func (s *ListStore) Set(_ context.Context, nodes []NodeInfo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = append([]NodeInfo(nil), nodes...)
	return nil
}

// DNSStore gives every address of a name. Nothing is saved in it.
type DNSStore struct {
	Name     string
	Port     uint16
	Resolver *net.Resolver // nil: the usual one
}

func (s *DNSStore) Get(ctx context.Context) ([]NodeInfo, error) {
	resolver := s.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	hosts, err := resolver.LookupHost(ctx, s.Name)
	if err != nil {
		return nil, storeError(err)
	}
	nodes := []NodeInfo{}
	for _, host := range hosts {
		port := strconv.Itoa(int(s.Port))
		nodes = append(nodes, NodeInfo{Address: net.JoinHostPort(host, port)})
	}
	return nodes, nil
}

func (s *DNSStore) Set(context.Context, []NodeInfo) error { return nil }

// YAMLStore is a file with a YAML list of Address, ID and Role, as go-dqlite's YamlNodeStore has it.
// A missing file is an empty list; saving replaces the file as a whole.
type YAMLStore struct {
	Path string
	mu   sync.Mutex
}

func (s *YAMLStore) Get(context.Context) ([]NodeInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, storeError(err)
	}
	nodes, err := parseNodes(text)
	if err != nil {
		return nil, storeError(fmt.Errorf("%s:%w", s.Path, err))
	}
	return nodes, nil
}

// Set writes beside the file and renames, so that no reader ever sees half of it.
func (s *YAMLStore) Set(_ context.Context, nodes []NodeInfo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text bytes.Buffer
	for _, node := range nodes {
		fmt.Fprintf(&text, "- Address: %s\n  ID: %d\n  Role: %d\n", strconv.Quote(node.Address),
			node.ID, uint64(node.Role))
	}
	file, err := os.CreateTemp(filepath.Dir(s.Path), filepath.Base(s.Path)+".new-*")
	if err != nil {
		return storeError(err)
	}
	_, err = file.Write(text.Bytes())
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(file.Name(), s.Path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // what is reported is why it could not be written
		return storeError(err)
	}
	return nil
}

func storeError(err error) error {
	return &quorlite.Error{Kind: quorlite.Usage, ExtendedCode: quorlite.CodeCannotOpen,
		Message: "list of nodes: " + err.Error(), Cause: err}
}

// parseNodes reads the part of YAML that such a file has: a list of mappings of plain or quoted
// scalars, in block style or, when empty, as []. Keys that are not known are skipped.
func parseNodes(text []byte) ([]NodeInfo, error) {
	var nodes []NodeInfo
	lines := bufio.NewScanner(bytes.NewReader(text))
	number := 0
	for lines.Scan() {
		number++
		line := withoutComment(lines.Text())
		item := strings.TrimSpace(line)
		if item == "" || item == "---" || item == "[]" {
			continue
		}
		if item == "-" || strings.HasPrefix(item, "- ") {
			nodes = append(nodes, NodeInfo{})
			item = strings.TrimSpace(item[1:])
		}
		if item == "" {
			continue
		}
		if len(nodes) == 0 {
			return nil, fmt.Errorf("%d: not a list of nodes", number)
		}
		if err := setField(&nodes[len(nodes)-1], item); err != nil {
			return nil, fmt.Errorf("%d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%d: %w", number+1, err)
	}
	for i, node := range nodes {
		if node.Address == "" {
			return nil, fmt.Errorf(" node %d of the list has no Address", i+1)
		}
	}
	return nodes, nil
}

// withoutComment: a comment begins with # at the start or after a blank, outside of quotes.
func withoutComment(line string) string {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return line[:i]
		}
	}
	return line
}

func setField(node *NodeInfo, item string) error {
	colon := strings.Index(item, ":")
	if colon < 0 || colon+1 < len(item) && item[colon+1] != ' ' {
		return fmt.Errorf("%q is not KEY: VALUE", item)
	}
	key, text := strings.Trim(item[:colon], `"'`), strings.TrimSpace(item[colon+1:])
	value, err := scalar(text)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	switch key {
	case "Address":
		node.Address = value
	case "ID":
		node.ID, err = strconv.ParseUint(value, 10, 64)
	case "Role":
		var role uint64
		role, err = strconv.ParseUint(value, 10, 64)
		if err == nil && role > uint64(Spare) {
			err = fmt.Errorf("there is no role %d", role)
		}
		node.Role = Role(role)
	}
	return err
}

func scalar(text string) (string, error) {
	switch {
	case strings.HasPrefix(text, `"`):
		return strconv.Unquote(text)
	case strings.HasPrefix(text, "'"):
		if len(text) < 2 || !strings.HasSuffix(text, "'") {
			return "", fmt.Errorf("%s does not end", text)
		}
		return strings.ReplaceAll(text[1:len(text)-1], "''", "'"), nil
	}
	return text, nil
}
