package codec

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The low-rank method: for a fine-tune that is its base plus a product of two thin
// matrices, rounded, as a LoRA adapter is once it was merged. What all leaves of the
// tensor share, a factor for each column, is in the side block: see lowrankside.go.
// A leaf has those of its own rows, and what the prediction misses:
//
//	base    uint8
//	lanes   uint8
//	edges            // bytes before and after the whole elements, XORed with the base's
//	rows    uvarint length, factors: rank for each row
//	side    uvarint length, adaptive coding: level [10 bits], tables
//	state   [lanes]uint32
//	words   []uint16
//
// An element is predicted as base + 2^-scale · Σ row factor · column factor: see
// lowrankpredict.go, which also tells in which context its step from there is coded.

const (
	// maxRank bounds what decoding an element takes.
	maxRank = 64
	// maxFactors bounds those of columns, and those of a leaf's rows.
	maxFactors = 1 << 20
	// maxFactor is the largest factor, either way: two bytes with room for products.
	maxFactor = 1<<14 - 1
	// minLowRank is how many elements a leaf has that is tried.
	minLowRank = 2 << 10
)

// A lowRankCoder is the memory of the low-rank method.
type lowRankCoder struct {
	side    lowRank
	rows    []int16 // factors of the leaf's rows, rank for each
	sums    []uint64
	pred    []byte
	places  []uint16
	ctx     placeContexts
	factors []byte // those of rows, coded
	solver  rowSolver
}

func (s *scratch) lowRanks() *lowRankCoder {
	if s.lowRank == nil {
		s.lowRank = new(lowRankCoder)
	}
	return s.lowRank
}

// appendLowRank appends the body of a low-rank delta of leaf against base to dst,
// but for its last words, which it returns, and false if c does not allow for one.
func (s *scratch) appendLowRank(dst, leaf, base []byte, b int, n number, c *Context) ([]byte, []uint16, bool) {
	k, d := s.lowRanks(), s.deltas()
	if len(leaf) < minLowRank*n.width || n != bf16 || k.side.read(d, c.Side, elementsTo(c, len(leaf), n)) != nil {
		return dst, nil, false
	}
	head, tail := edgesOf(n.width, c.Offset, len(leaf))
	end := len(leaf) - tail
	dst = append(dst, byte(b), 0)
	flags := len(dst) - 1
	dst = appendXOR(dst, leaf[:head], base)
	dst = appendXOR(dst, leaf[end:], base[end:])
	leaf, base = leaf[head:end], base[head:end]
	count := len(leaf) / n.width
	g := grid{k.side.columns, phaseOf((c.Offset+int64(head))/int64(n.width), k.side.columns)}
	if g.rows(count)*k.side.rank > maxFactors {
		return dst, nil, false
	}

	k.rows = k.solver.solve(k.rows, leaf, base, &k.side, g)
	k.factors = d.appendFactors(k.factors[:0], k.rows, k.side.rowLevels())
	dst = binary.AppendUvarint(dst, uint64(len(k.factors)))
	dst = append(dst, k.factors...)

	k.predict(base, g)
	d.steps(leaf, k.pred, n, 0)
	k.turnSteps(d.z16[:count], d.symbols)
	level := k.bestLevel(d.symbols[:count])
	k.ctx.set(level)
	k.ctx.fill(d.ctx[:count], k.places)
	last := d.count(count, Best)
	d.side.reset(d.buf[:0])
	d.side.raw(uint32(level), levelBits)
	d.tables.write(&d.side, last)
	lanes := lanesFor(count)
	dst[flags] = byte(slices.Index(laneCounts[:], lanes))
	d.buf = d.side.end(0)
	dst = binary.AppendUvarint(dst, uint64(len(d.buf)))
	dst = append(dst, d.buf...)
	d.tables.forEncoding(&d.enc)
	dst, words := encodeLanes(&d.enc, dst, d.ctx[:count], d.symbols[:count], d.z16[:count], lanes)
	return dst, words, true
}

// decodeLowRank fills dst from the body of a low-rank delta.
func (s *scratch) decodeLowRank(dst, body []byte, c *Context) error {
	base, body, err := s.decodeBase(len(dst), body, c)
	if err != nil {
		return err
	}
	n, ok := numberOf(c.DType)
	if !ok {
		return corrupt("low rank of dtype %s", c.DType)
	}
	if n != bf16 {
		return unknown("low rank of elements with an exponent from bit", byte(n.exponent))
	}
	if len(body) == 0 {
		return corrupt("low rank is cut short")
	}
	flags, body := body[0], body[1:]
	if flags&^flagLanes != 0 {
		return unknown("flags", flags)
	}
	k, d := s.lowRanks(), s.deltas()
	if err := k.side.read(d, c.Side, elementsTo(c, len(dst), n)); err != nil {
		return err
	}
	head, tail := edgesOf(n.width, c.Offset, len(dst))
	if len(body) < head+tail {
		return corrupt("edges are cut short")
	}
	end := len(dst) - tail
	xor(dst[:head], body[:head], base)
	xor(dst[end:], body[head:head+tail], base[end:])
	g := grid{k.side.columns, phaseOf((c.Offset+int64(head))/int64(n.width), k.side.columns)}
	return k.decode(d, dst[head:end], base[head:end], body[head+tail:], flags, n, g)
}

// decode fills dst, whole elements, given the base's.
func (k *lowRankCoder) decode(d *deltaCoder, dst, base, body []byte, flags byte, n number, g grid) error {
	count := len(dst) / n.width
	factors, body, err := cut(body)
	if err != nil {
		return err
	}
	if g.rows(count)*k.side.rank > maxFactors {
		return corrupt("low rank: %d rows of rank %d", g.rows(count), k.side.rank)
	}
	k.rows = grow(k.rows, g.rows(count)*k.side.rank)
	if err := d.readFactors(k.rows, factors, k.side.rowLevels()); err != nil {
		return err
	}
	if err := k.checkSums(); err != nil {
		return err
	}
	side, words, err := cut(body)
	if err != nil {
		return err
	}
	var in adaptiveDecoder
	in.reset(side)
	k.ctx.set(int(in.raw(levelBits)))
	if err := d.tables.read(&in, false); err != nil {
		return err
	}
	if err := in.end(); err != nil {
		return err
	}
	d.tables.forDecoding(d.dec)
	lanes := lanesOf(flags)
	if words, err = d.dec.readStates(words, lanes); err != nil {
		return err
	}
	k.predict(base, g)
	d.z16, d.ctx = grow(d.z16, min(count, block)), grow(d.ctx, min(count, block))
	for at := 0; at < count; at += block {
		end := min(at+block, count)
		z, ctx, places := d.z16[:end-at], d.ctx[:end-at], k.places[at:end]
		k.ctx.fill(ctx, places)
		if words, err = decodeLanes(d.dec, z, ctx, words, lanes); err != nil {
			return err
		}
		turn(z, places)
		n.walk16(dst[2*at:2*end], k.pred[2*at:2*end], z)
	}
	return d.dec.end(words)
}

// bf16 is the dtype whose deltas may be of low rank.
var bf16 = number{width: 2, exponent: 7, mask: 0xff, float: true}

// elementsTo returns how many elements the tensor has up to the end of a leaf of so
// many bytes.
func elementsTo(c *Context, size int, n number) int64 {
	return (c.Offset + int64(size)) / int64(n.width)
}

// same tells whether side was read before.
func (l *lowRank) same(side []byte) bool { return l.rank > 0 && bytes.Equal(l.block, side) }
