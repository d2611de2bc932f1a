package api

import (
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// clientJSON is an integration client: contract 2.2.
type clientJSON struct {
	ClientID    string          `json:"clientId"`
	Name        string          `json:"name"`
	Integration *string         `json:"integration"`
	State       string          `json:"state"`
	StoreURL    *string         `json:"storeUrl"`
	AllowedIPs  *string         `json:"allowedIps"` // joined by commas; null: from anywhere
	Paybell     clientExtraJSON `json:"paybell"`
}

// clientExtraJSON holds what the contract has no place for.
type clientExtraJSON struct {
	Permissions []string `json:"permissions"`
	EventNames  string   `json:"eventNames"`
	Created     string   `json:"created"`
}

func newClientJSON(c paybell.Client) clientJSON {
	return clientJSON{
		ClientID: c.ID, Name: c.Name, Integration: nullable(c.Integration), State: string(c.State), StoreURL: nullable(c.URL),
		AllowedIPs: nullable(strings.Join(paybell.IPTexts(c.AllowedIPs), ",")),
		Paybell:    clientExtraJSON{c.Permissions.Names(), c.EventNames.String(), stamp(c.CreatedAt)},
	}
}

// clientBody is a client as people send it, new or to be changed. What is left
// out is the default, or stays.
type clientBody struct {
	Name        *text  `json:"name"`
	Integration *text  `json:"integration"`
	StoreURL    *text  `json:"storeUrl"`
	State       *text  `json:"state"`
	AllowedIPs  *names `json:"allowedIps"`
	Permissions *names `json:"permissions"`
	EventNames  *text  `json:"eventNames"`
}

var clientKeys = []string{"name", "integration", "storeUrl", "state", "allowedIps", "permissions", "eventNames"}

// change is what the body asks for.
func (b clientBody) change() (ch desk.ClientChange, err error) {
	ch.Name, ch.Integration, ch.URL = (*string)(b.Name), (*string)(b.Integration), (*string)(b.StoreURL)
	if b.AllowedIPs != nil {
		ips, err := paybell.ParseAllowedIPs("allowedIps", *b.AllowedIPs)
		if err != nil {
			return ch, err
		}
		ch.AllowedIPs = &ips
	}
	if b.State != nil {
		state := paybell.ClientState(*b.State)
		if state != paybell.ClientActive && state != paybell.ClientDisabled {
			return ch, paybell.InvalidField("state", `must be "active" or "disabled"; to delete the client, use DELETE`)
		}
		ch.State = &state
	}
	if b.Permissions != nil {
		may, err := paybell.ParsePermissions("permissions", *b.Permissions)
		if err != nil {
			return ch, err
		}
		ch.Permissions = &may
	}
	if b.EventNames != nil {
		style, err := paybell.ParseEventNames("eventNames", string(*b.EventNames))
		if err != nil {
			return ch, err
		}
		ch.EventNames = &style
	}
	return ch, nil
}
