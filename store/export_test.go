package store

// RewriteJournal writes the journal anew, as happens when it has grown long.
func (s *Store) RewriteJournal() error { return s.rewriteJournal() }

// FlushAt makes the store flush when n bytes of its index wait.
func (s *Store) FlushAt(n int) { s.flushAt = n }

// Interrupted returns how many interrupted operations the index remembers.
func (s *Store) Interrupted() int {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	return len(s.leases.left) - len(s.leases.open)
}
