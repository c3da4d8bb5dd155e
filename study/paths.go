package study

import "path/filepath"

// paths is a list of the paths of files, in the order in which they are met: each
// directory once, and the names in a row.
type paths struct {
	dirs  []string
	dir   []int32 // of each, an index of dirs
	ends  []int64 // of each name in names
	names []byte
}

// add adds path, and returns its index.
func (p *paths) add(path string) int32 {
	dir, name := filepath.Split(path)
	if n := len(p.dirs); n == 0 || p.dirs[n-1] != dir {
		p.dirs = append(p.dirs, dir)
	}
	p.dir = append(p.dir, int32(len(p.dirs)-1))
	p.names = append(p.names, name...)
	p.ends = append(p.ends, int64(len(p.names)))
	return int32(len(p.ends) - 1)
}

// of returns the path of index i.
func (p *paths) of(i int32) string {
	from := int64(0)
	if i > 0 {
		from = p.ends[i-1]
	}
	return p.dirs[p.dir[i]] + string(p.names[from:p.ends[i]])
}
