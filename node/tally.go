package node

import "fmt"

// A tally counts, file by file, where the parts of a plan come from.
type tally struct {
	parts map[*outFile]*partCounts
}

type partCounts struct {
	parts, here, delta, fetch int
	cost                      int64 // bytes to fetch
}

func newTally(files []*outFile) *tally {
	t := &tally{parts: map[*outFile]*partCounts{}}
	for _, f := range files {
		t.parts[f] = &partCounts{}
	}
	return t
}

// add counts the units of a batch, and returns how many bytes of their files
// need no fetch.
func (t *tally) add(us []*unit) int64 {
	reused := int64(0)
	for _, u := range us {
		reused += u.reused() * int64(len(u.places))
		for i, pl := range u.places {
			c := t.parts[pl.file]
			c.parts++
			switch {
			case u.known():
				c.here++
			case u.recipe != nil && len(u.recipe.Bases) > 0:
				c.delta++
			default:
				c.fetch++
			}
			if i == 0 && !u.known() {
				c.cost += u.sum
			}
		}
	}
	return reused
}

// reused returns how many bytes of u need no fetch: also those of a tensor of
// which an interrupted get brought a part.
func (u *unit) reused() int64 {
	switch {
	case u.came:
		return 0
	case u.known():
		return u.c.Size
	default:
		return u.held
	}
}

// explain says what would be fetched and why.
func (t *tally) explain(files []*outFile) []GetFile {
	var out []GetFile
	for _, f := range files {
		c := t.parts[f]
		why := "here"
		if c.here < c.parts {
			why = fmt.Sprintf("%d of %d parts here, %d as deltas, %d in full", c.here, c.parts, c.delta, c.fetch)
		}
		out = append(out, GetFile{Path: f.path, Bytes: f.size, Fetch: c.cost, Why: why})
	}
	return out
}
