package store

// An Aside may be implemented by a File that can keep bytes out of the system's
// memory: for those that lie elsewhere too, and that nobody is expected to read
// soon.
type Aside interface {
	// WriteAside is Write of a and b as one. Until Sync or Close, or until more
	// was written, the end of them may be in this process alone, where ReadAt
	// finds it: it is lost when the process is killed. An error of the disk may be
	// told by a later call; the bytes can be read until one succeeds in writing
	// them.
	WriteAside(a, b []byte) error
}
