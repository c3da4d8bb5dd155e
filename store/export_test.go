package store

// RewriteJournal writes the journal anew, as happens when it has grown long.
func (s *Store) RewriteJournal() error { return s.rewriteJournal() }
