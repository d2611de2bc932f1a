package dash

import "html/template"

// icons are line drawings on a grid of 24, as the d of one path.
var icons = map[string]string{
	"overview":     "M4 11.5 12 5l8 6.5M6 10v9h12v-9M10 19v-5h4v5",
	"invoices":     "M7 3.5h10v17l-2.5-1.6L12 20.5l-2.5-1.6L7 20.5zM10 8h4M10 12h4",
	"integrations": "M9 3v5M15 3v5M6.5 8h11v3.5a5.5 5.5 0 0 1-11 0zM12 17v4",
	"deliveries":   "M20.5 4 3.5 10.5l6.5 3 3 6.5zM20.5 4 10 13.5",
	"wallets":      "M4 7.5h14.5a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5H5.5A1.5 1.5 0 0 1 4 18zm0 0A2 2 0 0 1 6 5h11M16 13.5h.1",
	"settings":     "M4 7h7.5M16.5 7H20M4 17h3.5M12.5 17H20M14 4.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM10 14.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z",
	"bell":         "M6.5 16.5V11a5.5 5.5 0 0 1 11 0v5.5l1.5 1.5H5zM10 20.5h4",
	"plus":         "M12 5v14M5 12h14",
	"copy":         "M9 9h10v11H9zM6 15H5V4h10v2",
	"check":        "m5 12.5 4.5 4.5L19 7.5",
	"warn":         "M12 4 2.5 20h19zM12 10v4.5M12 17v.1",
	"close":        "m6 6 12 12M18 6 6 18",
	"search":       "M10.5 4.5a6 6 0 1 1 0 12 6 6 0 0 1 0-12zM15 15l5 5",
	"down":         "m6 9.5 6 6 6-6",
	"next":         "m9.5 6 6 6-6 6",
	"out":          "M14 4h6v6M20 4l-9 9M17 14v5.5H4.5V7H10",
	"play":         "M7.5 5v14l11-7z",
	"pause":        "M8 5v14M16 5v14",
	"key":          "M14.5 4a5.5 5.5 0 1 1-4.7 8.4L4 18v2h3v-2h2v-2h2l1.5-1.5M16 8.5h.1",
	"trash":        "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
	"edit":         "M5 19l.7-3.7L16 5l3 3L8.7 18.3zM14 7l3 3",
	"users":        "M9 4.5a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4zM3 19.5c0-3.5 2.5-5.5 6-5.5s6 2 6 5.5M16 5a3 3 0 0 1 0 5.8M17.5 14.2c2.2.6 3.5 2.4 3.5 5.3",
	"clock":        "M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17zM12 7.5V12l3 2",
	"shield":       "M12 3.5l7 2.5v5.5c0 4.2-2.8 7.3-7 9-4.2-1.7-7-4.8-7-9V6z",
	"download":     "M12 4v11M7.5 10.5 12 15l4.5-4.5M4.5 19.5h15",
	"resend":       "M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 3.5V7H16",
	"menu":         "M4 6.5h16M4 12h16M4 17.5h16",
	"leave":        "M10 4.5H5v15h5M14.5 8l4 4-4 4M18 12H9.5",
	"coin":         "M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17zM9.5 15.5l5-7M9.5 8.5h5v4",
}

// icon draws one, as high as the text. It says nothing by itself: text beside it does.
func icon(name string) template.HTML {
	d, ok := icons[name]
	if !ok {
		panic("there is no icon " + name) // a mistake in a template
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="` + d + `"/></svg>`)
}
