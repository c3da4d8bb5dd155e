package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"
)

// Samples lie in files of their own, which only grow: as values of the index
// they would be copied again at each of goleveldb's compactions. The index says
// where each lies. They are a cache, never synced: a place at which another
// record lies, or none, counts as no sample.

// maxSamples is the size in bytes from which on a new file is begun.
const maxSamples = 64 << 20

// leastSamples is the size in bytes from which on the last file is worth rewriting.
const leastSamples = 1 << 20

// maxRecord bounds a record of a samples file in bytes.
const maxRecord = 64 << 10

// recordHead is the bytes of a record before its data: CRC-32C of what follows,
// tensor ID.
const recordHead = 4 + 33

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// samples are the files samples/NNNNNN.
type samples struct {
	fs   FS
	mu   sync.RWMutex // read-held while a file is read
	file map[uint32]File
	last uint32
}

// A spot is where a record lies.
type spot struct {
	file   uint32
	offset int64
	length int // of the record
}

func (p spot) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(p.file))
	b = binary.AppendUvarint(b, uint64(p.offset))
	return binary.AppendUvarint(b, uint64(p.length))
}

func decodeSpot(b []byte) (spot, bool) {
	p, rest, ok := cutSpot(b)
	return p, ok && len(rest) == 0
}

// cutSpot returns the spot that b begins with, and what follows.
func cutSpot(b []byte) (p spot, rest []byte, ok bool) {
	var n [3]uint64
	for i := range n {
		v, w := binary.Uvarint(b)
		if w <= 0 {
			return spot{}, nil, false
		}
		n[i], b = v, b[w:]
	}
	p = spot{uint32(n[0]), int64(n[1]), int(n[2])}
	return p, b, n[2] >= recordHead && n[2] <= maxRecord && p.offset >= 0
}

func samplesName(n uint32) string { return fmt.Sprintf("samples/%06d", n) }

// openSamples opens the files, or removes them when the index that speaks of
// them is lost.
func openSamples(fs FS, lost bool) (*samples, error) {
	s := &samples{fs: fs, file: map[uint32]File{}}
	if err := fs.Mkdir("samples"); err != nil {
		return nil, err
	}
	names, err := fs.List("samples")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimSpace(name), 10, 32)
		if err != nil || samplesName(uint32(n)) != "samples/"+name {
			continue
		}
		if lost {
			if err := fs.Remove("samples/" + name); err != nil {
				return nil, errors.Join(err, s.close())
			}
			continue
		}
		f, err := fs.Append("samples/" + name)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.file[uint32(n)] = f
		s.last = max(s.last, uint32(n))
	}
	return s, nil
}

func (s *samples) close() error {
	var errs []error
	for _, f := range s.file {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// append writes the record of tensor id.
func (s *samples) append(id tensorID, data []byte) (spot, error) {
	if recordHead+len(data) > maxRecord {
		return spot{}, fmt.Errorf("a sample of %d bytes", len(data))
	}
	record := make([]byte, 4, recordHead+len(data))
	record = append(append(record, id[:]...), data...)
	binary.BigEndian.PutUint32(record, crc32.Checksum(record[4:], crcTable))
	s.mu.Lock()
	defer s.mu.Unlock()
	f, at, err := s.tail()
	if err == nil {
		_, err = f.Write(record)
	}
	if err != nil {
		return spot{}, fmt.Errorf("write %s: %w", samplesName(s.last), err)
	}
	return spot{s.last, at, len(record)}, nil
}

// tail returns the file to append to, and its size. s.mu is held.
func (s *samples) tail() (File, int64, error) {
	if f := s.file[s.last]; f != nil {
		if size, err := f.Size(); err != nil || size < maxSamples {
			return f, size, err
		}
	}
	err := s.begin()
	return s.file[s.last], 0, err
}

// begin begins a new file. s.mu is held.
func (s *samples) begin() error {
	f, err := s.fs.Create(samplesName(s.last + 1))
	if err != nil {
		return err
	}
	s.last++
	s.file[s.last] = f
	return nil
}

// leave begins a new file, so that nothing is appended to the last one any more.
func (s *samples) leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begin()
}

// read returns the tensor and data of the record at p, and false where none
// lies there.
func (s *samples) read(p spot) (id tensorID, data []byte, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f := s.file[p.file]
	if f == nil {
		return id, nil, false
	}
	record := make([]byte, p.length)
	if _, err := f.ReadAt(record, p.offset); err != nil {
		return id, nil, false
	}
	if binary.BigEndian.Uint32(record) != crc32.Checksum(record[4:], crcTable) {
		return id, nil, false
	}
	copy(id[:], record[4:])
	return id, record[recordHead:], true
}

// remove removes file n.
func (s *samples) remove(n uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.file[n]
	delete(s.file, n)
	return errors.Join(f.Close(), s.fs.Remove(samplesName(n)))
}

// sizes returns the size of each file, and the number of that which grows.
func (s *samples) sizes() (map[uint32]int64, uint32, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[uint32]int64{}
	var errs []error
	for n, f := range s.file {
		size, err := f.Size()
		out[n] = size
		errs = append(errs, err)
	}
	return out, s.last, errors.Join(errs...)
}
