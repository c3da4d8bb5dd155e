package storetest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"syscall"
	"testing"
)

func write(t *testing.T, d *Disk, name, data string, sync bool) {
	t.Helper()
	f, err := d.Append(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

// read returns a file's bytes, and "absent" when there is none.
func read(t *testing.T, d *Disk, name string) string {
	t.Helper()
	f, err := d.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "absent"
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCrash(t *testing.T) {
	d := NewDisk()
	write(t, d, "a", "synced", true)
	want(t, read(t, d.Crash(Lost), "a"), "absent") // its name was not
	if err := d.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	write(t, d, "a", " and not", false)
	want(t, read(t, d.Crash(Lost), "a"), "synced")
	want(t, read(t, d.Crash(Killed), "a"), "synced and not")

	if err := d.Rename("a", "b"); err != nil {
		t.Fatal(err)
	}
	want(t, read(t, d.Crash(Lost), "a"), "synced")
	want(t, read(t, d.Crash(Lost), "b"), "absent")
	want(t, read(t, d.Crash(Killed), "a"), "absent")

	f, err := d.Append("b")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(2); err != nil {
		t.Fatal(err)
	}
	write(t, d, "b", "XX", false)
	want(t, read(t, d, "b"), "syXX")
	want(t, read(t, d.Crash(Lost), "a"), "synced") // untouched by what overwrote it

	if err := d.Mkdir("dir"); err != nil {
		t.Fatal(err)
	}
	write(t, d, "dir/c", "c", true)
	if err := d.SyncDir("dir"); err != nil {
		t.Fatal(err)
	}
	want(t, read(t, d.Crash(Lost), "dir/c"), "absent") // lost with its directory
	if err := d.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	want(t, read(t, d.Crash(Lost), "dir/c"), "c")
	want(t, read(t, d.Crash(Lost), "b"), "synced")
}

// Among what chance leaves are old bytes, new bytes, fewer of them, and late
// sectors without early ones; synced bytes are always among it.
func TestTorn(t *testing.T) {
	d := NewDisk()
	write(t, d, "a", "head", true)
	if err := d.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Repeat([]byte{'x'}, 3*sector)
	write(t, d, "a", string(whole), false)
	var old, now, short, hole bool
	for seed := range uint64(200) {
		got := read(t, d.Crash(Torn(seed)), "a")
		if got[:4] != "head" {
			t.Fatalf("synced bytes are lost: %q", got[:4])
		}
		old = old || got == "head"
		now = now || got == "head"+string(whole)
		short = short || len(got) > 4 && len(got) < 4+len(whole) && got[len(got)-1] == 'x'
		hole = hole || len(got) > 2*sector && got[sector] == 0 && got[len(got)-1] == 'x'
	}
	if !old || !now || !short || !hole {
		t.Errorf("old bytes %v, new bytes %v, a torn end %v, a hole %v: want each at least once", old, now, short, hole)
	}
}

func TestFullAndFailing(t *testing.T) {
	d := NewDisk()
	d.SetCapacity(10)
	write(t, d, "a", "12345678", false)
	f, err := d.Append("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("901")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write beyond the capacity: %v", err)
	}
	if n, ok := d.Free(); n != 2 || !ok {
		t.Errorf("Free = %d, %v, want 2", n, ok)
	}
	want(t, read(t, d, "a"), "12345678")
	d.Before(func(c Call) error {
		if c.Op == "sync" {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a sync that fails: %v", err)
	}
	if _, err := f.Write([]byte("9")); err != nil {
		t.Error(err)
	}
}
