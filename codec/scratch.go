package codec

import (
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A scratch is the memory of one call of Encode or Decode.
type scratch struct {
	rans    ransCoder
	fast    *zstd.Encoder // for planes
	full    *zstd.Encoder // for leaves
	unz     *zstd.Decoder
	sample  []byte
	words   [1 << 10]uint64 // see repeats
	unlike  bool            // no row of the planes came before: see rowsRepeat
	base    []byte          // a base put together from spans
	cast    []byte          // a span, cast
	planes  []byte
	entropy []byte   // a plane coded by rANS
	zplane  []byte   // a plane coded by zstd
	best    []byte   // the smallest frame so far
	lying   []uint16 // its last words, if they lie where lanes were encoded yet
	size    int      // what a frame must stay below to be the next best
	try     []byte   // the frame being tried
	sub     Context
	delta   *deltaCoder   // nil until it is needed
	lowRank *lowRankCoder // nil until it is needed
	shorts  shortCoder
	moved   []int32 // elements that differ from the base's
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// release gives s back, keeping none of the caller's memory.
func (s *scratch) release() {
	for i := range s.sub.Bases {
		clear(s.sub.Bases[i].Spans[:cap(s.sub.Bases[i].Spans)])
	}
	s.sub.Side = nil
	scratches.Put(s)
}

func (s *scratch) zstdFast() *zstd.Encoder {
	if s.fast == nil {
		s.fast = newZstdEncoder(zstd.SpeedFastest)
	}
	return s.fast
}

func (s *scratch) zstdFull() *zstd.Encoder {
	if s.full == nil {
		s.full = newZstdEncoder(zstd.SpeedDefault)
	}
	return s.full
}

func (s *scratch) planesOf(size int) []byte {
	s.planes = slices.Grow(s.planes[:0], size)[:size]
	return s.planes
}

func (s *scratch) sampleOf(size int) []byte {
	s.sample = slices.Grow(s.sample[:0], size)[:size]
	return s.sample
}
