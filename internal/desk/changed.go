package desk

// Changed is closed at the next commit of this process, and when another says that
// it has committed something. That may be lost: who waits looks again now and then.
func (d *Desk) Changed() <-chan struct{} { return d.DB.Changed() }
