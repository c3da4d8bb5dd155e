package codec

import (
	"math"
	"math/bits"
)

// An element's prediction p is, in single precision (IEEE 754, each result rounded
// to the nearest, of two to the even one),
//
//	base + Σ row factor · column factor · 2^-scale
//
// where the sum is of integers of 32 bits, and exact; where the base is infinite or
// no number, p is the base. The predicted element is p, rounded likewise to 16 bits.
// How far p is from where it would have been rounded to another element tells how
// surely it is right. With 2^-16 units in the last place,
//
//	gap  = 1 + 2^15 - |p - prediction|          // 1 to 2^15 + 1
//	near = ⌊4·log2(gap)⌋, of a log2 that is linear between powers of two
//
// and with h = level - 2·exponent of p, which says in half octaves how large the
// error of p is beside a unit in the last place, the element's context is
//
//	far = min(3·(h - unitHalves), h - unitHalves) + nearMost
//	context = clamp(max(min(2·h - near + nearAnchor, nearMost), far), 0, contexts-1)
//
// So where the error is small beside a unit, its size beside the gap counts, and else
// its size beside a unit.
//
// Steps are counted from the prediction toward p, and so away from it are negative:
// they are negated where p is less than the prediction.

const (
	levelBits = 10 // of the level in a frame

	unitHalves = 25 // h of an error of about a unit in the last place
	nearAnchor = 26 // so that the context of an error as large as the gap is 10
	nearMost   = 22 // that of one much larger
)

// contextOf returns the context of a place.
func contextOf(level int, place uint16) uint8 {
	h, near := level-2*int(place>>6&0xff), int(place&63)
	far := min(3*(h-unitHalves), h-unitHalves) + nearMost
	return uint8(min(max(min(2*h-near+nearAnchor, nearMost), far, 0), contexts-1))
}

// A place is where p lies, of an element: its exponent from bit 6 on, near in the
// bits below, and in the highest bit whether its step is negated.
const (
	turned     = 1 << 15
	placesMask = 1<<14 - 1
)

// placeContexts are contexts by place, at a level.
type placeContexts struct {
	level int
	known bool // that of is filled
	of    [placesMask + 1]uint8
}

// set sets t to those at a level.
func (t *placeContexts) set(level int) { t.level, t.known = level, false }

// fill fills ctx with those of places.
func (t *placeContexts) fill(ctx []uint8, places []uint16) {
	ctx = ctx[:len(places)]
	done := placeContextsFast(ctx, places, t.level)
	ctx, places = ctx[done:], places[done:]
	if len(places) < 64 { // what kernels leave
		for i, p := range places {
			ctx[i] = contextOf(t.level, p)
		}
		return
	}
	if !t.known {
		for place := range t.of {
			t.of[place] = contextOf(t.level, uint16(place))
		}
		t.known = true
	}
	for i, p := range places {
		ctx[i] = t.of[p&placesMask]
	}
}

// turn negates those steps z that places say.
func turn(z []uint16, places []uint16) {
	z = z[:len(places)]
	done := turnFast(z, places)
	z, places = z[done:], places[done:]
	for i, p := range places {
		// 1 and 2 change places, 3 and 4, and so on; 0 and the highest stay. What is
		// turned is as good as random: no branch.
		t := z[i] - 1
		changes := uint16((uint32(t)-(1<<16-2))>>31) & (p >> 15)
		z[i] = t ^ changes + 1
	}
}

// turnSteps is turn, and sets symbols to those of the steps.
func (k *lowRankCoder) turnSteps(z []uint16, symbols []uint8) {
	turn(z, k.places)
	for i, z := range z {
		symbols[i] = symbolOf(z)
	}
}

// checkSums checks that no sum is too large for 32 bits.
func (k *lowRankCoder) checkSums() error {
	l := &k.side
	for rows := k.rows; len(rows) > 0; rows = rows[l.rank:] {
		if !l.sumFits(rows[:l.rank]) {
			return corrupt("low rank: sum out of range")
		}
	}
	return nil
}

// sumFits tells whether no sum of a row with these factors is too large.
func (l *lowRank) sumFits(row []int16) bool {
	sum := int64(0)
	for i, u := range row {
		sum += l.most[i] * int64(max(u, -u))
	}
	return sum < 1<<31
}

// predict fills pred and places for the elements of base, whose rows are g's, given
// factors of them.
func (k *lowRankCoder) predict(base []byte, g grid) {
	count := len(base) / 2
	k.pred, k.places = grow(k.pred, 2*count), grow(k.places, count)
	scale := float32(math.Ldexp(1, -k.side.scale))
	k.sums = grow(k.sums, (g.row+1)/2)
	for r := range g.rows(count) {
		from, to := g.span(r, count)
		row := k.rows[r*k.side.rank : (r+1)*k.side.rank]
		column := from + g.phase - r*g.row
		pred, places, base := k.pred[2*from:2*to], k.places[from:to], base[2*from:2*to]
		if predictFast(pred, places, base, &k.side, row, column, scale) {
			continue
		}
		k.side.sumRow(k.sums, row)
		predictRow(pred, places, base, k.sums, column, scale)
	}
}

