package desk

// Changed is closed at the next commit of this process. What others commit is not
// told: who waits looks again now and then.
func (d *Desk) Changed() <-chan struct{} { return d.DB.Changed() }
