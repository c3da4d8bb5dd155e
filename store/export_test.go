package store

// RewriteJournal writes the journal anew, as happens when it has grown long.
func (s *Store) RewriteJournal() error { return s.rewriteJournal() }

// JournalFrom makes the store write a journal anew from n bytes on, and JournalBytes
// returns how long it is.
func (s *Store) JournalFrom(n int64) { s.journalFrom = n }
func (s *Store) JournalBytes() int64 { return s.jrnl.length() }

// FlushAt makes the store flush when n bytes of its index wait.
func (s *Store) FlushAt(n int) { s.flushAt = n }

// Interrupted returns how many interrupted operations the index remembers.
func (s *Store) Interrupted() int {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	return len(s.leases.left) - len(s.leases.open)
}
