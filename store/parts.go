package store

// A partsWriter is a File that can write two runs of bytes as one.
type partsWriter interface {
	// writeParts is Write of a and b.
	writeParts(a, b []byte) error
}

// writeSection appends head and data to f: as one write, so that an error leaves
// neither, and where the system can, without copying data.
func (s *Store) writeSection(f File, head, data []byte) error {
	if p, ok := f.(partsWriter); ok {
		return p.writeParts(head, data)
	}
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	b := append(append((*buf)[:0], head...), data...)
	*buf = b[:0]
	_, err := f.Write(b)
	return err
}
