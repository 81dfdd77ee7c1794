package driver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	quorlite "github.com/quorlite/quorlite/go-client"
	"github.com/quorlite/quorlite/go-client/client"
	"github.com/quorlite/quorlite/go-client/driver"
	"github.com/quorlite/quorlite/go-client/internal/fake"
)

func TestDSN(t *testing.T) {
	store, name, config, err := driver.ParseDSN("quorlite://a:1,b:2/my%20db?timeout=2s&busy_timeout=1s" +
		"&statement_cache=0&txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	nodes, _ := store.Get(context.Background())
	if len(nodes) != 2 || nodes[1].Address != "b:2" || name != "my db" {
		t.Errorf("%v, %q", nodes, name)
	}
	if config.Timeout != 2*time.Second || config.BusyTimeout != time.Second ||
		config.StatementCache >= 0 || !config.BeginImmediate {
		t.Errorf("%+v", config)
	}
	for _, bad := range []string{"", "a:1", "quorlite://a:1", "quorlite:///db", "a:1/db?timeout=x",
		"a:1/db?what=1", "a:1/db?txlock=x", "a:1/db?store=f", "a:x/db?dns=true", "a:1/%zz",
		"a:1/db?tls=true&tls_ca=/does/not/exist", "a:1/db?tls_ca=f", "a:1,b:1/db?dns=true",
		"a/db", "a:0/db", "a:99999/db", "a:1,b/db", ":1/db", "me:secret@a:1/db", "postgres://a:1/db",
		"a:1/db?dns=maybe", "a:1/db?timeout=0s", "a:1/db?connect_timeout=-1s", "a:1/db?busy_timeout=2"} {
		_, _, _, err := driver.ParseDSN(bad)
		if err == nil {
			t.Errorf("%q was accepted", bad)
		} else if strings.Count(err.Error(), "quorlite: ") != 1 {
			t.Errorf("%q: an error inside of an error: %v", bad, err)
		}
	}
}

// certificate is one that vouches for itself; it returns the file that clients trust.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"quorlite.test"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// tlsServer is a fake server behind TLS, and the file with the certificate to be trusted.
func tlsServer(t *testing.T) (*fake.Server, string) {
	t.Helper()
	pair, trusted := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := fake.New(0, 0)
	server.Listen(t, listener)
	return server, trusted
}

func insertRows(t *testing.T, db *sql.DB, server *fake.Server) {
	t.Helper()
	defer db.Close()
	for i := 0; i < 3; i++ {
		mustExec(t, db, "INSERT row")
	}
	if n := server.Applied("row"); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func TestTLSByDSN(t *testing.T) {
	server, trusted := tlsServer(t)
	dsn := "quorlite://" + server.Name + "/db?tls=true&tls_server_name=quorlite.test"
	db, err := sql.Open("quorlite", dsn+"&tls_ca="+trusted)
	if err != nil {
		t.Fatal(err)
	}
	insertRows(t, db, server)
	untrusting, err := sql.Open("quorlite", dsn+"&timeout=1s")
	if err != nil {
		t.Fatal(err)
	}
	defer untrusting.Close()
	_, err = untrusting.Exec("INSERT row")
	if f := failure(t, err); f.Kind != quorlite.Unavailable {
		t.Errorf("a certificate of nobody knows whom: %v", err)
	}
}

func TestTLSByDialFunction(t *testing.T) {
	server, trusted := tlsServer(t)
	pem, err := os.ReadFile(trusted)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dial := driver.DialTLS(&tls.Config{RootCAs: roots, ServerName: "quorlite.test", MinVersion: tls.VersionTLS12})
	config := driver.Config{Config: client.Config{Dial: dial}}
	insertRows(t, sql.OpenDB(driver.NewConnector(client.NewListStore(server.Name), "db", config)), server)
}
