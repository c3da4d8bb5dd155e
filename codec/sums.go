package codec

// A stepSums is the sum of the symbols of a row or column, and of what the curve
// expects there, in 2^-curveBits. Rows of at most maxRow elements have sums below
// 2^24 and 2^32. Kernels know where the fields are.
type stepSums struct{ symbols, expected uint32 }

// rowSums returns the sums of symbols in contexts ctx.
func (t *curve) rowSums(symbols, ctx []uint8) (sums stepSums) {
	_ = t.mean[0]
	for len(ctx) > 8 && len(symbols) > 8 { // as in walkFloat16
		x, c := le.Uint64(symbols), (*[8]uint8)(ctx)
		sums.symbols += uint32((x&low16 + x>>8&low16) * lanes16 >> 48)
		sums.expected += t.mean[c[0]&(contexts-1)] + t.mean[c[1]&(contexts-1)] + t.mean[c[2]&(contexts-1)] + t.mean[c[3]&(contexts-1)] +
			t.mean[c[4]&(contexts-1)] + t.mean[c[5]&(contexts-1)] + t.mean[c[6]&(contexts-1)] + t.mean[c[7]&(contexts-1)]
		ctx, symbols = ctx[8:len(ctx):len(ctx)], symbols[8:len(symbols):len(symbols)]
	}
	for i, c := range ctx {
		sums.symbols += uint32(symbols[i])
		sums.expected += t.mean[c&(contexts-1)]
	}
	return sums
}

// columnSums adds to each column's sums its symbol and context.
func (t *curve) columnSums(sums []stepSums, symbols, ctx []uint8) {
	_ = t.mean[0]
	symbols, ctx = symbols[:len(sums)], ctx[:len(sums)]
	for c := range sums {
		sums[c].symbols += uint32(symbols[c])
		sums[c].expected += t.mean[ctx[c]&(contexts-1)]
	}
}
