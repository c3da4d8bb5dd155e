package codec

// A leaf without a base may hold parts that differ, as the rows of frequent
// tokens and of those that never occurred do in an embedding. Each is then a
// segment, whose planes have tables of their own.
const (
	// maxParts is how many equal parts of a leaf are compared, leastPart what each
	// has at least.
	maxParts  = 8
	leastPart = 64 << 10
	// partPrice is about what a segment costs: frame, tables, states.
	partPrice = 600
)

// A part is what a sample says of a run of equal parts.
type part struct {
	end  int       // in the leaf
	h    histogram // of the sample's first plane
	cost uint64    // of coding the sample's first plane, in 2^-logBits bits
}

// stillRun is how many elements in a row that are the base's make a segment of a
// short leaf: a row that never moved beside one that did has no place in one scale.
const stillRun = 96

// stillRuns returns where leaf is to be cut: the end of each run of elements of
// width bytes that are the base's, and of what lies between.
func stillRuns(leaf, base []byte, width int) (cuts []int) {
	same := func(i int) bool { return le.Uint64(leaf[i:]) == le.Uint64(base[i:]) }
	least := stillRun * width
	for at := 0; at+least <= len(leaf); {
		// Backwards, since most runs are short: what follows one that is, is skipped.
		end := at + least - 8
		for end >= at && same(end) {
			end -= 8
		}
		if end >= at {
			at = end + 8
			continue
		}
		end = at + least
		for end+8 <= len(leaf) && same(end) {
			end += 8
		}
		if at > 0 {
			cuts = append(cuts, at)
		}
		cuts = append(cuts, end)
		at = end + 8
	}
	if n := len(cuts); n == 0 || cuts[n-1] < len(leaf) {
		cuts = append(cuts, len(leaf))
	}
	return cuts
}

// parts returns where leaf is best cut: the end of each segment, the last its
// own; or the counts of a part of the first plane if that is one.
func (s *scratch) parts(leaf []byte, l layout, offset int64) ([]int, *histogram) {
	if len(leaf) < maxParts*leastPart {
		return nil, nil
	}
	head, _ := l.edges(offset, len(leaf))
	step := len(leaf) / maxParts &^ 63
	ps := make([]part, maxParts)
	at := 0
	for i := range ps {
		p := &ps[i]
		p.end = head + (i+1)*step
		if i == maxParts-1 {
			p.end = len(leaf)
		}
		s.sample = sample(s.sample[:0], leaf[max(at, head):p.end])
		n := len(s.sample) / l.width()
		planes := s.planesOf(n * l.width())
		l.split(planes, s.sample[:n*l.width()], nil)
		p.h.count(planes[:n])
		p.cost = p.h.cost()
		at = p.end
	}
	for len(ps) > 1 {
		best, least, cost := 0, partPrice, uint64(0)
		var sum histogram
		for i := range len(ps) - 1 {
			a, b := &ps[i], &ps[i+1]
			h := a.h
			for s, n := range &b.h {
				h[s] += n
			}
			c := h.cost()
			// The sample has sampleSize of every step bytes.
			if more := int(int64(c-a.cost-b.cost)>>(logBits+3)) * (step / sampleSize); more < least {
				best, least, cost, sum = i+1, more, c, h
			}
		}
		if best == 0 {
			break
		}
		ps[best-1] = part{ps[best].end, sum, cost}
		ps = append(ps[:best], ps[best+1:]...)
	}
	if len(ps) == 1 {
		return nil, &ps[0].h
	}
	cuts := make([]int, len(ps))
	for i := range ps {
		cuts[i] = ps[i].end
	}
	return cuts, nil
}

// cost returns what the bytes of h cost by a table of their own, in 2^-logBits
// bits.
func (h *histogram) cost() uint64 {
	total, cost := uint32(0), uint64(0)
	for _, n := range h {
		if n != 0 {
			total += n
			cost += nlogn(n)
		}
	}
	return nlogn(total) - cost
}
