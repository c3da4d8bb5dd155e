package store

// SyncDir does nothing: Windows has no call for it, and NTFS journals directory
// changes in order.
func (d osFS) SyncDir(string) error { return nil }
