package codec

import (
	"encoding/binary"
	"math/bits"
)

// A side block of low rank has what all leaves of a tensor share:
//
//	kind     uint8    // 1
//	rank     uint8    // 1 to maxRank
//	scale    int8     // products are times 2^-scale
//	columns  uvarint  // elements of a row, 1 to maxRow; with rank, up to maxFactors;
//	                  // at most those of the tensor, to the leaf's end
//	rank times:
//	  shift  uint8    // of this component's column factors, to the left
//	  level  uint8    // the context of its factors
//	factors           // of columns: component by component
const sideLowRank = 1

// A lowRank is a side block, read.
type lowRank struct {
	block   []byte // it was read from
	rank    int
	scale   int
	columns int
	shift   [maxRank]uint8
	levels  [maxRank]uint8
	most    [maxRank]int64 // the largest factor of columns, shifted
	factors []int16        // of columns, by component, shifted
	pairs   []uint64       // two columns in each: see sumRow
	words   []uint32       // two components in each, of a column, for kernels
}

// Scales are such that a product is a normal float32, and no more than is needed.
const (
	minScale = -32
	maxScale = 96
)

// appendSide appends l, whose factors are given before their shift, to dst.
func (l *lowRank) appendSide(dst []byte, d *deltaCoder, factors []int16) []byte {
	dst = append(dst, sideLowRank, byte(l.rank), byte(int8(l.scale)))
	dst = binary.AppendUvarint(dst, uint64(l.columns))
	for i := range l.rank {
		dst = append(dst, l.shift[i], l.levels[i])
	}
	return d.appendFactors(dst, factors, l.columnLevels())
}

// read fills l from side, unless it has it, for a leaf up to whose end the tensor has
// so many elements. They bound the columns: else a few bytes would have a million
// factors read for a tensor of ten elements.
func (l *lowRank) read(d *deltaCoder, side []byte, elements int64) error {
	if l.same(side) && int64(l.columns) <= elements {
		return nil
	}
	l.rank = 0 // until it is known to be right
	if len(side) == 0 {
		return corrupt("low rank without a side block")
	}
	if side[0] != sideLowRank {
		return unknown("side block", side[0])
	}
	if len(side) < 3 {
		return corrupt("side block is cut short")
	}
	rank := int(side[1])
	l.scale = int(int8(side[2]))
	columns, rest, err := uvarint(side[3:])
	if err != nil {
		return err
	}
	if rank < 1 || rank > maxRank || l.scale < minScale || l.scale > maxScale {
		return corrupt("low rank: rank %d, scale %d", rank, l.scale)
	}
	if columns < 1 || columns > maxRow || columns*rank > maxFactors || int64(columns) > elements {
		return corrupt("low rank: %d columns of rank %d", columns, rank)
	}
	if len(rest) < 2*rank {
		return corrupt("side block is cut short")
	}
	for i := range rank {
		l.shift[i], l.levels[i] = rest[2*i], rest[2*i+1]
		if l.shift[i] > 14 || l.levels[i] >= contexts {
			return corrupt("low rank: shift %d, level %d", l.shift[i], l.levels[i])
		}
	}
	l.columns = columns
	l.factors = grow(l.factors, columns*rank)
	if err := d.readFactors(l.factors, rest[2*rank:], factorLevels{l.levels[:rank], columns}); err != nil {
		return err
	}
	if err := l.shiftAll(rank); err != nil {
		return err
	}
	l.block = append(l.block[:0], side...)
	l.rank = rank
	l.pair()
	return nil
}

// shiftAll shifts the factors of columns, and finds the largest of each component.
func (l *lowRank) shiftAll(rank int) error {
	for i := range rank {
		most := 0
		of := l.factors[i*l.columns : (i+1)*l.columns]
		for j, v := range of {
			most = max(most, int(v), -int(v))
			of[j] = v << l.shift[i]
		}
		l.most[i] = int64(most) << l.shift[i]
		if l.most[i] >= 1<<15 {
			return corrupt("low rank: factor out of range")
		}
	}
	return nil
}

