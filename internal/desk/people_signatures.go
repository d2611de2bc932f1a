package desk

import (
	"context"

	"github.com/paybell/paybell"
)

// NewOwner is what the first user is made of.
type NewOwner struct{ Merchant, Name, Email, Password string }

// NewUser is what a user is made of who was invited.
type NewUser struct{ Name, Email, Password string }

var errNotYet = paybell.Errorf(paybell.NotSupported, "not yet")

func (d *Desk) NeedsSetup(ctx context.Context) (bool, error)               { return false, errNotYet }
func (d *Desk) NewSetupPass(ctx context.Context) (token string, err error) { return "", errNotYet }
func (d *Desk) FindPass(ctx context.Context, token string) (paybell.Pass, error) {
	return paybell.Pass{}, errNotYet
}
func (d *Desk) SetUp(ctx context.Context, token string, in NewOwner, v Visitor) (session string, err error) {
	return "", errNotYet
}
func (d *Desk) Invite(ctx context.Context, a Actor, email string, role paybell.Role) (token string, err error) {
	return "", errNotYet
}
func (d *Desk) Invites(ctx context.Context, a Actor) ([]paybell.Pass, error) { return nil, errNotYet }
func (d *Desk) RevokeInvite(ctx context.Context, a Actor, id string) error   { return errNotYet }
func (d *Desk) AcceptInvite(ctx context.Context, token string, in NewUser, v Visitor) (session string, err error) {
	return "", errNotYet
}
func (d *Desk) ResetPassword(ctx context.Context, token, password string, v Visitor) (session string, err error) {
	return "", errNotYet
}
func (d *Desk) NewResetPass(ctx context.Context, a Actor, userID string) (token string, err error) {
	return "", errNotYet
}
func (d *Desk) NewSignInPass(ctx context.Context, userID string) (token string, err error) {
	return "", errNotYet
}
func (d *Desk) EnterBy(ctx context.Context, token string, v Visitor) (session string, err error) {
	return "", errNotYet
}
func (d *Desk) SignIn(ctx context.Context, email, password, code string, v Visitor) (session string, needsCode bool, err error) {
	return "", false, errNotYet
}
func (d *Desk) Session(ctx context.Context, token string, v Visitor) (Person, error) {
	return Person{}, errNotYet
}
func (d *Desk) SignOut(ctx context.Context, token string) error                     { return errNotYet }
func (d *Desk) ChangePassword(ctx context.Context, p Person, old, new string) error { return errNotYet }
func (d *Desk) Sessions(ctx context.Context, p Person) ([]paybell.Session, error) {
	return nil, errNotYet
}
func (d *Desk) EndSession(ctx context.Context, p Person, id string) error  { return errNotYet }
func (d *Desk) Users(ctx context.Context, a Actor) ([]paybell.User, error) { return nil, errNotYet }
func (d *Desk) ChangeRole(ctx context.Context, a Actor, userID string, role paybell.Role) error {
	return errNotYet
}
func (d *Desk) RemoveUser(ctx context.Context, a Actor, userID string) error { return errNotYet }
func (d *Desk) NewSecondFactor(ctx context.Context, p Person) (secret, uri string, err error) {
	return "", "", errNotYet
}
func (d *Desk) ConfirmSecondFactor(ctx context.Context, p Person, code string) error {
	return errNotYet
}
func (d *Desk) RemoveSecondFactor(ctx context.Context, p Person, password string) error {
	return errNotYet
}
func (d *Desk) AuditLog(ctx context.Context, a Actor, before string, limit int) ([]paybell.AuditEntry, error) {
	return nil, errNotYet
}
func (d *Desk) UpdateMerchant(ctx context.Context, a Actor, name, email string) error {
	return errNotYet
}
func (d *Desk) RenameUser(ctx context.Context, p Person, name string) error { return errNotYet }
func (d *Desk) As(ctx context.Context, a Actor, clientID string) (Actor, error) {
	return Actor{}, errNotYet
}

// Changed is closed at the next commit of this process.
func (d *Desk) Changed() <-chan struct{} { return d.DB.Changed() }
