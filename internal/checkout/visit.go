package checkout

import (
	"net/http"
	"net/url"

	"github.com/paybell/paybell"
)

// visit is how a buyer came here: what is kept from page to page, in the query.
type visit struct {
	id              string // of the invoice
	success, cancel string // links to the shop, as the browser was given them
	coin            string // whose payment is to be shown; chooseCoin: none
}

// chooseCoin in the place of a coin asks for the list of coins.
const chooseCoin = "choose"

func readVisit(r *http.Request, id string) visit {
	q := r.URL.Query()
	return visit{id: id, success: q.Get("success-url"), cancel: q.Get("cancel-url"), coin: q.Get("coin")}
}

// visitOf reads the visit of a request whose path names the invoice.
func visitOf(r *http.Request) (visit, error) {
	id, ok := paybell.ParseUUID(r.PathValue("id"))
	if !ok {
		return visit{}, paybell.Errorf(paybell.NotFound, "the path names no invoice")
	}
	return readVisit(r, id), nil
}

// page is the address of the buyer's page.
func (v visit) page(root string) string {
	return root + "checkout/?" + v.query(url.Values{"invoice-id": {v.id}}).Encode()
}

// form is the address that a form of the page is sent to.
func (v visit) form(root, step string) string {
	return root + "checkout/" + v.id + "/" + step + "?" + v.query(url.Values{}).Encode()
}

func (v visit) query(q url.Values) url.Values {
	for name, value := range map[string]string{"success-url": v.success, "cancel-url": v.cancel, "coin": v.coin} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// redirect leads to the buyer's page: what was asked for is done, or it can be
// seen there why not.
func redirect(w http.ResponseWriter, r *http.Request, v visit) error {
	w.Header().Set("Location", v.page(rootOf(r)))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// backToCheckout is for who opens the address of a form.
func backToCheckout(w http.ResponseWriter, r *http.Request) error {
	v, err := visitOf(r)
	if err != nil {
		return err
	}
	return redirect(w, r, v)
}

// maxForm bounds the body of a form, in bytes.
const maxForm = 16 << 10

// readForm reads the form that is sent to an address made by visit.form.
func readForm(w http.ResponseWriter, r *http.Request) (visit, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	switch err := r.ParseForm(); err.(type) {
	case nil:
		return visitOf(r)
	case *http.MaxBytesError:
		return visit{}, &paybell.Error{Code: paybell.TooLarge, Detail: "the form is too long", Err: err}
	default:
		return visit{}, &paybell.Error{Code: paybell.Invalid, Detail: "the form cannot be read", Err: err}
	}
}
