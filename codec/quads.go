package codec

// quadTables are a stream's tables as kernels look them up that find sixteen
// bytes at a time: by the table's number, or by that and which four of its
// sixteen symbols. Of tables of more than sixteen bytes each further sixteen are
// XORed with those before. The kernels know where the fields are.
type quadTables struct {
	number [contexts]uint8         // of the context's table
	mask   [16]uint8               // the high byte of 2^bits - 1
	scale  [2][16]uint8            // the low and the high byte of 2^(16-bits)
	first  [16]uint8               // stepBits - bits
	quarts [3][16]uint8            // the first slots of symbols 4, 8 and 12
	after  [3][4 * maxTables]uint8 // the first slots of the four's symbols but the first
	code   [4][4 * maxTables]uint8 // and the codes of all
	full   uint32                  // whether a symbol has all slots of its table
}

// set makes the tables out of st, and of what d has of it.
func (q *quadTables) set(st *stepTables, d *laneDecoder) {
	q.number = st.of
	q.full = 0
	for t := range st.n {
		bits := st.table[t].bits
		scale := uint16(1) << (16 - bits)
		q.mask[t], q.first[t] = uint8((uint16(1)<<bits-1)>>8), stepBits-bits
		q.scale[0][t], q.scale[1][t] = uint8(scale), uint8(scale>>8)
		var codes [stepSymbols]uint8
		to := stepSymbols - int(st.table[t].n)
		st.table[t].inSlots(func(i, _ int) {
			s := st.table[t].symbol[i]
			codes[to] = s.raw<<codeRaw | s.head
			to++
		})
		for k := range q.quarts {
			q.quarts[k][t] = d.start[symbolAt(t, 4*(k+1))]
		}
		for i := range 4 {
			for k := range q.after {
				q.after[k][4*t+i] = d.start[symbolAt(t, 4*i+k+1)]
			}
			for k := range q.code {
				q.code[k][4*t+i] = codes[4*i+k]
			}
		}
		if int(st.table[t].symbol[st.table[t].last].freq) == 1<<bits {
			q.full = 1
		}
	}
	chain(q.number[:])
	for k := range q.after {
		chain(q.after[k][:])
	}
	for k := range q.code {
		chain(q.code[k][:])
	}
}

// chain XORs each sixteen bytes of p but the first with those before.
func chain(p []uint8) {
	for i := len(p) - 1; i >= 16; i-- {
		p[i] ^= p[i-16]
	}
}
