package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewClient is what an integration client is made of.
type NewClient struct {
	MerchantID  string
	Name, URL   string
	Permissions paybell.Permissions
}

// CreateClient makes an integration client. The secret is returned here and
// never again.
func (d *Desk) CreateClient(ctx context.Context, in NewClient) (c paybell.Client, secret string, err error) {
	c = paybell.Client{
		ID: paybell.NewClientID(), MerchantID: in.MerchantID, Name: in.Name, URL: in.URL,
		Permissions: in.Permissions, CreatedAt: now(), Terms: paybell.DefaultTerms,
	}
	if c.Name == "" {
		return c, "", paybell.InvalidField("name", "give the client a name")
	}
	if err := text("name", c.Name, 127); err != nil {
		return c, "", err
	}
	if err := text("url", c.URL, 2000); err != nil {
		return c, "", err
	}
	secret = paybell.NewClientSecret()
	err = store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if _, err := tx.Merchant(in.MerchantID); err != nil {
			return err
		}
		return tx.CreateClient(c, secret)
	})
	return c, secret, err
}
