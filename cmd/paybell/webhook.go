package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/desk"
)

type webhookCmd struct {
	List    webhookListCmd    `cmd:"" help:"List a client's webhooks."`
	Show    webhookShowCmd    `cmd:"" help:"Show how a webhook is, and its endpoint."`
	Pause   webhookPauseCmd   `cmd:"" help:"Stop a webhook; what happens is numbered and held."`
	Enable  webhookEnableCmd  `cmd:"" help:"Let a webhook ring again, and send or skip what it missed."`
	Test    webhookTestCmd    `cmd:"" help:"Send a signed sample of an event to a webhook."`
	Resend  webhookResendCmd  `cmd:"" help:"Make deliveries again: one, all that failed since, or all after a number."`
	Resends webhookResendsCmd `cmd:"" help:"List a client's resends, or cancel one."`
	Explain webhookExplainCmd `cmd:"" help:"Tell the whole story of one notification and a webhook."`
}

// hooked is what all commands about one webhook have.
type hooked struct {
	operator
	Client  string `required:"" help:"Id of the client."`
	Webhook string `arg:"" help:"Id of the webhook."`
}

type webhookListCmd struct {
	operator
	Client  string `required:"" help:"Id of the client."`
	Invoice string `help:"Id of an invoice: list those that were given with it."`
}

// Run lists the webhooks, one a line.
func (c *webhookListCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		hooks, err := d.Webhooks(ctx, a, c.Client, c.Invoice, 0)
		if err != nil {
			return err
		}
		for _, w := range hooks {
			if err := c.say(fmt.Sprintf("%s  %-8s  %s  %s", w.ID, w.State, w.URL, w.Events),
				map[string]any{"id": w.ID, "state": w.State, "url": w.URL, "events": w.Events.Names()}); err != nil {
				return err
			}
		}
		return nil
	})
}

type webhookShowCmd struct{ hooked }

// Run shows one.
func (c *webhookShowCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		s, err := d.WebhookStatus(ctx, a, c.Client, c.Webhook)
		if err != nil {
			return err
		}
		w, h, now := s.Webhook, s.Endpoint.Health, time.Now()
		lines := []string{
			fmt.Sprintf("Webhook %s is %s.", w.ID, w.State),
			"  url       " + w.URL,
			"  events    " + w.Events.String(),
			fmt.Sprintf("  endpoint  %s is %s", s.Endpoint.Origin, h.State(now)),
		}
		if w.StateReason != "" {
			lines = append(lines, "  because   "+w.StateReason)
		}
		if !h.FailingSince.IsZero() {
			lines = append(lines, fmt.Sprintf("  failing   since %s, %d attempts, the last: %s", h.FailingSince.Format(time.RFC3339), h.Failures, h.Failure))
		}
		if h.PausedUntil.After(now) {
			lines = append(lines, "  paused    until "+h.PausedUntil.Format(time.RFC3339)+", as it asked")
		}
		if oldest := s.Endpoint.OldestWaiting; !oldest.IsZero() {
			lines = append(lines, fmt.Sprintf("  waiting   the oldest for %v", now.Sub(oldest).Round(time.Second)))
		}
		return c.say(strings.Join(lines, "\n"), map[string]any{
			"id": w.ID, "state": w.State, "reason": w.StateReason, "url": w.URL, "endpoint": s.Endpoint.Origin, "endpointState": h.State(now),
		})
	})
}

type webhookPauseCmd struct{ hooked }

// Run pauses; a server on the same data knows it within a second.
func (c *webhookPauseCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		if _, err := d.PauseWebhook(ctx, a, c.Client, c.Webhook); err != nil {
			return err
		}
		return c.say("The webhook is paused. What happens meanwhile is held for it.", map[string]any{"id": c.Webhook})
	})
}

type webhookEnableCmd struct {
	hooked
	Missed string `help:"What becomes of what it missed: send or skip." enum:"send,skip" default:"send"`
}

// Run enables.
func (c *webhookEnableCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		job, err := d.EnableWebhook(ctx, a, c.Client, c.Webhook, c.Missed == "skip")
		if err != nil {
			return err
		}
		return c.sayJob("The webhook rings again.", job)
	})
}

// sayJob prints a job that a server works on.
func (o operator) sayJob(text string, job paybell.Resend) error {
	return o.say(fmt.Sprintf("%s\n\n  resend  %s\n  what    %s\n  state   %s, %d of %d\n\nA running server does it; see paybell webhook resends.",
		text, job.ID, job.What, job.State, job.Done, job.Total), jobJSON(job))
}

