package store

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"
)

// The journal holds what the packs do not say. A line is the CRC-32C of a JSON
// object, in hexadecimal, a space, the object, and a line feed:
//
//	1f6a03c2 {"seq":7,"op":"name","name":"org/model","cid":"bafy…"}
//
// A torn last line is cut; a damaged one before it is passed over, and mended
// from the index when that is whole.
const journalName = "journal"

// A record is one line of the journal: a change of names, pins, models, or of
// recipes in use. Those of one line happen together or not at all.
type record struct {
	Seq     uint64      `json:"seq"`
	Models  []Model     `json:"models,omitempty"`
	Forget  []string    `json:"forget,omitempty"` // model CIDs
	Names   []nameEntry `json:"names,omitempty"`
	Unnames []string    `json:"unnames,omitempty"`
	Pins    []pinEntry  `json:"pins,omitempty"`
	Unpins  []string    `json:"unpins,omitempty"` // model CIDs
	Use     []useEntry  `json:"use,omitempty"`
}

type nameEntry struct {
	Name string `json:"name"`
	CID  string `json:"cid"`
}

type pinEntry struct {
	CID  string `json:"cid"`
	Kind string `json:"kind"`
}

// A useEntry says which recipe of a tensor is in use.
type useEntry struct {
	Tensor string `json:"t"`
	Recipe string `json:"r"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type journal struct {
	mu      sync.Mutex
	fs      FS
	seq     uint64     // of the last record written, or of choices queued
	pending []useEntry // choices not yet written
	damaged bool       // a line before the last did not read

	file     File  // nil when it could not be opened again
	size     int64 // of what was synced
	torn     bool  // what lies behind size is of a record that was refused
	unlisted bool  // the file's name may not last
}

func (r record) line() ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	line := fmt.Appendf(nil, "%08x ", crc32.Checksum(data, castagnoli))
	return append(append(line, data...), '\n'), nil
}

// openJournal reads the journal, calls apply with each record in order, and
// cuts a torn end.
func openJournal(fs FS, apply func(record) error) (*journal, error) {
	f, err := fs.Append(journalName)
	if err != nil {
		return nil, err
	}
	j := &journal{fs: fs, file: f}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	at, good := int64(0), int64(0)
	rd := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 1<<16)
	for {
		line, err := rd.ReadBytes('\n')
		if err == io.EOF {
			break // without a line feed: torn
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		at += int64(len(line))
		rec, ok := parseLine(line)
		if !ok {
			continue
		}
		j.damaged = j.damaged || good+int64(len(line)) != at
		if err := apply(rec); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		j.seq, good = max(j.seq, rec.Seq), at
	}
	// Synced in any case: it may be what a process that was killed just wrote.
	j.size, j.torn = good, true
	j.unlisted = size == 0 // new, perhaps: its name must last as long as what it will say
	if err := j.mend(); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

func parseLine(line []byte) (record, bool) {
	var r record
	sum, data, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(data) == 0 || data[len(data)-1] != '\n' {
		return r, false
	}
	data = data[:len(data)-1]
	want, err := hex.DecodeString(string(sum))
	if err != nil || len(want) != 4 {
		return r, false
	}
	got := crc32.Checksum(data, castagnoli)
	if !bytes.Equal(want, []byte{byte(got >> 24), byte(got >> 16), byte(got >> 8), byte(got)}) {
		return r, false
	}
	return r, json.Unmarshal(data, &r) == nil
}

// add queues choices of recipes under the next sequence number. They are on disk
// after the next sync, all or none.
func (j *journal) add(uses []useEntry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	j.pending = append(j.pending, uses...)
}

// last returns the sequence number of what was last queued or written.
func (j *journal) last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// length returns the bytes of the journal as of the last sync.
func (j *journal) length() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

// sync writes what is queued and, unless it is nil, r with it: in one line, as a
// name without the choices that it needs would be of a model that is not whole.
// Where it returns an error, r is not in the journal, and what was queued still
// is.
//
// Of one case it cannot be sure: the disk fails to sync r, then to take it away
// again, and the machine stops before another sync does. Then r may be there.
func (j *journal) sync(r *record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.mend(); err != nil {
		return err
	}
	if r == nil && len(j.pending) == 0 {
		return nil
	}
	one := record{Seq: j.seq}
	if r != nil {
		one = *r
		one.Seq = j.seq + 1
	}
	one.Use = slices.Concat(j.pending, one.Use)
	line, err := one.line()
	if err != nil {
		return err
	}
	_, err = j.file.Write(line)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.torn = true
		return errors.Join(err, j.mend())
	}
	j.size += int64(len(line))
	j.pending, j.seq = nil, one.Seq
	return nil
}

// mend makes the file what the journal is again, where an earlier call failed.
func (j *journal) mend() (err error) {
	if j.file == nil {
		if j.file, err = j.fs.Append(journalName); err != nil {
			j.file = nil
			return err
		}
		if j.size, err = j.file.Size(); err != nil {
			return errors.Join(err, j.close())
		}
	}
	if j.unlisted {
		if err := j.fs.SyncDir("."); err != nil {
			return err
		}
		j.unlisted = false
	}
	if j.torn {
		if err := errors.Join(j.file.Truncate(j.size), j.file.Sync()); err != nil {
			return err
		}
		j.torn = false
	}
	return nil
}

// replace makes the journal hold only what write gives it, under the sequence
// number that it has.
func (j *journal) replace(write func(add func(record) error) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.mend(); err != nil { // a torn end must not be taken for a part of the new one
		return err
	}
	const temp = journalName + ".new"
	f, err := j.fs.Create(temp)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = write(func(r record) error {
		r.Seq = j.seq
		line, err := r.line()
		if err == nil {
			_, err = w.Write(line)
		}
		return err
	})
	if err = errors.Join(err, w.Flush()); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, j.fs.Remove(temp))
	}
	// Closed first: Windows renames no open file. It is opened again also where
	// the renaming failed; which of the two files it then is makes no difference,
	// once the directory is synced: they say the same.
	err = j.close()
	j.unlisted = true
	err = errors.Join(err, j.fs.Rename(temp, journalName))
	if err = errors.Join(err, j.mend()); err == nil {
		j.damaged = false
	}
	return err
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	f := j.file
	j.file = nil
	return f.Close()
}
