// Package api is the REST API, for merchants' programs and for the pages that
// buyers see. It speaks the dialect of CoinPayments. It knows HTTP and JSON;
// everything else it asks the desk.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// Server answers the API. Its fields are set once, before Handler is called.
type Server struct {
	Desk *desk.Desk
	// PublicURLs are the addresses under which clients know this server, the main
	// one first: clients sign them, and links to buyers' pages begin with it.
	// Without any, both are made of the Host that a request names.
	PublicURLs []string
	// SignatureWindow is how far the clock of who signs may be off, both ways;
	// zero means 60 s.
	SignatureWindow time.Duration
	// RateLimit is how many requests per second each client may make, and each
	// address on anonymous routes; 0 means as many as they want.
	RateLimit int
	// TrustedProxies are addresses whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Ready says whether requests can be answered now; nil means always.
	Ready func(context.Context) error
	Log   *slog.Logger // nil: nothing is logged
	// Stopping is closed when the server is about to stop: streams end then. Nil
	// means never.
	Stopping <-chan struct{}

	streams web.Streams
}

// route is one thing that can be asked. Its path is written as the contract
// writes it: v{1,2} stands for both versions.
type route struct {
	pattern string
	guard   guard
	do      action
}

// guard says who may call a route, and whether it takes a body.
type guard int

const (
	// anonymous routes never look at signatures: real clients send wrong ones there.
	anonymous guard = 0
	// signed routes are for clients. Without withBody they refuse one: who signs a
	// body wants it to mean something. It also keeps notifications out, which are
	// signed like requests.
	signed guard = 1
	// account routes are for people, with an account token.
	account guard = 2

	withBody guard = 4
	// known finds out on an anonymous route who asks, if they signed well.
	known guard = 8
)

