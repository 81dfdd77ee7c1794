// Package driver makes a cluster a database of database/sql. It is registered as "quorlite":
//
//	db, err := sql.Open("quorlite", "quorlite://node1:9001,node2:9001,node3:9001/app.db")
//
// or, where a Config says more than a DSN can,
//
//	db := sql.OpenDB(driver.NewConnector(client.NewListStore("node1:9001"), "app.db", driver.Config{}))
//
// Connections follow the leader by themselves. What certainly had no effect is tried again; what may
// have had one is reported as an error whose verdict is quorlite.InDoubt. See RunTx for transactions.
// What a program sets for one connection (PRAGMA, TEMP tables) is lost when the leader changes.
package driver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/quorlite/quorlite/go-client/client"
)

// Config says how connections behave. The zero value of each field means its default.
type Config struct {
	client.Config
	// BusyTimeout is how long a statement that finds the database locked is tried again: 5 s.
	BusyTimeout time.Duration
	// StatementCache is how many prepared statements each connection keeps: 64. Negative: none.
	StatementCache int
	// BeginImmediate makes every transaction take the write lock when it begins, unless it is
	// read-only. Otherwise those of isolation Serializable and Linearizable do.
	BeginImmediate bool
	// HeldBytesMax is how much of a result may be kept in memory when its connection is needed for
	// another statement before it was read: 256 MiB.
	HeldBytesMax int
}

func (c Config) withDefaults() Config {
	if c.BusyTimeout <= 0 {
		c.BusyTimeout = 5 * time.Second
	}
	if c.StatementCache == 0 {
		c.StatementCache = 64
	}
	if c.HeldBytesMax <= 0 {
		c.HeldBytesMax = 256 << 20
	}
	return c
}

// Driver is what is registered as "quorlite".
type Driver struct{}

func init() { sql.Register("quorlite", Driver{}) }

// Open is there for database/sql, which uses OpenConnector.
func (d Driver) Open(dsn string) (driver.Conn, error) {
	connector, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	return connector.Connect(context.Background())
}

// OpenConnector reads a DSN; see ParseDSN.
func (Driver) OpenConnector(dsn string) (driver.Connector, error) {
	store, name, config, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return NewConnector(store, name, config), nil
}

// Connector opens connections to one database.
type Connector struct {
	cluster *client.Cluster
	name    string
	config  Config
}

// NewConnector is for sql.OpenDB. No node is contacted yet.
func NewConnector(store client.NodeStore, name string, config Config) *Connector {
	cluster := client.NewCluster(store, config.Config)
	return &Connector{cluster: cluster, name: name, config: config.withDefaults()}
}

// Cluster is the cluster behind the database, to be administered.
func (c *Connector) Cluster() *client.Cluster { return c.cluster }

func (c *Connector) Driver() driver.Driver { return Driver{} }

func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn := &conn{connector: c, texts: newTexts(c.config.StatementCache)}
	if err := conn.attempt(ctx, newText(""), func(time.Time) error { return nil }); err != nil {
		return nil, err
	}
	return conn, nil
}

