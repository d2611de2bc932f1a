package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"time"
)

func tlsCases() []Case {
	bad := func(change func(*x509.Certificate)) func(*authorities) *tls.Config {
		return func(a *authorities) *tls.Config { return config(a.known.issue(a.leaf(change))) }
	}
	cases := []Case{
		{Name: "tls-ok", What: "has a good certificate of the Server's CA: the control", Outcome: Delivered,
			cert: func(a *authorities) *tls.Config { return a.good() }},
		{Name: "tls-expired", What: "has a certificate that has expired", Outcome: Failed, MaxRequests: none,
			cert: bad(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-24 * time.Hour) })},
		{Name: "tls-wrong-host", What: "has a certificate of another host", Outcome: Failed, MaxRequests: none,
			cert: bad(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"other.example"}, nil })},
		{Name: "tls-self-signed", What: "has a certificate that it signed itself", Outcome: Failed, MaxRequests: none,
			cert: func(a *authorities) *tls.Config { return config(selfSigned(a.leaf(nil))) }},
		{Name: "tls-unknown-ca", What: "has a certificate of a CA that nobody knows", Outcome: Failed, MaxRequests: none,
			cert: func(a *authorities) *tls.Config { return config(a.unknown.issue(a.leaf(nil))) }},
		{Name: "tls-stall", What: "accepts the connection and never answers the TLS handshake", Outcome: Failed, MaxRequests: none,
			connect: (*visit).untilGone},
		{Name: "tls-1.0", What: "speaks TLS 1.0 only", Outcome: Failed, MaxRequests: none,
			cert: func(a *authorities) *tls.Config {
				c := a.good()
				c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
				return c
			}},
	}
	for i := range cases {
		cases[i].Scheme, cases[i].group = "https", certCase
	}
	return cases
}

// authorities sign the Server's certificates.
type authorities struct {
	known   *authority // the sender is told to trust it
	unknown *authority
	host    string
	ip      netip.Addr
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthorities(host string, ip netip.Addr) (*authorities, error) {
	known, err := newAuthority("Hostile receivers: trust me")
	if err != nil {
		return nil, err
	}
	unknown, err := newAuthority("Hostile receivers: nobody knows me")
	return &authorities{known, unknown, host, ip}, err
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := template(name)
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // rand.Reader never fails
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-365 * 24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
}

// leaf is a certificate for the Server's host, changed.
func (a *authorities) leaf(change func(*x509.Certificate)) *x509.Certificate {
	c := template("Hostile receivers")
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	c.IPAddresses = []net.IP{a.ip.AsSlice()}
	if _, err := netip.ParseAddr(a.host); err != nil {
		c.DNSNames = []string{a.host}
	}
	if change != nil {
		change(c)
	}
	return c
}

func (a *authorities) good() *tls.Config { return config(a.known.issue(a.leaf(nil))) }

func (a *authorities) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.known.cert.Raw})
}

func (a *authority) issue(c *x509.Certificate) tls.Certificate { return sign(c, a.cert, a.key) }

func selfSigned(c *x509.Certificate) tls.Certificate { return sign(c, c, nil) }

// sign makes a certificate with a key of its own; signer nil: it signs itself.
// It panics on what only a mistake in a case can cause.
func sign(c, parent *x509.Certificate, signer *ecdsa.PrivateKey) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func config(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
