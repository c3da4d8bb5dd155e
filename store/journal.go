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
	file    File
	seq     uint64   // of the last record appended
	pending [][]byte // lines not yet written
	damaged bool     // a line before the last did not read
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
	if good < size {
		if err := f.Truncate(good); err != nil {
			return nil, errors.Join(err, f.Close())
		}
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

// add queues r under the next sequence number, which it returns. It is on disk
// after the next sync.
func (j *journal) add(r record) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Seq = j.seq + 1
	line, err := r.line()
	if err != nil {
		return 0, err
	}
	j.seq++
	j.pending = append(j.pending, line)
	return j.seq, nil
}

// last returns the sequence number of the last record queued.
func (j *journal) last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// sync writes what is queued.
func (j *journal) sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) == 0 {
		return nil
	}
	if _, err := j.file.Write(bytes.Join(j.pending, nil)); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.pending = nil
	return nil
}

// replace makes the journal hold only what write gives it, under the sequence
// number that it has. Nothing may be queued.
func (j *journal) replace(write func(add func(record) error) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
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
	// Closed first: Windows renames no open file.
	if err := j.file.Close(); err != nil {
		return err
	}
	if err = j.fs.Rename(temp, journalName); err == nil {
		err = j.fs.SyncDir(".")
	}
	var reopen error
	j.file, reopen = j.fs.Append(journalName)
	j.damaged = false
	return errors.Join(err, reopen)
}

func (j *journal) close() error { return j.file.Close() }
