package api

import (
	"bytes"
	"net/http"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// The sandbox routes move the test coin on the merchant's own test chain. They
// are ours, not CoinPayments'.

func (s *Server) sandboxPay(w http.ResponseWriter, r *request) error {
	coins, err := readCoins(r.body)
	if err != nil {
		return err
	}
	txID, err := s.Desk.PaySandbox(r.Context(), r.actor, r.PathValue("id"), coins)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, txIDJSON{txID})
}

// readCoins is how many coins to pay; nil when the body does not say.
func readCoins(raw []byte) (*decimal.Decimal, error) {
	var body struct {
		Amount amount `json:"amount"`
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	if err := decodeOnly(raw, &body, "amount"); err != nil || !body.Amount.given() {
		return nil, err
	}
	coin, _ := paybell.FindCurrency(paybell.LTCT)
	as := &amounts{currency: coin}
	coins := body.Amount.read(as, "amount")
	return &coins, as.err
}

func (s *Server) sandboxExpire(w http.ResponseWriter, r *request) error {
	var body struct {
		What text `json:"what"`
	}
	if err := decodeOnly(r.body, &body, "what"); err != nil {
		return err
	}
	if err := s.Desk.ExpireSandbox(r.Context(), r.actor, r.PathValue("id"), string(body.What)); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]string{"what": string(body.What)})
}

func (s *Server) sandboxMine(w http.ResponseWriter, r *request) error {
	var body struct {
		Blocks *int `json:"blocks"`
	}
	if err := decodeOnly(r.body, &body, "blocks"); err != nil {
		return err
	}
	if body.Blocks == nil {
		return paybell.InvalidField("blocks", "is missing; say how many to mine")
	}
	height, err := s.Desk.MineSandbox(r.Context(), r.actor, *body.Blocks)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]int64{"height": height})
}

func (s *Server) sandboxReorg(w http.ResponseWriter, r *request) error {
	var body struct {
		Depth *int `json:"depth"`
	}
	if err := decodeOnly(r.body, &body, "depth"); err != nil {
		return err
	}
	if body.Depth == nil {
		return paybell.InvalidField("depth", "is missing; say how many blocks to take back")
	}
	if err := s.Desk.ReorgSandbox(r.Context(), r.actor, *body.Depth); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]int{"depth": *body.Depth})
}

func (s *Server) sandboxReplace(w http.ResponseWriter, r *request) error {
	var body struct {
		ToInvoice *bool `json:"toInvoice"`
	}
	if err := decodeOnly(r.body, &body, "toInvoice"); err != nil {
		return err
	}
	if body.ToInvoice == nil {
		return paybell.InvalidField("toInvoice", "is missing; true pays the invoice again, false pays elsewhere")
	}
	txID, err := s.Desk.ReplaceSandbox(r.Context(), r.actor, r.PathValue("txId"), *body.ToInvoice)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, txIDJSON{txID})
}

func (s *Server) sandboxDrop(w http.ResponseWriter, r *request) error {
	txID := r.PathValue("txId")
	if err := s.Desk.DropSandbox(r.Context(), r.actor, txID); err != nil {
		return err
	}
	return reply(w, http.StatusOK, txIDJSON{txID})
}

type txIDJSON struct {
	TxID string `json:"txId"`
}
