package study

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
)

// What was hashed of a file is kept in a file of its own, so that a run that was
// interrupted goes on where it was, and a later one reads only what is new:
//
//	magic   "zipnode hashes 1\n"
//	size    uvarint   // of the file, and
//	mtime   uvarint   // in ns: both are compared
//	parts   uvarint   // and of each
//	  digest [32]byte // SHA-256
//	chunks  uvarint   // and of each
//	  hash   [16]byte // XXH3
//	  size   uvarint
//	sum     [32]byte  // SHA-256 of all that
//
// It is a cache: what is damaged or does not fit is as if it were not there.
const cacheMagic = "zipnode hashes 1\n"

const (
	// cachedFrom is the size in bytes from which on a file's hashes are kept.
	cachedFrom = 1 << 20
	maxCached  = 1 << 28 // bytes of hashes of a file
)

func (c *collection) cacheName(s source) (string, bool) {
	if c.o.Cache == "" || s.info.Size() < cachedFrom {
		return "", false
	}
	path, err := filepath.Abs(s.path)
	if err != nil {
		return "", false
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(c.o.Cache, hex.EncodeToString(sum[:16])), true
}

// recall fills in what an earlier run learned of the file of s, and tells whether
// there was anything.
func (c *collection) recall(s source, f *readFile) bool {
	name, ok := c.cacheName(s)
	if !ok {
		return false
	}
	if info, err := os.Stat(name); err != nil || info.Size() > maxCached {
		return false
	}
	data, err := os.ReadFile(name)
	if err != nil || len(data) < sha256.Size {
		return false
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if have := sha256.Sum256(body); !bytes.Equal(have[:], sum) {
		return false
	}
	r := cacheReader{data: body}
	if string(r.take(len(cacheMagic))) != cacheMagic || r.uvarint() != uint64(f.size) ||
		int64(r.uvarint()) != s.info.ModTime().UnixNano() || r.uvarint() != uint64(len(f.parts)) {
		return false
	}
	for i := range f.parts {
		copy(f.parts[i].hash[:], r.take(sha256.Size))
	}
	n := r.uvarint()
	if r.bad || n > uint64(len(body)) || n == 0 && f.size > 0 && c.o.wants(ChunkDedup) {
		return false
	}
	chunks := make([]chunk, n)
	for i := range chunks {
		copy(chunks[i].hash[:], r.take(16))
		chunks[i].size = int32(r.uvarint())
	}
	if r.bad {
		return false
	}
	f.chunks = chunks
	return true
}

// remember keeps what was learned of the file of s. That it cannot is no error.
func (c *collection) remember(s source, f *readFile) {
	name, ok := c.cacheName(s)
	if !ok {
		return
	}
	out := []byte(cacheMagic)
	out = binary.AppendUvarint(out, uint64(f.size))
	out = binary.AppendUvarint(out, uint64(s.info.ModTime().UnixNano()))
	out = binary.AppendUvarint(out, uint64(len(f.parts)))
	for i := range f.parts {
		out = append(out, f.parts[i].hash[:]...)
	}
	out = binary.AppendUvarint(out, uint64(len(f.chunks)))
	for _, ch := range f.chunks {
		out = append(out, ch.hash[:]...)
		out = binary.AppendUvarint(out, uint64(ch.size))
	}
	sum := sha256.Sum256(out)
	out = append(out, sum[:]...)
	if os.MkdirAll(c.o.Cache, 0o755) != nil {
		return
	}
	tmp, err := os.CreateTemp(c.o.Cache, "new-*")
	if err != nil {
		return
	}
	_, err = tmp.Write(out)
	if closeErr := tmp.Close(); err != nil || closeErr != nil || os.Rename(tmp.Name(), name) != nil {
		os.Remove(tmp.Name())
	}
}

// A cacheReader reads a file of hashes; bad says that it ended too soon.
type cacheReader struct {
	data []byte
	bad  bool
}

func (r *cacheReader) take(n int) []byte {
	if n > len(r.data) {
		r.bad, r.data = true, nil
		return nil
	}
	p := r.data[:n]
	r.data = r.data[n:]
	return p
}

func (r *cacheReader) uvarint() uint64 {
	x, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return x
}
