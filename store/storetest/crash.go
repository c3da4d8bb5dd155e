package storetest

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// Fate decides what of a disk's unsynced bytes and names a crash leaves.
type Fate struct {
	name string
	// lives tells that the machine goes on, with what is not synced yet.
	lives bool
	// keep tells whether one unsynced change, a name or a sector, is kept.
	keep func() bool
	// size returns the size of a file that has old bytes synced and now bytes
	// written.
	size func(old, now int) int
}

func (f Fate) String() string { return f.name }

// Killed leaves everything that the system has: the process died, the machine did
// not. What was not synced is lost still if the machine stops next.
var Killed = Fate{name: "killed", lives: true}

// Lost leaves what was synced, and nothing else.
var Lost = Fate{name: "lost", keep: func() bool { return false }, size: func(old, _ int) int { return old }}

// Torn leaves, as chance has it, any of the unsynced names, and of the unsynced
// bytes any sectors before any end.
func Torn(seed uint64) Fate {
	r := rand.New(rand.NewPCG(seed, 1))
	return Fate{name: "torn", keep: func() bool { return r.IntN(2) == 0 }, size: func(old, now int) int {
		switch r.IntN(4) {
		case 0:
			return old
		case 1:
			return now
		}
		return min(old, now) + r.IntN(max(old, now)-min(old, now)+1)
	}}
}

// sector is what a disk writes whole or not at all.
const sector = 512

// Crash returns the disk that a crash now would leave. d itself lives on.
func (d *Disk) Crash(fate Fate) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if fate.lives {
		return d.clone()
	}
	names := maps.Clone(d.lasting)
	for _, c := range d.pending {
		if fate.keep() {
			c.apply(names)
		}
	}
	// A file is lost with its directory.
	maps.DeleteFunc(names, func(name string, _ *inode) bool {
		dir := path.Dir(name)
		return dir != "." && names[dir] == nil
	})
	out := NewDisk()
	out.capacity, out.share = d.capacity, d.share
	crashed := map[*inode]*inode{} // a file may have two names for a moment
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := names[name]
		if crashed[f] == nil {
			data := f.left(fate)
			crashed[f] = &inode{data: data, safe: data, dir: f.dir}
		}
		out.names[name] = crashed[f]
	}
	out.lasting = maps.Clone(out.names)
	return out
}

// clone returns a disk like d, in all that it has and has not synced.
func (d *Disk) clone() *Disk {
	out := NewDisk()
	out.capacity, out.share = d.capacity, d.share
	copies := map[*inode]*inode{}
	of := func(f *inode) *inode {
		if f != nil && copies[f] == nil {
			copies[f] = &inode{data: slices.Clip(f.file()), safe: f.safe, dir: f.dir}
		}
		return copies[f]
	}
	for name, f := range d.names {
		out.names[name] = of(f)
	}
	for name, f := range d.lasting {
		out.lasting[name] = of(f)
	}
	for _, c := range d.pending {
		c.to = of(c.to)
		out.pending = append(out.pending, c)
	}
	return out
}

// left returns the bytes that a crash leaves of f.
func (f *inode) left(fate Fate) []byte {
	data := f.file()
	same := len(f.safe) <= len(data) && (len(f.safe) == 0 || &f.safe[0] == &data[0])
	size := fate.size(len(f.safe), len(data))
	if same && size == len(f.safe) {
		return slices.Clip(f.safe)
	}
	out := make([]byte, size) // zeros where a size came to disk before its bytes
	copy(out, f.safe)
	start := 0
	if same {
		start = len(f.safe) / sector * sector
	}
	for ; start < size; start += sector {
		if fate.keep() && start < len(data) {
			copy(out[start:], data[start:min(start+sector, len(data))])
		}
	}
	return out
}
