package family

import (
	"cmp"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/tensor"
)

// rowHead is how many elements at the start of a row it is known by.
const rowHead = 32

// maxRows bounds the rows of a tensor that are looked at, which bounds memory
// to 8 MiB.
const maxRows = 1 << 20

// A Row is what a row of a tensor is known by wherever it stands: the signs of
// its first 32 numbers, and above them its length. A cast does not change them,
// and a fine-tune few. A row of other units than floats is known by a checksum
// of its first bytes. 0 is no row: one whose numbers all have one sign says
// nothing.
type Row uint64

// maxFlips is how many signs of a row may differ from those of another for it to
// be that one, fine-tuned: chance makes 16 of 32 differ.
const maxFlips = 8

// flips returns how many signs of two rows differ.
func (r Row) flips(other Row) int { return bits.OnesCount32(uint32(r ^ other)) }

// key is the row as an index keeps it: mixed, so that the least of many are any.
func (r Row) key() uint64 { return scramble(uint64(r), 1) }

// Rows says how a tensor is divided into rows: what lies behind one index of
// its first dimension.
type Rows struct {
	Count  int64
	Length int64 // of a row, in elements
	dtype  tensor.DType
	width  int64 // bytes of a row
	head   int64 // bytes that a row is known by
}

// RowsOf returns the rows of a tensor, and false where it has none to speak of:
// fewer than two, shorter than 32 elements, or of no whole number of bytes.
func RowsOf(e tensor.Extent) (Rows, bool) {
	if len(e.Shape) < 2 || e.Shape[0] < 2 || e.Shape[0] > maxRows {
		return Rows{}, false
	}
	length, ok := e.Shape[1:].Elems()
	size, known := e.DType.Bytes(e.Shape)
	if !ok || !known || length < rowHead || size > uint64(e.Size) || size%e.Shape[0] != 0 {
		return Rows{}, false
	}
	r := Rows{Count: int64(e.Shape[0]), Length: int64(length), dtype: e.DType, width: int64(size / e.Shape[0])}
	r.head = min(r.width, rowHead*int64(max(1, e.DType.Bits()/8)))
	if r.head < rowHead {
		return Rows{}, false
	}
	return r, true
}

// Scan adds to into the rows whose heads lie wholly in data, which is at off of
// the tensor. into has r.Count entries.
func (r Rows) Scan(into []Row, off int64, data []byte) {
	for row := (off + r.width - 1) / r.width; row < r.Count; row++ {
		at := row*r.width - off
		if at+r.head > int64(len(data)) {
			return
		}
		into[row] = r.know(data[at : at+r.head])
	}
}

// Read returns all rows of the tensor that begins at off of in. It reads the
// heads only.
func (r Rows) Read(in io.ReaderAt, off int64) ([]Row, error) {
	rows := make([]Row, r.Count)
	head := make([]byte, r.head)
	for i := range rows {
		if _, err := io.ReadFull(io.NewSectionReader(in, off+int64(i)*r.width, r.head), head); err != nil {
			return nil, err
		}
		rows[i] = r.know(head)
	}
	return rows, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r Rows) know(head []byte) Row {
	v := uint32(0)
	if signed(r.dtype) {
		size := len(head) / rowHead
		for i := range rowHead {
			v |= uint32(head[(i+1)*size-1]>>7) << i
		}
	} else {
		v = crc32.Checksum(head, castagnoli)
	}
	if v == 0 || v == 1<<32-1 {
		return 0
	}
	return Row(v) | Row(uint32(r.Length))<<32
}

// signed tells whether the last bit of an element of dtype is its sign, which a
// cast keeps.
func signed(dtype tensor.DType) bool {
	return codec.Castable(dtype, tensor.F32) || dtype == tensor.F64
}

// Telling returns the keys of at most most of rows that stand for all of them:
// the least, so that of two tensors that share rows the telling ones are shared
// too; in ascending order, each once.
func Telling(rows []Row, most int) []uint64 {
	var list []uint64
	for _, r := range rows {
		key := r.key()
		if r == 0 || len(list) == most && key >= list[most-1] {
			continue
		}
		if at, found := slices.BinarySearch(list, key); !found {
			list = slices.Insert(list, at, key)[:min(most, len(list)+1)]
		}
	}
	return list
}

// A Span says that Count rows from Dst of a tensor are Count rows from Src of
// base number Base.
type Span struct {
	Base            int
	Dst, Src, Count int64
}

// maxKept is how many spans MapRows keeps, half of what a recipe may have.
const maxKept = 4096

// MapRows says where the rows of a tensor stand in those of bases: the same
// rows at their old places, moved, stacked or cut out. A row that is in several
// places is taken from where it continues a span, else from the first. A row
// that is known nowhere continues the span beside it that it is more like. The
// spans ascend by Dst and do not overlap; of more than 4,096 the
// longest stay.
func MapRows(target []Row, bases [][]Row) []Span {
	type place struct{ base, row int32 }
	where := map[Row]place{}
	for b, rows := range bases {
		for i, r := range rows {
			if _, ok := where[r]; !ok && r != 0 {
				where[r] = place{int32(b), int32(i)}
			}
		}
	}
	var spans []Span
	for i, r := range target {
		if last := len(spans) - 1; last >= 0 {
			s := &spans[last]
			next := s.Src + int64(i) - s.Dst // were it to go on
			if rows := bases[s.Base]; r != 0 && next < int64(len(rows)) && rows[next] == r {
				s.Count = int64(i) - s.Dst + 1
				continue
			}
		}
		if p, ok := where[r]; ok {
			spans = append(spans, Span{Base: int(p.base), Dst: int64(i), Src: int64(p.row), Count: 1})
		}
	}
	if len(spans) > maxKept {
		spans = longest(spans, maxKept)
	}
	return widenEnds(spans, target, bases)
}

// longest returns the n longest of spans, in their order.
func longest(spans []Span, n int) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Dst, b.Dst)) })
	spans = spans[:n]
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.Dst, b.Dst) })
	return spans
}

// widenEnds lets spans reach on and back over rows that are known nowhere, and
// are like those that the span would go on with.
func widenEnds(spans []Span, target []Row, bases [][]Row) []Span {
	// like tells how unlike row i of target is to that which s would have there.
	like := func(s *Span, i int64) int {
		at := s.Src + i - s.Dst
		if at < 0 || at >= int64(len(bases[s.Base])) {
			return maxFlips + 1
		}
		return target[i].flips(bases[s.Base][at])
	}
	end := int64(0) // of the span before
	for i := range spans {
		s := &spans[i]
		for s.Dst > end && like(s, s.Dst-1) <= maxFlips {
			s.Dst, s.Src, s.Count = s.Dst-1, s.Src-1, s.Count+1
		}
		next, limit := s, int64(len(target))
		if i+1 < len(spans) {
			next = &spans[i+1]
			limit = next.Dst
		}
		for row := s.Dst + s.Count; row < limit; row++ {
			if d := like(s, row); d > maxFlips || next != s && d > like(next, row) {
				break
			}
			s.Count++
		}
		end = s.Dst + s.Count
	}
	return spans
}
