package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// sideBytes returns a side block of these fields, whose factors are all of one value.
func sideBytes(rank, scale byte, columns uint64, shift, level byte, factor int16, factors int) []byte {
	b := binary.AppendUvarint([]byte{sideLowRank, rank, scale}, columns)
	for range rank {
		b = append(b, shift, level)
	}
	values := make([]int16, factors)
	for i := range values {
		values[i] = factor
	}
	d := deltaCoder{dec: new(laneDecoder)}
	return d.appendFactors(b, values, factorLevels{[]byte{0}, factors})
}

func TestBadSideBlocks(t *testing.T) {
	v := lowRankVectors()[0]
	chunk, err := Encode(nil, v.leaf, v.c)
	if err != nil || chunk[1] != methodLowRank {
		t.Fatalf("method %d, %v", chunk[1], err)
	}
	good := v.c.Side
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for _, tc := range []struct {
		name string
		side []byte
		want error
	}{
		{"none", nil, ErrCorrupt},
		{"of another kind", changed(0, 2), ErrUnknown},
		{"one byte", good[:1], ErrCorrupt},
		{"no levels", good[:4], ErrCorrupt},
		{"cut short", good[:len(good)-2], ErrCorrupt},
		{"more words", append(bytes.Clone(good), 1, 2), ErrCorrupt},
		{"rank 0", changed(1, 0), ErrCorrupt},
		{"rank 65", changed(1, 65), ErrCorrupt},
		{"a rank of which it has no factors", changed(1, 60), ErrCorrupt},
		{"scale 97", changed(2, 97), ErrCorrupt},
		{"scale -33", changed(2, 0x100-33), ErrCorrupt},
		{"no columns", changed(3, 0), ErrCorrupt},
		{"shift 15", changed(4, 15), ErrCorrupt},
		{"level 64", changed(5, 64), ErrCorrupt},
		{"too many columns", sideBytes(1, 20, 1<<16+1, 0, 0, 1, 70), ErrCorrupt},
		{"too many factors", sideBytes(17, 20, 1<<16, 0, 0, 1, 70), ErrCorrupt},
		{"a factor that is too large", sideBytes(1, 20, 70, 0, 0, 16384, 70), ErrCorrupt},
		{"one that is once it is shifted", sideBytes(1, 20, 70, 3, 0, 4096, 70), ErrCorrupt},
		{"factors of few columns, and too many rows", sideBytes(64, 20, 1, 0, 0, 1, 64), ErrCorrupt},
	} {
		c := v.c
		c.Side = tc.side
		if _, err := Decode(nil, chunk, len(v.leaf), c); !errors.Is(err, tc.want) {
			t.Errorf("a side block %s: %v, want %v", tc.name, err, tc.want)
		}
		if got, err := Decode(nil, chunk, len(v.leaf), v.c); err != nil || !bytes.Equal(got, v.leaf) {
			t.Fatalf("after a side block %s the right one fails: %v", tc.name, err)
		}
	}
	// Of other dtypes a newer version may know it.
	c := v.c
	c.DType, c.Bases = tensor.F16, []Base{{tensor.F16, v.c.Bases[0].Spans}}
	if _, err := Decode(nil, chunk, len(v.leaf), c); !errors.Is(err, ErrUnknown) {
		t.Errorf("low rank of F16: %v", err)
	}
}

// A side block is of no more columns than the tensor has elements, also when it was read
// for a larger tensor before.
func TestColumnsOfSmallTensors(t *testing.T) {
	d := deltaCoder{dec: new(laneDecoder)}
	var l lowRank
	side := sideBytes(2, 20, 64, 0, 0, 1, 2*64)
	for _, tc := range []struct {
		elements int64
		ok       bool
	}{{63, false}, {64, true}, {63, false}, {1 << 40, true}, {65, true}, {0, false}, {-1, false}} {
		if err := l.read(&d, side, tc.elements); (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("64 columns for %d elements: %v", tc.elements, err)
		}
	}
}

// TestLowRankMemory decodes leaves of as many factors as there may be, of columns and of
// rows, each by fresh memory.
func TestLowRankMemory(t *testing.T) {
	most := uint64(16 * MaxLeaf)
	if raceDetector { // it makes what slices.Grow appends, too
		most *= 2
	}
	leaf := weights(1, MaxLeaf)
	for _, tc := range []struct{ rank, columns int }{{16, maxRow}, {2, 1}} {
		c := against(tensor.BF16, 0, leaf)
		c.Side = sideBytes(byte(tc.rank), 40, uint64(tc.columns), 0, 0, 1, tc.rank*tc.columns)
		body, words, ok := new(scratch).appendLowRank([]byte{methodLowRank}, leaf, leaf, 0, bf16, &c)
		if !ok {
			t.Fatalf("no frame of rank %d", tc.rank)
		}
		frame := appendWords(body, words)
		var s scratch
		dst := make([]byte, MaxLeaf)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := s.decode(dst, frame, &c, false)
		runtime.ReadMemStats(&after)
		if err != nil || !bytes.Equal(dst, leaf) {
			t.Errorf("rank %d of %d columns: %v", tc.rank, tc.columns, err)
		}
		got := after.TotalAlloc - before.TotalAlloc
		if got > most {
			t.Errorf("rank %d of %d columns: %d bytes allocated, at most %d", tc.rank, tc.columns, got, most)
		}
		t.Logf("rank %d of %d columns: %d bytes allocated", tc.rank, tc.columns, got)
	}
}