// ParseDSN reads
//
//	quorlite://HOST:PORT[,HOST:PORT...]/DATABASE[?OPTION=VALUE&...]
//
// The options: timeout, connect_timeout, busy_timeout (durations, as 500ms), statement_cache (a
// number; 0 for none), txlock (deferred or immediate), store (a YAML file of nodes, read and
// written), dns (true: the one HOST:PORT stands for all its addresses), tls (true), tls_ca,
// tls_cert, tls_key (PEM files), tls_server_name.
func ParseDSN(dsn string) (client.NodeStore, string, Config, error) {
	var config Config
	fail := func(format string, arguments ...any) (client.NodeStore, string, Config, error) {
		return nil, "", Config{}, usage("DSN: "+format, arguments...)
	}
	rest := strings.TrimPrefix(dsn, "quorlite://")
	if scheme, _, other := strings.Cut(rest, "://"); other {
		return fail("%q is not of this driver; it is quorlite://HOST:PORT,.../DATABASE", scheme+"://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, path, found := strings.Cut(rest, "/")
	if !found || path == "" {
		return fail("%q names no database; it is quorlite://HOST:PORT,.../DATABASE", dsn)
	}
	name, err := url.PathUnescape(path)
	if err != nil {
		return fail("%v", err)
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return fail("%v", err)
	}
	store, err := storeOf(hosts, options)
	if err != nil {
		return fail("%v", err)
	}
	security := tlsOptions{}
	for key, values := range options {
		if err := setOption(&config, &security, key, values[len(values)-1]); err != nil {
			return fail("%s: %v", key, err)
		}
	}
	if security.on {
		if config.Dial, err = security.dial(); err != nil {
			return fail("%v", err)
		}
	} else if security != (tlsOptions{}) {
		return fail("tls_... without tls=true would be ignored")
	}
	return store, name, config, nil
}

func storeOf(hosts string, options url.Values) (client.NodeStore, error) {
	var addresses []string
	var last client.DNSStore
	for _, address := range strings.Split(hosts, ",") {
		if address = strings.TrimSpace(address); address == "" {
			continue
		}
		var err error
		if last.Name, last.Port, err = splitAddress(address); err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	if path := options.Get("store"); path != "" {
		if len(addresses) > 0 {
			return nil, errors.New("nodes are given both by name and by a store")
		}
		return &client.YAMLStore{Path: path}, nil
	}
	if len(addresses) == 0 {
		return nil, errors.New("no node is named")
	}
	dns := false
	if options.Has("dns") {
		var err error
		if dns, err = strconv.ParseBool(options.Get("dns")); err != nil {
			return nil, fmt.Errorf("dns: %w", err)
		}
	}
	if !dns {
		return client.NewListStore(addresses...), nil
	}
	if len(addresses) > 1 {
		return nil, errors.New("dns=true takes one HOST:PORT, which stands for all nodes")
	}
	return &last, nil
}

func splitAddress(address string) (host string, port uint16, err error) {
	if strings.Contains(address, "@") {
		return "", 0, fmt.Errorf("%q: there are no users; tls=true keeps strangers out", address)
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("a node is HOST:PORT: %w", err)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 || host == "" {
		return "", 0, fmt.Errorf("a node is HOST:PORT, and %q is none", address)
	}
	return host, uint16(number), nil
}

func setOption(config *Config, security *tlsOptions, key, value string) (err error) {
	switch key {
	case "timeout":
		config.Timeout, err = duration(value)
	case "connect_timeout":
		config.ConnectTimeout, err = duration(value)
	case "busy_timeout":
		config.BusyTimeout, err = duration(value)
	case "statement_cache":
		if config.StatementCache, err = strconv.Atoi(value); config.StatementCache == 0 {
			config.StatementCache = -1
		}
	case "txlock":
		config.BeginImmediate = value == "immediate"
		if value != "immediate" && value != "deferred" {
			err = fmt.Errorf("%q is neither deferred nor immediate", value)
		}
	case "tls":
		security.on, err = strconv.ParseBool(value)
	case "tls_ca":
		security.ca = value
	case "tls_cert":
		security.cert = value
	case "tls_key":
		security.key = value
	case "tls_server_name":
		security.serverName = value
	case "store", "dns":
	default:
		err = errors.New("there is no such option")
	}
	return err
}

func duration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%s is no time to wait", value)
	}
	return d, err
}

type tlsOptions struct {
	on                        bool
	ca, cert, key, serverName string
}

func (o tlsOptions) dial() (client.DialFunc, error) {
	config := &tls.Config{ServerName: o.serverName, MinVersion: tls.VersionTLS12}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", o.ca)
		}
	}
	if o.cert != "" || o.key != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return DialTLS(config), nil
}

// DialTLS is a dial function for clusters behind TLS.
func DialTLS(config *tls.Config) client.DialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		dialer := tls.Dialer{Config: config}
		return dialer.DialContext(ctx, "tcp", address)
	}
}
