package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// explain says in a merchant's words why there was no answer. Addresses of ours
// and of our name server are no part of it.
func explain(err error) string {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return "not sent: " + refused.Rule
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return explainDNS(dns)
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return explainCertificate(bad)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no complete answer within %v", attemptTime)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was closed before the answer was complete"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset before the answer was complete"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused: nothing listens there"
	}
	// What is left are words of net/http, some of them for programmers.
	text := err.Error()
	if before, _, cut := strings.Cut(text, " after Request.Body was written; "); cut {
		text = strings.TrimPrefix(before, "http2: Transport: cannot retry err ")
	}
	return strings.TrimPrefix(text, "net/http: HTTP/1.x transport connection broken: ")
}

func explainDNS(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return fmt.Sprintf("the name %s does not exist", err.Name)
	case err.IsTimeout:
		return fmt.Sprintf("the name server of %s did not answer within %v", err.Name, dnsLimit)
	}
	return fmt.Sprintf("the name server of %s failed: %s", err.Name, err.Err)
}

func explainCertificate(err *tls.CertificateVerificationError) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	if c := err.UnverifiedCertificates; unknown && len(c) > 0 && bytes.Equal(c[0].RawIssuer, c[0].RawSubject) {
		return "the certificate is self-signed"
	}
	return err.Error()
}