// TestSumsThatOverflow checks that no sum is taken that does not fit in 32 bits.
func TestSumsThatOverflow(t *testing.T) {
	d := deltaCoder{dec: new(laneDecoder)}
	var k lowRankCoder
	if err := k.side.read(&d, sideBytes(9, 20, 64, 0, 0, 16383, 9*64), 64); err != nil {
		t.Fatal(err)
	}
	for _, factor := range []int16{16383, -16383} {
		k.rows = make([]int16, 9)
		for n := range k.rows {
			k.rows[n] = factor
			if err := k.checkSums(); (err == nil) != (n < 8) {
				t.Errorf("%d products of nearly 2^28: %v", n+1, err)
			}
		}
	}
}

// TestPredictions compares sums of pairs, and what is predicted by them, with the
// definition, element by element.
func TestPredictions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 60 {
		l := lowRank{rank: 1 + r.IntN(20), columns: 1 + r.IntN(70), scale: r.IntN(30)}
		l.factors = make([]int16, l.rank*l.columns)
		for i := range l.factors {
			l.factors[i] = int16(r.IntN(1<<14) - 1<<13)
		}
		l.pair()
		k := lowRankCoder{side: l}
		g := grid{l.columns, r.IntN(l.columns)}
		count := 1 + r.IntN(300)
		for range g.rows(count) * l.rank {
			k.rows = append(k.rows, int16(r.IntN(1<<12)-1<<11))
		}
		base := random(r.Uint64(), 2*count)
		k.predict(base, g)
		for i := range count {
			row, column := (g.phase+i)/g.row, (g.phase+i)%g.row
			sum := int32(0)
			for j := range l.rank {
				sum += int32(k.rows[row*l.rank+j]) * int32(l.factors[j*l.columns+column])
			}
			want, place := predicted(uint32(le.Uint16(base[2*i:])), sum, 1/float32(uint64(1)<<l.scale))
			if got := le.Uint16(k.pred[2*i:]); uint32(got) != want || k.places[i] != place {
				t.Fatalf("element %d of %d columns of rank %d: %x at %x, want %x at %x", i, l.columns, l.rank, got, k.places[i], want, place)
			}
		}
	}
}

// predicted returns a predicted element and its place, as they are defined.
func predicted(base uint32, sum int32, scale float32) (element uint32, place uint16) {
	x := base << 16
	if x&0x7f800000 != 0x7f800000 {
		x = math.Float32bits(math.Float32frombits(x) + float32(float32(sum)*scale))
	}
	element = (x + 0x7fff + x>>16&1) >> 16
	off := int(x) - int(element<<16)
	gap := 1 + 1<<15 - max(off, -off)
	length := bits.Len(uint(gap)) - 1
	near := 4*length + gap<<2>>length - 4
	place = uint16(int(x>>23&0xff)<<6 + near)
	if off < 0 != (x>>31 != 0) { // less, of magnitudes, or of negative numbers not
		place |= turned
	}
	return element, place
}

// fuzzLowRank decodes any chunk of low rank with any side block.
func fuzzLowRank(f *testing.F, decode func(t *testing.T, frame []byte, size int, c Context)) {
	for _, v := range lowRankVectors() {
		chunk, err := Encode(nil, v.leaf, v.c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(v.c.Side, chunk[3:], len(v.leaf), v.c.Offset)
	}
	f.Fuzz(func(t *testing.T, side, body []byte, size int, offset int64) {
		size &= 1<<14 - 1
		c := against(tensor.BF16, offset, fuzzBase(size))
		c.Side = side
		decode(t, append([]byte{methodLowRank, 0}, body...), size, c)
	})
}

func FuzzLowRank(f *testing.F) {
	fuzzLowRank(f, func(t *testing.T, frame []byte, size int, c Context) {
		if _, err := decodeFrame(frame, size, c); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown) {
			t.Fatalf("decoding fails with %v", err)
		}
	})
}

// FuzzLowRankRoundTrip encodes any leaf against any base with any side block.
func FuzzLowRankRoundTrip(f *testing.F) {
	for _, v := range lowRankVectors() {
		f.Add(v.c.Side, v.leaf, v.c.Bases[0].Spans[0].Data, v.c.Offset)
	}
	f.Fuzz(func(t *testing.T, side, leaf, base []byte, offset int64) {
		c := against(tensor.BF16, offset, base)
		c.Side = side
		check(t, leaf[:min(len(leaf), 1<<14)], c)
	})
}
