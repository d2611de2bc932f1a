package desk

// SetLook makes searches look at n invoices in a step, until the test is over.
func SetLook(t interface{ Cleanup(func()) }, n int) {
	was := look
	look = n
	t.Cleanup(func() { look = was })
}
