package api

import (
	"bytes"
	"net/http"
)

// startPayment is a buyer's page asking for the coins, and saying where refunds
// are to be talked about. It takes no address.
func (s *Server) startPayment(w http.ResponseWriter, r *request) error {
	var body struct {
		RefundEmail text `json:"refundEmail"`
	}
	if len(bytes.TrimSpace(r.body)) > 0 {
		if err := decode(r.body, &body); err != nil {
			return err
		}
	}
	inv, _, err := s.Desk.SharedInvoice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if body.RefundEmail != "" {
		if inv, err = s.Desk.SetRefundEmail(r.Context(), inv.ID, string(body.RefundEmail)); err != nil {
			return err
		}
	}
	inv.Bill.RefundEmail = string(body.RefundEmail) // who has the link is not told what another said
	rates, err := s.coinRates(r, inv.MerchantID, inv.Bill)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newCreatedPaymentJSON(&inv, rates, r.version()))
}

// updateBuyer is a buyer saying who they are.
func (s *Server) updateBuyer(w http.ResponseWriter, r *request) error {
	var body struct {
		Buyer    object[partyBody] `json:"buyer"`
		Shipping object[partyBody] `json:"shipping"`
	}
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if err := s.Desk.UpdateBuyer(r.Context(), r.PathValue("id"), body.Buyer.value.party(), body.Shipping.value.party()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// sharedInvoice is what whoever has an invoice's link may see.
func (s *Server) sharedInvoice(w http.ResponseWriter, r *request) error {
	inv, merchant, err := s.Desk.SharedInvoice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	j := newInvoiceJSON(&inv, r.version())
	j.Merchant = newMerchantJSON(merchant)
	for _, who := range []**personJSON{&j.Buyer, &j.Shipping} {
		if *who == nil {
			*who = &personJSON{} // whether anything was said is told in both cases
		}
	}
	return reply(w, http.StatusOK, j)
}
