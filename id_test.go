package paybell

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestNewUUID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")).Add(999 * time.Microsecond)
		u, err := uuid.Parse(NewUUID(now))
		if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("%s: version %d, variant %s, %v", u, u.Version(), u.Variant(), err)
		}
		if sec, nsec := u.Time().UnixTime(); time.Unix(sec, nsec).UnixMilli() != now.UnixMilli() {
			t.Errorf("%s says %v, made at %v", u, time.Unix(sec, nsec), now)
		}
	})
}

func TestIDsSortByTime(t *testing.T) {
	var uuids, notifications []string
	for ms := range 5000 {
		at := day0.Add(time.Duration(ms) * 7 * time.Millisecond)
		uuids, notifications = append(uuids, NewUUID(at)), append(notifications, NewNotificationID(at))
	}
	if !slices.IsSorted(uuids) || !slices.IsSorted(notifications) {
		t.Error("ids do not sort by time")
	}
}

func TestIDsAreUniqueAndWellFormed(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func() string
		shape string
	}{
		{"uuid", func() string { return NewUUID(day0) }, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		{"notification", func() string { return NewNotificationID(day0) }, `^[0-9a-f]{32}$`},
		{"client", NewClientID, `^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$`},
		{"webhook", NewWebhookID, `^[0-9A-Za-z_-]{21}$`},
	} {
		shape, seen := regexp.MustCompile(c.shape), map[string]bool{}
		letters := map[rune]bool{}
		for range 5000 {
			id := c.make()
			if seen[id] || !shape.MatchString(id) {
				t.Fatalf("%s id %q, again: %v", c.name, id, seen[id])
			}
			seen[id] = true
			for _, r := range id {
				letters[r] = true
			}
		}
		if c.name == "webhook" && len(letters) != 64 {
			t.Errorf("webhook ids use %d letters", len(letters))
		}
	}
}

func TestParseClientID(t *testing.T) {
	const id = "dc6a16e545c34187ba21a9edbbe484a5"
	const dashed = "dc6a16e5-45c3-4187-ba21-a9edbbe484a5"
	for _, s := range []string{id, dashed, strings.ToUpper(id), strings.ToUpper(dashed)} {
		if got, ok := ParseClientID(s); !ok || got != id {
			t.Errorf("%s: %s, %v", s, got, ok)
		}
	}
	for _, s := range []string{
		"", id[:31], id + "0", " " + id[1:], id[:31] + "g", "{" + dashed + "}", "urn:uuid:" + dashed, strings.ReplaceAll(dashed, "-", "_"),
		"dc6a16e54-5c3-4187-ba21-a9edbbe484a5", dashed[:35], "dc6a16e5-45c3-4187-ba21-a9edbbe484-5", "K" + id[3:], id[:31] + "\x00", strings.Repeat("-", 36),
	} {
		if got, ok := ParseClientID(s); ok || got != "" {
			t.Errorf("%q: %s, %v", s, got, ok)
		}
	}
	for _, at := range []int{8, 13, 18, 23} {
		s := dashed[:at] + "0" + dashed[at+1:]
		if got, ok := ParseClientID(s); ok || got != "" {
			t.Errorf("%q: %s, %v", s, got, ok)
		}
	}
	if got := DashedClientID(id); got != dashed {
		t.Errorf("dashed %s", got)
	}
	if got := DashedClientID("short"); got != "short" {
		t.Errorf("dashed %s", got)
	}
	for range 100 {
		made := NewClientID()
		if got, ok := ParseClientID(DashedClientID(made)); !ok || got != made {
			t.Fatalf("%s came back as %s", made, got)
		}
	}
}

func TestParseUUID(t *testing.T) {
	const id = "2008d68d-0f66-44ec-8500-68d054b882b9"
	for _, s := range []string{id, strings.ToUpper(id)} {
		if got, ok := ParseUUID(s); !ok || got != id {
			t.Errorf("%s: %s, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", strings.ReplaceAll(id, "-", ""), id[1:], id + "0", "g" + id[1:]} {
		if got, ok := ParseUUID(s); ok || got != "" {
			t.Errorf("%q: %s, %v", s, got, ok)
		}
	}
}

func FuzzParseClientID(f *testing.F) {
	f.Add("dc6a16e545c34187ba21a9edbbe484a5")
	f.Add("DC6A16E5-45C3-4187-BA21-A9EDBBE484A5")
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := ParseClientID(s)
		if !ok {
			return
		}
		if u, err := uuid.Parse(s); err != nil || strings.ReplaceAll(u.String(), "-", "") != id {
			t.Errorf("%q is %s, the uuid package says %s, %v", s, id, u, err)
		}
		if again, ok := ParseClientID(DashedClientID(id)); !ok || again != id {
			t.Errorf("%q is %s, then %s", s, id, again)
		}
	})
}
