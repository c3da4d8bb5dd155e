package family

import (
	"cmp"
	"hash/crc32"
	"io"
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
// its first 32 numbers and its length, mixed. Neither a cast nor most of a
// fine-tune changes them. A row of other units than floats is known by its
// first bytes. 0 is no row: one whose numbers all have one sign says nothing.
type Row uint64

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
	return Row(scramble(uint64(v)|uint64(uint32(r.Length))<<32, 1))
}

// signed tells whether the last bit of an element of dtype is its sign, which a
// cast keeps.
func signed(dtype tensor.DType) bool {
	return codec.Castable(dtype, tensor.F32) || dtype == tensor.F64
}

// Telling returns at most most of rows that stand for all of them: those of the
// least numbers, so that of two tensors that share rows the telling ones are
// shared too, in ascending order, each once.
func Telling(rows []Row, most int) []Row {
	var list []Row
	for _, r := range rows {
		if r == 0 || len(list) == most && r >= list[most-1] {
			continue
		}
		if at, found := slices.BinarySearch(list, r); !found {
			list = slices.Insert(list, at, r)[:min(most, len(list)+1)]
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
// places is taken from where it continues a span, else from the first. Rows
// that changed too much to be known are taken to be what lies between two that
// are. The spans ascend by Dst and do not overlap; of more than 4,096 the
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

// widenEnds lets spans reach back and on over rows that are known nowhere, each
// way by no more rows than it has.
func widenEnds(spans []Span, target []Row, bases [][]Row) []Span {
	end := int64(0)
	for i := range spans {
		s := &spans[i]
		if back := min(s.Dst-end, s.Src, s.Count); back > 0 {
			s.Dst, s.Src, s.Count = s.Dst-back, s.Src-back, s.Count+back
		}
		limit := int64(len(target))
		if i+1 < len(spans) {
			limit = spans[i+1].Dst
		}
		s.Count = max(s.Count, min(limit-s.Dst, int64(len(bases[s.Base]))-s.Src, 2*s.Count))
		end = s.Dst + s.Count
	}
	return spans
}