// sumRow fills sums with those of a row: two columns in each, of which the higher is
// one less where the lower is negative. That each fits was checked.
func (l *lowRank) sumRow(sums []uint64, row []int16) {
	half := len(sums)
	clear(sums)
	pairs := l.pairs
	for ; len(row) >= 4; row, pairs = row[4:], pairs[4*half:] {
		a, b, c, d := uint64(int64(row[0])), uint64(int64(row[1])), uint64(int64(row[2])), uint64(int64(row[3]))
		pa, pb, pc, pd := pairs[:half:half], pairs[half:2*half:2*half], pairs[2*half:3*half:3*half], pairs[3*half:4*half:4*half]
		pa, pb, pc, pd = pa[:len(sums)], pb[:len(sums)], pc[:len(sums)], pd[:len(sums)]
		for j := range sums {
			sums[j] += a*pa[j] + b*pb[j] + c*pc[j] + d*pd[j]
		}
	}
	for _, u := range row {
		a := uint64(int64(u))
		for j, p := range pairs[:half] {
			sums[j] += a * p
		}
		pairs = pairs[half:]
	}
}

// predictRow fills pred and places of elements of a row from a column on.
func predictRow(pred []byte, places []uint16, base []byte, sums []uint64, column int, scale float32) {
	places = places[:len(base)/2]
	pred = pred[:len(base)]
	i := 0
	if column&1 != 0 && len(places) > 0 {
		_, sum := sumsOf(sums[column>>1])
		places[0] = predictTo(pred, base, 0, sum, scale)
		i = 1
	}
	for sums = sums[(column+i)>>1:]; i+1 < len(places); i += 2 {
		even, odd := sumsOf(sums[0])
		places[i] = predictTo(pred, base, i, even, scale)
		places[i+1] = predictTo(pred, base, i+1, odd, scale)
		sums = sums[1:]
	}
	if i < len(places) {
		even, _ := sumsOf(sums[0])
		places[i] = predictTo(pred, base, i, even, scale)
	}
}

// sumsOf returns the sums of two columns.
func sumsOf(pair uint64) (even, odd int32) {
	even = int32(pair)
	return even, int32((pair - uint64(int64(even))) >> 32)
}

// predictTo puts element i of pred, and returns its place.
func predictTo(pred, base []byte, i int, sum int32, scale float32) uint16 {
	e, place := predictOne(uint32(le.Uint16(base[2*i:])), sum, scale)
	le.PutUint16(pred[2*i:], uint16(e))
	return place
}

// predictOne returns the predicted element and its place.
func predictOne(base uint32, sum int32, scale float32) (element uint32, place uint16) {
	x := base << 16
	if x&0x7f800000 != 0x7f800000 {
		x = math.Float32bits(math.Float32frombits(x) + float32(float32(sum)*scale))
	}
	element = (x + 0x7fff + x>>16&1) >> 16
	off := int32(x - element<<16)
	minus := off >> 31
	gap := uint32(1<<15+1) - uint32((off^minus)-minus)
	length := uint32(bits.Len32(gap)) - 1
	near := length<<2 | gap<<2>>length&3
	place = uint16(x>>23&0xff<<6 | near)
	return element, place | uint16(uint32(minus)^uint32(int32(x)>>31))&turned
}

// bestLevel returns the level at which symbols, whose places are known, cost least.
func (k *lowRankCoder) bestLevel(symbols []uint8) int {
	var tried [1 << levelBits]uint64
	cost := func(level int) uint64 {
		if level < 0 || level >= len(tried) {
			return 1 << 63
		}
		if tried[level] == 0 {
			tried[level] = 1 + k.levelCost(level, symbols)
		}
		return tried[level]
	}
	const coarse = 16
	best := coarse / 2
	for l := best + coarse; l < len(tried); l += coarse {
		if cost(l) < cost(best) {
			best = l
		}
	}
	for step := coarse / 2; step > 0; step /= 2 {
		for _, to := range [2]int{best - step, best + step} {
			if cost(to) < cost(best) {
				best = to
			}
		}
	}
	return best
}

// levelSample is about how many elements say which level is best.
const levelSample = 1 << 14

// levelCost returns what a sample of symbols costs at a level, each context with a
// table of its own, in 2^-logBits bits.
func (k *lowRankCoder) levelCost(level int, symbols []uint8) uint64 {
	const few = 32
	var counts [contexts][few]uint32
	every := 1 + len(symbols)/levelSample
	for i := 0; i < len(symbols); i += every {
		c := contextOf(level, k.places[i])
		counts[c][min(symbols[i], few-1)]++
	}
	cost := uint64(0)
	for c := range counts {
		total, used := uint32(0), uint64(0)
		for _, n := range counts[c] {
			if n > 0 {
				used++
			}
			total += n
			cost -= nlogn(n)
		}
		cost += nlogn(total) + used*tableCost/2
	}
	return cost
}
