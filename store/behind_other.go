//go:build !linux

package store

// startWriting and forget are for systems that can be told.
func (f *osFile) startWriting(off, n int64) {}
func (f *osFile) forget(off, n int64)       {}

// appendable returns f as Append and Create return it.
func appendable(f *osFile) File { return f }
