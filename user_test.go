package paybell_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

func TestParseEmail(t *testing.T) {
	for text, want := range map[string]string{
		"zoe@shop.example": "zoe@shop.example", " Zoe@Shop.EXAMPLE\t": "zoe@shop.example", "a+b.c@x.example": "a+b.c@x.example", "o'brien@x.example": "o'brien@x.example", "root@localhost": "root@localhost",
		"zoë@märkte.example":                     "zoë@märkte.example",
		strings.Repeat("a", 244) + "@b.example":  strings.Repeat("a", 244) + "@b.example",
		strings.Repeat("a", 245) + "@b.example":  "",
		"":                                       "",
		" ":                                      "",
		"zoe":                                    "",
		"@b.example":                             "",
		"zoe@":                                   "",
		"a@b@c.example":                          "",
		"a b@c.example":                          "",
		"Zoë <zoe@shop.example>":                 "",
		"<zoe@shop.example>":                     "",
		"zoe@shop.example,x@shop.example":        "",
		`"zoe"@shop.example`:                     "",
		`"a@b"@shop.example`:                     "",
		"zoe(comment)@shop.example":              "",
		"zoe@[192.0.2.7]":                        "",
		"zoe@shop.example\x00":                   "",
		"zoe@shop.example\r\nBcc: x@b.example":   "",
		"\xff@shop.example":                      "",
		"=?utf-8?q?zoe?= <zoe@shop.example>":     "",
		"javascript:alert`1`@shop.example":       "",
		"<script>alert(1)</script>@shop.example": "",
	} {
		got, err := paybell.ParseEmail("email", text)
		if want == "" {
			if paybell.CodeOf(err) != paybell.Invalid || err == nil {
				t.Errorf("%q is taken for %q, %v", text, got, err)
			}
		} else if got != want || err != nil {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseEmail(f *testing.F) {
	f.Add(" Zoe@shop.example")
	f.Add("\u212a@k.example") // the Kelvin sign is a k in lower case
	f.Fuzz(func(t *testing.T, text string) {
		email, err := paybell.ParseEmail("email", text)
		if err != nil {
			return
		}
		if again, err := paybell.ParseEmail("email", email); err != nil || again != email {
			t.Errorf("%q gives %q, and that %q, %v", text, email, again, err)
		}
	})
}

func TestCheckPassword(t *testing.T) {
	const email = "zoe@shop.example"
	for password, good := range map[string]bool{
		strings.Repeat("é", 10): true, strings.Repeat("é", 200): true, "correct horse": true, " spaces count ": true, email + "!": true,
		"": false, strings.Repeat("é", 9): false, strings.Repeat("é", 201): false, email: false, "ZOE@shop.example": false, " " + email + " ": false,
		"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6": false,
	} {
		if err := paybell.CheckPassword("password", password, email); (err == nil) != good {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestRoles(t *testing.T) {
	for _, r := range []paybell.Role{paybell.RoleOwner, paybell.RoleStaff, paybell.RoleReadOnly} {
		if got, err := paybell.ParseRole("role", string(r)); got != r || err != nil {
			t.Errorf("%s is %s, %v", r, got, err)
		}
		if r.Changes() != (r.Permissions() == paybell.AllPermissions) {
			t.Errorf("%s: changes %v, with %v", r, r.Changes(), r.Permissions().Names())
		}
	}
	for _, bad := range []string{"", "boss", "Owner", "readonly"} {
		if got, err := paybell.ParseRole("role", bad); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
		if r := paybell.Role(bad); r.Changes() || r.Permissions() != 0 {
			t.Errorf("%q may do something", bad)
		}
	}
	changing := paybell.CreateInvoice | paybell.CancelInvoice | paybell.AcceptInvoice | paybell.CreateWallet | paybell.CreateAddress | paybell.SpendRequest |
		paybell.ConfirmSpendingFunds | paybell.CreateClientWebhook | paybell.UpdateWebhook | paybell.DeleteWebhook | paybell.UseSandbox | paybell.ResendNotifications
	if both := paybell.RoleReadOnly.Permissions() & changing; both != 0 {
		t.Errorf("who may only look may %v", both.Names())
	}
}

func TestSessionEnds(t *testing.T) {
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct{ seen, ends time.Duration }{
		{0, 7 * 24 * time.Hour}, {time.Hour, 7*24*time.Hour + time.Hour}, {23 * 24 * time.Hour, 30 * 24 * time.Hour}, {29 * 24 * time.Hour, 30 * 24 * time.Hour},
	} {
		s := paybell.Session{CreatedAt: begun, SeenAt: begun.Add(tt.seen)}
		if got := s.EndsAt().Sub(begun); got != tt.ends {
			t.Errorf("seen after %v it ends after %v, want %v", tt.seen, got, tt.ends)
		}
	}
}

// Tokens of one kind are none of another.
func TestTokensAreOfTheirKind(t *testing.T) {
	kinds := []struct {
		prefix string
		make   func() string
		hash   func(string) (string, bool)
	}{
		{"pbt_", paybell.NewAccountToken, paybell.HashAccountToken}, {"pbs_", paybell.NewSessionToken, paybell.HashSessionToken}, {"pbp_", paybell.NewPassToken, paybell.HashPassToken},
	}
	for i, k := range kinds {
		token := k.make()
		if !strings.HasPrefix(token, k.prefix) || token == k.make() {
			t.Errorf("a token is %s", token)
		}
		for j, other := range kinds {
			hash, ok := other.hash(token)
			if ok != (i == j) || ok != (len(hash) == 64) {
				t.Errorf("%s: %v, %q", token, ok, hash)
			}
		}
		for _, bad := range []string{"", k.prefix, token + "A", token[:len(token)-1], strings.ToUpper(token)} {
			if _, ok := k.hash(bad); ok {
				t.Errorf("%q is a token", bad)
			}
		}
	}
}
