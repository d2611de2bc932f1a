package dash

import (
	"context"
	"net/http"
)

func (s *Server) askRemoveWallet(ctx context.Context, r *request) (view, error) {
	card, err := s.askedWallet(ctx, r)
	if err != nil {
		return view{}, err
	}
	return s.walletsWith(ctx, r, "wallets_remove.html", card)
}

func (s *Server) removeWallet(w http.ResponseWriter, r *request) error {
	card, err := s.askedWallet(r.Context(), r)
	if err != nil {
		return err
	}
	if err := s.Desk.RemoveWallet(r.Context(), r.Person.Actor(), card.Wallet.ID); err != nil {
		return err
	}
	return done(w, walletsPath, "The "+card.Coin.Name+" wallet is removed. What buyers were given of it stays watched for ever.")
}
