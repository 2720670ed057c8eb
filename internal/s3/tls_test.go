// SPDX-License-Identifier: MIT

package s3

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/test/store"
)

// domain is the domain of the buckets' hosts. certificate is trusted by this process, as
// an authority of the machine is, and is for them.
const domain = "s3.test"

var certificate, certificateKey string

// The trust in authorities is read once in a process.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "thumbd-s3-")
	if err == nil {
		certificate, certificateKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		err = errors.Join(certify(), os.Setenv("SSL_CERT_FILE", certificate))
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// certify writes the certificate and its key.
func certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames: []string{"*." + domain}, IPAddresses: []net.IP{net.ParseIP(store.Address)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(certificateKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// resolve has every name looked up be the address of stores, until the test ends.
func resolve(t *testing.T) {
	t.Helper()
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			answerDNS(server)
		}()
		return client, nil
	}}
}

// answerDNS answers one question of a connection (RFC 1035): an A record with the address
// of stores, and nothing to others.
func answerDNS(c io.ReadWriter) {
	size := make([]byte, 2)
	if _, err := io.ReadFull(c, size); err != nil {
		return
	}
	q := make([]byte, binary.BigEndian.Uint16(size))
	if _, err := io.ReadFull(c, q); err != nil {
		return
	}
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5 // the end of the name, type and class
	a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
	if q[end-3] == 1 {
		a[7] = 1
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4)
		a = append(a, net.ParseIP(store.Address).To4()...)
	}
	_, _ = c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(a))))
	_, _ = c.Write(a)
}

// A store with TLS is asked in both styles: the bucket in the host and in the path. Its
// certificate is judged by the authorities of the machine, and by its name.
func TestTLS(t *testing.T) {
	resolve(t)
	s := store.StartTLS(t, "media", domain, certificate, certificateKey)
	s.Put("media/photos/a b+ä.jpg", jpeg("a"))
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		host string
		path bool
		want error
	}{
		"bucket in the host": {domain, false, nil},
		"bucket in the path": {store.Address, true, nil},
		// The host is s3.test, and the certificate is for the names below it.
		"another name": {domain, true, originals.ErrOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, "https://"+net.JoinHostPort(test.host, u.Port()), func(o *Options) { o.PathStyle = test.path })
			data, err := read(t, b, "a b+ä.jpg")
			if !errors.Is(err, test.want) || err == nil && data != string(jpeg("a")) {
				t.Errorf("got %q, %v; want %v", data, err, test.want)
			}
			if err := b.CanList(); !errors.Is(err, test.want) {
				t.Errorf("list: got %v, want %v", err, test.want)
			}
			if info, err := b.Stat("a b+ä.jpg"); !errors.Is(err, test.want) || err == nil && info.Size != int64(len(jpeg("a"))) {
				t.Errorf("stat: got %v, %v; want %v", info, err, test.want)
			}
		})
	}
}