// pair fills pairs and words.
func (l *lowRank) pair() {
	half := (l.columns + 1) / 2
	l.pairs = grow(l.pairs, half*l.rank)
	for i := range l.rank {
		of, to := l.factors[i*l.columns:(i+1)*l.columns], l.pairs[i*half:(i+1)*half]
		for j := range to {
			to[j] = uint64(int64(of[2*j]))
			if 2*j+1 < len(of) {
				to[j] += uint64(int64(of[2*j+1])) << 32
			}
		}
	}
	l.words = grow(l.words, (l.rank+1)/2*l.columns)
	clear(l.words)
	for i := range l.rank {
		to := l.words[i/2*l.columns:]
		for j, v := range l.factors[i*l.columns : (i+1)*l.columns] {
			to[j] |= uint32(uint16(v)) << (16 * (i & 1))
		}
	}
}

// factorLevels are the contexts of a list of factors: each level of as many in turn,
// from the first again after the last.
type factorLevels struct {
	levels []uint8
	times  int
}

func (l *lowRank) columnLevels() factorLevels { return factorLevels{l.levels[:l.rank], l.columns} }
func (l *lowRank) rowLevels() factorLevels    { return factorLevels{l.levels[:l.rank], 1} }

// fill fills ctx with the contexts of factors.
func (f factorLevels) fill(ctx []uint8) {
	if f.times == 1 {
		fill(ctx, f.levels)
		return
	}
	for i, level := range f.levels {
		fill(ctx[i*f.times:(i+1)*f.times], []byte{level})
	}
}

// appendFactors appends factors as they are in side blocks and frames, to their end:
//
//	side    uvarint length, adaptive coding: tables
//	state   [lanes]uint32  // as many as lanesFor says
//	words   []uint16
//
// They are coded as steps from zero are, in the contexts of their levels.
func (d *deltaCoder) appendFactors(dst []byte, factors []int16, levels factorLevels) []byte {
	count := len(factors)
	d.symbols, d.ctx, d.z16 = grow(d.symbols, count), grow(d.ctx, count), grow(d.z16, count)
	levels.fill(d.ctx)
	for i, f := range factors {
		d.z16[i] = uint16(f<<1 ^ f>>15)
		d.symbols[i] = symbolOf(d.z16[i])
	}
	last := d.count(count, Best)
	d.side.reset(d.buf[:0])
	d.tables.write(&d.side, last)
	d.buf = d.side.end(0)
	dst = binary.AppendUvarint(dst, uint64(len(d.buf)))
	dst = append(dst, d.buf...)
	d.tables.forEncoding(&d.enc)
	dst, words := encodeLanes(&d.enc, dst, d.ctx, d.symbols, d.z16, lanesFor(count))
	return appendWords(dst, words)
}

// readFactors fills factors from all of src.
func (d *deltaCoder) readFactors(factors []int16, src []byte, levels factorLevels) error {
	side, words, err := cut(src)
	if err != nil {
		return err
	}
	var in adaptiveDecoder
	in.reset(side)
	if err := d.tables.read(&in, false); err != nil {
		return err
	}
	if err := in.end(); err != nil {
		return err
	}
	d.tables.forDecoding(d.dec)
	count := len(factors)
	lanes := lanesFor(count)
	if words, err = d.dec.readStates(words, lanes); err != nil {
		return err
	}
	d.z16, d.ctx = grow(d.z16, count), grow(d.ctx, count)
	levels.fill(d.ctx)
	if words, err = decodeLanes(d.dec, d.z16, d.ctx, words, lanes); err != nil {
		return err
	}
	for i, z := range d.z16 {
		if z > 2*maxFactor {
			return corrupt("low rank: factor out of range")
		}
		factors[i] = int16(z>>1) ^ -int16(z&1)
	}
	return d.dec.end(words)
}

// levelOf returns the level of factors of so large a mean magnitude.
func levelOf(mean float64) uint8 {
	return uint8(min(bits.Len64(uint64(float64(mean*mean))), contexts-1))
}
