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
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

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
		"a:1/db?tls=true&tls_ca=/does/not/exist"} {
		if _, _, _, err := driver.ParseDSN(bad); err == nil {
			t.Errorf("%q was accepted", bad)
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

// A proxy that ends TLS stands in front of a node.
func TestTLSByDSN(t *testing.T) {
	pair, trusted := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := fake.New(0, 0)
	server.Name = listener.Addr().String()
	go proxy(listener, server)
	dsn := "quorlite://" + server.Name + "/db?tls=true&tls_server_name=quorlite.test&tls_ca=" + trusted
	db, err := sql.Open("quorlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := 0; i < 3; i++ {
		if _, err := db.ExecContext(within(t), "INSERT row"); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.Applied("row"); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func proxy(listener net.Listener, server *fake.Server) {
	for {
		outside, err := listener.Accept()
		if err != nil {
			return
		}
		inside, _ := server.Dial(context.Background(), "") // no step of it fails
		go func() {
			_, _ = io.Copy(inside, outside)
			inside.Close()
		}()
		go func() {
			_, _ = io.Copy(outside, inside)
			outside.Close()
		}()
	}
}