func (s *Server) routes() []route {
	return append([]route{
		{"POST /api/v1/merchant/invoices", signed | withBody, createInvoice[bodyV1](s)},
		{"POST /api/v2/merchant/invoices", signed | withBody, createInvoice[bodyV2](s)},
		{"GET /api/v{1,2}/merchant/invoices", signed, s.listInvoices},
		{"GET /api/v{1,2}/merchant/invoices/{id}", signed, s.getInvoice},
		{"GET /api/v{1,2}/merchant/invoices/{id}/history", signed, s.getHistory},
		{"GET /api/v{1,2}/merchant/invoices/{id}/payouts", signed, s.getPayouts},
		{"POST /api/v{1,2}/merchant/invoices/{id}/cancel", signed, s.cancelInvoice},
		{"POST /api/v1/merchant/invoices/{id}/accept", signed, s.acceptInvoice},

		{"POST /api/v{1,2}/merchant/clients/{clientId}/webhooks", signed | withBody, s.createWebhook},
		{"GET /api/v{1,2}/merchant/clients/{clientId}/webhooks", signed, s.listWebhooks},
		{"PUT /api/v{1,2}/merchant/clients/{clientId}/webhooks/{webhookId}", signed | withBody, s.updateWebhook},
		{"DELETE /api/v{1,2}/merchant/clients/{clientId}/webhooks/{webhookId}", signed, s.deleteWebhook},
		{"GET /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}", signed, s.getWebhook},
		{"GET /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/notifications", signed, s.getNotifications},
		{"GET /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/notifications/{notificationId}", signed, s.explainDelivery},
		{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/pause", signed, s.pauseWebhook},
		{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/enable", signed | withBody, s.enableWebhook},
		{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/test", signed | withBody, s.tryWebhook},
		{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/resend", signed | withBody, s.resend},
		{"GET /api/v1/merchant/clients/{clientId}/resends", signed, s.listResends},
		{"GET /api/v1/merchant/clients/{clientId}/resends/{resendId}", signed, s.getResend},
		{"POST /api/v1/merchant/clients/{clientId}/resends/{resendId}/cancel", signed, s.cancelResend},
		{"GET /api/v1/merchant/clients/{clientId}/endpoints", signed, s.listEndpoints},
		{"POST /api/v1/merchant/clients/{clientId}/endpoints/enable", signed | withBody, s.enableEndpoint},
		{"GET /api/v{1,2}/merchant/clients/access-control", signed, s.getAccess},
		{"POST /api/v{1,2}/merchant/clients/access-control", signed | withBody, s.restrictAccess},
		{"GET /api/v{1,2}/merchant/clients/ip", anonymous, s.callerIP},
		{"GET /api/v{1,2}/merchant/wallets", signed, s.listWallets},
		{"GET /api/v{1,2}/merchant/wallets/{walletId}", signed, s.getWallet},
		{"POST /api/v1/merchant/wallets/preview", signed | withBody, s.previewWallet},
		{"POST /api/v1/merchant/wallets", signed | withBody, s.addWallet},
		{"PUT /api/v1/merchant/wallets/{walletId}/policy", signed | withBody, s.setPolicy},
		{"DELETE /api/v1/merchant/wallets/{walletId}", signed, s.removeWallet},
		{"GET /api/v{1,2}/merchant/currencies", signed, s.merchantCurrencies},

		{"POST /api/v1/merchant/clients", account | withBody, s.createClient},
		{"GET /api/v1/merchant/clients", account, s.listClients},
		{"GET /api/v1/merchant/clients/{clientId}", account, s.getClient},
		{"PUT /api/v1/merchant/clients/{clientId}", account | withBody, s.updateClient},
		{"DELETE /api/v1/merchant/clients/{clientId}", account, s.deleteClient},
		{"POST /api/v1/merchant/clients/{clientId}/secret", account | withBody, s.rotateSecret},
		{"GET /api/v1/merchant/clients/{clientId}/allowed-ips", account, s.getAllowedIPs},
		{"PUT /api/v1/merchant/clients/{clientId}/allowed-ips", account | withBody, s.setAllowedIPs},

		{"GET /api/v{1,2}/invoices/{id}/payment-currencies/{currency}", anonymous, s.openPayment},
		{"GET /api/v{1,2}/invoices/{id}/payment-currencies/{currency}/status", anonymous, s.paymentStatus},
		{"POST /api/v{1,2}/invoices/{id}/payments", anonymous | withBody, s.startPayment},
		{"PUT /api/v{1,2}/invoices/{id}", anonymous | withBody, s.updateBuyer},
		{"GET /api/v{1,2}/shared-invoices/{id}", anonymous, s.sharedInvoice},

		{"GET /api/v{1,2}/currencies", anonymous, s.listCurrencies},
		{"GET /api/v{1,2}/currencies/{id}", anonymous, s.getCurrency},
		{"GET /api/v{1,2}/currencies/required-confirmations", anonymous | known, s.requiredConfirmations},
		{"GET /api/v{1,2}/currencies/conversions", anonymous, s.conversions},
		{"GET /api/v{1,2}/currencies/limits/{from}/{to}", anonymous, s.limits},
		{"GET /api/v{1,2}/currencies/blockchain-nodes/{id}/latest-block-number", anonymous, s.latestBlock},
		{"GET /api/v{1,2}/fees/blockchain/{id}", anonymous, s.blockchainFee},
		{"GET /api/v{1,2}/rates", anonymous, s.rates},

		{"POST /api/v1/sandbox/invoices/{id}/pay", signed | withBody, s.sandboxPay},
		{"POST /api/v1/sandbox/invoices/{id}/expire", signed | withBody, s.sandboxExpire},
		{"POST /api/v1/sandbox/mine", signed | withBody, s.sandboxMine},
		{"POST /api/v1/sandbox/reorg", signed | withBody, s.sandboxReorg},
		{"POST /api/v1/sandbox/transactions/{txId}/replace", signed | withBody, s.sandboxReplace},
		{"POST /api/v1/sandbox/transactions/{txId}/drop", signed, s.sandboxDrop},
	}, putOff()...)
}

// Handler answers every path, those that are not there with a problem document.
func (s *Server) Handler() http.Handler {
	s.streams.Most = maxStreams
	door := &door{
		Server: s, limit: web.NewLimiter(s.RateLimit),
		auth: &authenticator{PublicURLs: s.PublicURLs, Window: s.SignatureWindow, Secrets: s.Desk.Secrets},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", s.serve(s.healthz))
	mux.Handle("GET /readyz", s.serve(s.readyz))
	for _, rt := range s.routes() {
		h := s.serve(door.guarded(rt))
		if !strings.Contains(rt.pattern, "v{1,2}") {
			mux.Handle(rt.pattern, h)
			continue
		}
		for _, version := range []string{"v1", "v2"} {
			mux.Handle(strings.Replace(rt.pattern, "v{1,2}", version, 1), h)
		}
	}
	elsewhere := s.serve(nowhere(mux))
	mux.Handle("/", elsewhere)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isClean(r.URL) {
			elsewhere.ServeHTTP(w, r) // the mux would redirect, and the signature would not fit there
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// isClean tells whether a path is text, written in its shortest form, without //
// or dots.
func isClean(u *url.URL) bool {
	p := u.EscapedPath()
	if !utf8.ValidString(u.Path) || strings.Contains(u.Path, "\x00") {
		return false
	}
	return path.Clean(p) == p || p != "/" && path.Clean(p)+"/" == p
}