func jobJSON(job paybell.Resend) map[string]any {
	return map[string]any{"resend": job.ID, "what": job.What, "state": job.State, "total": job.Total, "done": job.Done}
}

type webhookTestCmd struct {
	hooked
	Event     string         `help:"Which event the sample is of." default:"invoicePaid"`
	AllowCIDR []netip.Prefix `name:"allow-cidr" help:"Private addresses that webhooks may point at, as for serve; repeatable."`
}

// Run sends a sample from here.
func (c *webhookTestCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		d.Wire = deliver.New(d.DB, deliver.NewTransport(c.AllowCIDR), slog.New(slog.DiscardHandler))
		at, err := d.TryWebhook(ctx, a, c.Client, c.Webhook, c.Event)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("Delivered: answered %d after %v.", at.Status, at.Duration.Round(time.Millisecond/10))
		if at.Failure != "" {
			text = fmt.Sprintf("Not delivered, after %v: %s", at.Duration.Round(time.Millisecond/10), at.Failure)
		}
		return c.say(text, map[string]any{"status": at.Status, "failure": at.Failure, "milliseconds": at.Duration.Milliseconds()})
	})
}

type webhookResendCmd struct {
	hooked
	Notification string    `help:"Id of the one to send again." xor:"what" required:""`
	FailedSince  time.Time `help:"All that were given up since, like 2026-01-02T03:04:05Z." xor:"what" required:""`
	After        string    `help:"All after a number, like 1.42; 0 for all there are." xor:"what" required:""`
	DryRun       bool      `help:"Only count them."`
}

// Run starts a resend, which a server works on.
func (c *webhookResendCmd) Run(ctx context.Context) error {
	q := desk.ResendRequest{NotificationID: c.Notification, FailedSince: c.FailedSince, DryRun: c.DryRun}
	if c.After != "" {
		after, err := paybell.ParseSequence("--after", c.After)
		if err != nil {
			return err
		}
		q.After = &after
	}
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		job, err := d.Resend(ctx, a, c.Client, c.Webhook, q)
		if err != nil {
			return err
		}
		if c.DryRun {
			return c.say(fmt.Sprintf("%d would be sent again.", job.Total), map[string]any{"total": job.Total})
		}
		return c.sayJob("They are sent again.", job)
	})
}

type webhookResendsCmd struct {
	operator
	Client string `required:"" help:"Id of the client."`
	Cancel string `help:"Id of one to cancel."`
}

// Run lists, or cancels.
func (c *webhookResendsCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		if c.Cancel != "" {
			job, err := d.CancelResend(ctx, a, c.Client, c.Cancel)
			if err != nil {
				return err
			}
			return c.say(fmt.Sprintf("It is %s; %d of %d were made.", job.State, job.Done, job.Total), jobJSON(job))
		}
		jobs, err := d.Resends(ctx, a, c.Client)
		if err != nil {
			return err
		}
		for _, job := range jobs {
			if err := c.say(fmt.Sprintf("%s  %-9s  %-8s  %d of %d", job.ID, job.State, job.What, job.Done, job.Total), jobJSON(job)); err != nil {
				return err
			}
		}
		return nil
	})
}

type webhookExplainCmd struct {
	hooked
	Notification string `arg:"" help:"Id of the notification."`
}

// Run tells the story.
func (c *webhookExplainCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		s, err := d.ExplainDelivery(ctx, a, c.Client, c.Webhook, c.Notification)
		if err != nil {
			return err
		}
		lines := []string{fmt.Sprintf("%v of %s: %s.", s.Notification.Event, s.Notification.At.Format(time.RFC3339), s.Match)}
		if s.Delivery != nil {
			lines = append(lines, fmt.Sprintf("Number %v is %s.", s.Delivery.Sequence(), s.Delivery.State))
		}
		for _, at := range s.Attempts {
			result := at.Failure
			if result == "" {
				result = fmt.Sprintf("answered %d, delivered", at.Status)
			}
			t := at.Timing
			lines = append(lines, fmt.Sprintf("  %2d  %s  %v (DNS %v, connect %v, TLS %v, first byte %v)  %s", at.N, at.StartedAt.Format(time.RFC3339), short(at.Duration),
				short(t.DNS), short(t.Connect), short(t.TLS), short(t.FirstByte), result))
		}
		lines = append(lines, "Next: "+s.Next+".")
		return c.say(strings.Join(lines, "\n"), map[string]any{"match": s.Match, "next": s.Next, "attempts": len(s.Attempts)})
	})
}

func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
