package store_test

import (
	"bytes"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/store"
)

// A badDisk fails to read what has the text bad in it, as often as it is told to.
type badDisk struct {
	store.FS
	mu    sync.Mutex
	bad   string
	times int
}

func (d *badDisk) set(bad string, times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bad, d.times = bad, times
}

func (d *badDisk) Append(name string) (store.File, error) {
	f, err := d.FS.Append(name)
	return badFile{f, d}, err
}

func (d *badDisk) Create(name string) (store.File, error) {
	f, err := d.FS.Create(name)
	return badFile{f, d}, err
}

type badFile struct {
	store.File
	d *badDisk
}

func (f badFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.bad != "" && f.d.times > 0 && bytes.Contains(b[:n], []byte(f.d.bad)) {
		f.d.times--
		return 0, syscall.EIO
	}
	return n, err
}

// What a disk fails to read again and again is damage of those blocks, which a
// read tells of, and a verify sets aside so that they can be put again. What it
// fails to read once is none, and where it fails at much, nothing is given up.
func TestBadSectors(t *testing.T) {
	const many, always = 40, 1 << 30
	disk := &badDisk{FS: store.Memory()}
	s := open(t, disk)
	defer closeStore(t, s)
	l := lease(t, s)
	var cids []cid.Cid
	for i := range many {
		cids = append(cids, put(t, l, fmt.Appendf(nil, "block %02d.", i)))
	}
	verify := func(when string, want int) {
		t.Helper()
		v, err := s.Verify(t.Context(), nil, nil)
		if err != nil || len(v.Damage) != want {
			t.Errorf("%s, Verify = %+v, %v, want %d damages", when, v.Damage, err, want)
		}
	}
	disk.set("block 07.", 2)
	verify("where reads fail twice", 0)

	disk.set("block", always)
	if v, err := s.Verify(t.Context(), nil, nil); err == nil {
		t.Errorf("where all reads fail, Verify = %+v", v)
	}
	disk.set("", 0)
	verify("where they did", 0)

	disk.set("block 07.", always)
	if b, err := s.Get(t.Context(), cids[7]); err == nil {
		t.Errorf("a block that cannot be read is %q", b.RawData())
	}
	if known, err := s.Damaged(); err != nil || len(known) != 1 || known[0].CID != cids[7].String() {
		t.Errorf("a read tells of %+v, %v, want of %s", known, err, cids[7])
	}
	verify("where one block does not read", 1)
	disk.set("", 0)
	put(t, l, []byte("block 07."))
	verify("where it was put again", 0)
	for _, c := range cids {
		if _, err := s.Get(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}
