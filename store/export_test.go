package store

// RewriteJournal writes the journal anew, as happens when it has grown long.
func (s *Store) RewriteJournal() error { return s.rewriteJournal() }

// FlushAt makes the store flush when n bytes of its index wait.
func (s *Store) FlushAt(n int) { s.flushAt = n }
