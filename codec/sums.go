package codec

// rowSums returns the sum of symbols, and of what the curve expects of ctx.
func (t *curve) rowSums(symbols, ctx []uint8) (sum uint32, expected uint64) {
	_ = t.mean[0]
	for len(ctx) > 8 && len(symbols) > 8 { // as in walkFloat16
		x, c := le.Uint64(symbols), (*[8]uint8)(ctx)
		sum += uint32((x&low16 + x>>8&low16) * lanes16 >> 48)
		expected += uint64(t.mean[c[0]&(contexts-1)]+t.mean[c[1]&(contexts-1)]+t.mean[c[2]&(contexts-1)]+t.mean[c[3]&(contexts-1)]) +
			uint64(t.mean[c[4]&(contexts-1)]+t.mean[c[5]&(contexts-1)]+t.mean[c[6]&(contexts-1)]+t.mean[c[7]&(contexts-1)])
		ctx, symbols = ctx[8:len(ctx):len(ctx)], symbols[8:len(symbols):len(symbols)]
	}
	for i, c := range ctx {
		sum += uint32(symbols[i])
		expected += uint64(t.mean[c&(contexts-1)])
	}
	return sum, expected
}

// columnSums adds to both each column's symbol, and times 2^32 what the curve
// expects in its context.
func (t *curve) columnSums(both []uint64, symbols, ctx []uint8) {
	_ = t.mean[0]
	symbols, ctx = symbols[:len(both)], ctx[:len(both)]
	for c := range both {
		both[c] += uint64(t.mean[ctx[c]&(contexts-1)])<<32 | uint64(symbols[c])
	}
}
