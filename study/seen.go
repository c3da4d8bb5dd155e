package study

// A chunkSet counts chunks by their hashes. Where they become too many it keeps
// every second hash, then every fourth, and so on: what it then says of all is
// what it counted, times so many.
type chunkSet struct {
	seen  map[[16]byte]struct{}
	shift uint // hashes whose first shift bits are 0 are counted
	count int64
	again int64 // bytes of chunks that were there
	first int64 // bytes of those that were not
}

// maxChunks is how many hashes a set keeps: about 160 MB.
const maxChunks = 4 << 20

func newChunkSet() *chunkSet { return &chunkSet{seen: map[[16]byte]struct{}{}} }

func (s *chunkSet) add(hash [16]byte, size int64) {
	if !s.counts(hash) {
		return
	}
	s.count++
	if _, ok := s.seen[hash]; ok {
		s.again += size
		return
	}
	s.first += size
	s.seen[hash] = struct{}{}
	if len(s.seen) > maxChunks {
		s.thin()
	}
}

func (s *chunkSet) counts(hash [16]byte) bool {
	top := uint64(hash[0])<<24 | uint64(hash[1])<<16 | uint64(hash[2])<<8 | uint64(hash[3])
	return top>>(32-s.shift) == 0
}

// thin goes on with half of the hashes. What was counted of the others is half of
// all, but for chance.
func (s *chunkSet) thin() {
	s.shift++
	for h := range s.seen {
		if !s.counts(h) {
			delete(s.seen, h)
		}
	}
	s.count, s.again, s.first = s.count/2, s.again/2, s.first/2
}

// share is the part of chunks that are counted.
func (s *chunkSet) share() float64 { return 1 / float64(int64(1)<<s.shift) }

// of returns a count of all from one of those counted.
func (s *chunkSet) of(n int64) int64 { return n << s.shift }
