package dag

import (
	"context"
	"fmt"
	"iter"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// A list that may grow long lies inside its node while its encoding is at most
// inlineBytes; longer ones lie in pages, filled in order.
const (
	inlineBytes = 256 << 10
	pageEntries = 8192
	pageBytes   = 512 << 10
	maxPages    = 8192 // links to pages in one node: 67 million entries
)

// A kind says how the entries of one sort of list are written and read.
type kind[T any] struct {
	write func([]byte, T) []byte
	read  func(*cborReader) T
}

var (
	entryKind = kind[Entry]{
		write: func(b []byte, e Entry) []byte {
			return appendUint(appendLink(appendHead(b, majorList, 2), e.Chunk), int64(e.Length))
		},
		read: func(r *cborReader) Entry {
			if r.list(2) != 2 {
				r.fail("an entry that is no pair")
			}
			e := Entry{Chunk: r.link(), Length: int(r.uint())}
			if r.err == nil && (e.Length <= 0 || e.Length > MaxBlock || e.Chunk.Type() != cid.Raw) {
				r.fail("an entry that names no chunk")
			}
			return e
		},
	}
	nodeKind = kind[cid.Cid]{
		write: appendLink,
		read:  func(r *cborReader) cid.Cid { return r.linkOf(cid.Raw) },
	}
	recipeKind = kind[cid.Cid]{
		write: appendLink,
		read:  func(r *cborReader) cid.Cid { return r.linkOf(cid.DagCBOR) },
	}
	fileKind = kind[FileSum]{
		write: func(b []byte, f FileSum) []byte {
			return appendBytes(appendText(appendHead(b, majorList, 2), f.Path), f.SHA256[:])
		},
		read: func(r *cborReader) FileSum {
			if r.list(2) != 2 {
				r.fail("a file that is no pair")
			}
			f := FileSum{Path: r.text(MaxPath)}
			if r.err == nil {
				if err := CheckPath(f.Path); err != nil {
					r.fail("%v", err)
				}
			}
			if n := copy(f.SHA256[:], r.bytes(32)); n != 32 {
				r.fail("a sha256 of %d bytes", n)
			}
			return f
		},
	}
)

// A List is a list of a recipe's or packing's entries: its first ones inside
// the node, or links to pages.
type List[T any] struct {
	inline []T
	pages  []cid.Cid
	count  int64
	kind   *kind[T]
}

// Len returns the number of entries. For a paged list that a peer made it is a
// claim until All has walked it.
func (l List[T]) Len() int64 { return l.count }

// Pages returns the links to pages; none when the entries lie inline.
func (l List[T]) Pages() []cid.Cid { return l.pages }

// All yields the entries in order; pages come from g, one in memory at a time.
// It ends with an error when a page cannot be had, or holds more or fewer
// entries than it should.
func (l List[T]) All(ctx context.Context, g Getter) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, e := range l.inline {
			if !yield(e, nil) {
				return
			}
		}
		var zero T
		n := int64(0)
		for i, c := range l.pages {
			b, err := g.Get(ctx, c)
			if err != nil {
				yield(zero, err)
				return
			}
			page, err := decodePage(l.kind, b)
			if err == nil {
				if n += int64(len(page)); n > l.count || i+1 == len(l.pages) && n != l.count {
					err = &CorruptError{CID: c, Reason: "a page with more or fewer entries than its list says"}
				}
			}
			if err != nil {
				yield(zero, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// Slice returns entries [first, first+n) of a list whose pages are all full but
// the last, as those of a recipe are: it reads only the pages that hold them.
func (l List[T]) Slice(ctx context.Context, g Getter, first int64, n int) ([]T, error) {
	if first < 0 || n < 0 || first+int64(n) > l.count {
		return nil, fmt.Errorf("entries %d to %d of a list of %d", first, first+int64(n), l.count)
	}
	if len(l.pages) == 0 {
		return l.inline[first : first+int64(n)], nil
	}
	out := make([]T, 0, n)
	for len(out) < n {
		at := first + int64(len(out))
		page, err := l.Page(ctx, g, int(at/pageEntries))
		if err != nil {
			return nil, err
		}
		page = page[at%pageEntries:]
		out = append(out, page[:min(len(page), n-len(out))]...)
	}
	return out, nil
}

// PageEntries is how many entries every page of a recipe holds, but the last.
const PageEntries = pageEntries

// Page returns the entries of page i: entries from i*PageEntries on. A list
// that lies inline is its own page 0.
func (l List[T]) Page(ctx context.Context, g Getter, i int) ([]T, error) {
	if len(l.pages) == 0 && i == 0 {
		return l.inline, nil
	}
	if i < 0 || i >= len(l.pages) {
		return nil, fmt.Errorf("page %d of %d", i, len(l.pages))
	}
	b, err := g.Get(ctx, l.pages[i])
	if err != nil {
		return nil, err
	}
	page, err := decodePage(l.kind, b)
	if err != nil {
		return nil, err
	}
	if want := min(pageEntries, l.count-int64(i)*pageEntries); int64(len(page)) != want {
		return nil, &CorruptError{CID: l.pages[i], Reason: fmt.Sprintf("a page of %d entries where %d belong", len(page), want)}
	}
	return page, nil
}

func decodePage[T any](k *kind[T], b blocks.Block) ([]T, error) {
	r := &cborReader{b: b.RawData()}
	n := r.list(pageEntries)
	page := make([]T, 0, min(n, len(r.b)/8))
	for range n {
		page = append(page, k.read(r))
		if r.err != nil {
			break
		}
	}
	if err := r.end(); err != nil {
		return nil, &CorruptError{CID: b.Cid(), Reason: err.Error()}
	}
	if len(page) == 0 {
		return nil, &CorruptError{CID: b.Cid(), Reason: "an empty page"}
	}
	return page, nil
}

// A listWriter builds a List of any length in the memory of one page.
type listWriter[T any] struct {
	kind    *kind[T]
	emit    func(blocks.Block) error
	entries []T    // of the page being filled
	buf     []byte // their encoding
	pages   []cid.Cid
	count   int64
}

func (w *listWriter[T]) add(e T) error {
	before := len(w.buf)
	w.buf = w.kind.write(w.buf, e)
	if len(w.entries) == pageEntries || before > 0 && len(w.buf) > pageBytes-16 {
		last := append([]byte(nil), w.buf[before:]...)
		w.buf = w.buf[:before]
		if err := w.flush(); err != nil {
			return err
		}
		w.buf = append(w.buf, last...)
	}
	w.entries = append(w.entries, e)
	w.count++
	return nil
}

func (w *listWriter[T]) flush() error {
	if len(w.pages) == maxPages {
		return fmt.Errorf("a list of more than %d pages", maxPages)
	}
	data := append(appendHead(make([]byte, 0, len(w.buf)+9), majorList, uint64(len(w.entries))), w.buf...)
	c := CBOR(data)
	b, err := blocks.NewBlockWithCid(data, c)
	if err != nil {
		return err
	}
	w.pages = append(w.pages, c)
	w.entries, w.buf = w.entries[:0], w.buf[:0]
	return w.emit(b)
}

func (w *listWriter[T]) finish() (List[T], error) {
	if len(w.pages) == 0 && len(w.buf) <= inlineBytes {
		return List[T]{inline: w.entries, count: w.count, kind: w.kind}, nil
	}
	if len(w.entries) > 0 {
		if err := w.flush(); err != nil {
			return List[T]{}, err
		}
	}
	return List[T]{pages: w.pages, count: w.count, kind: w.kind}, nil
}

// appendList writes l as a list of entries, or as the map {"count", "pages"}.
func appendList[T any](b []byte, l List[T]) []byte {
	if len(l.pages) == 0 {
		b = appendHead(b, majorList, uint64(len(l.inline)))
		for _, e := range l.inline {
			b = l.kind.write(b, e)
		}
		return b
	}
	b = appendHead(b, majorMap, 2)
	b = appendUint(appendText(b, "count"), l.count)
	b = appendHead(appendText(b, "pages"), majorList, uint64(len(l.pages)))
	for _, c := range l.pages {
		b = appendLink(b, c)
	}
	return b
}

func readList[T any](r *cborReader, k *kind[T]) List[T] {
	l := List[T]{kind: k}
	if r.peek() == majorList {
		n := r.list(inlineBytes)
		start := len(r.b)
		l.inline = make([]T, 0, min(n, 1024))
		for range n {
			l.inline = append(l.inline, k.read(r))
			if r.err != nil {
				return l
			}
		}
		if start-len(r.b) > inlineBytes {
			r.fail("a list that belongs in pages")
		}
		l.count = int64(n)
		return l
	}
	if n := r.mapHead(2); n != 2 {
		r.fail("a map of %d pairs where a list belongs", n)
	}
	r.key("count")
	l.count = r.uint()
	r.key("pages")
	n := r.list(maxPages)
	if r.err == nil && (n == 0 || l.count < int64(n) || l.count > int64(n)*pageEntries) {
		r.fail("%d pages for %d entries", n, l.count)
	}
	for range n {
		l.pages = append(l.pages, r.linkOf(cid.DagCBOR))
		if r.err != nil {
			break
		}
	}
	return l
}

// key reads a map's next key, which canonical order and the schema fix.
func (r *cborReader) key(want string) {
	if got := r.text(16); r.err == nil && got != want {
		r.fail("key %q where %q belongs", got, want)
	}
}
