package p2p

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/zipnode/zipnode/dag"
)

// Protocol is the exchange between two zipnodes.
const Protocol protocol.ID = "/zipnode/exchange/1"

const (
	headerLen    = 13
	cidLen       = 36
	maxItems     = 1024 // of one request
	maxOffers    = 8    // recipes of one tensor
	maxOfferSize = 4 << 20
)

// The kinds of messages.
const (
	kindHave    uint8 = 1
	kindRecipes uint8 = 2
	kindBlocks  uint8 = 3
	kindRange   uint8 = 4

	kindBits   uint8 = 0x81
	kindRecipe uint8 = 0x82
	kindBlock  uint8 = 0x83
	kindAbsent uint8 = 0x84
	kindEnd    uint8 = 0x85
	kindBusy   uint8 = 0x86
)

// errProtocol is wrapped by errors of messages that break the exchange's rules.
var errProtocol = errors.New("exchange protocol")

// A header precedes every body.
type header struct {
	kind   uint8
	id     uint32
	item   uint32
	length uint32
}

func (h header) append(b []byte) []byte {
	b = append(b, h.kind)
	b = binary.BigEndian.AppendUint32(b, h.id)
	b = binary.BigEndian.AppendUint32(b, h.item)
	return binary.BigEndian.AppendUint32(b, h.length)
}

func parseHeader(b []byte) header {
	return header{
		kind:   b[0],
		id:     binary.BigEndian.Uint32(b[1:]),
		item:   binary.BigEndian.Uint32(b[5:]),
		length: binary.BigEndian.Uint32(b[9:]),
	}
}

// A request asks for the CIDs of a list, or for count chunks of recipe from
// number first.
type request struct {
	kind   uint8
	id     uint32
	cids   []cid.Cid
	recipe cid.Cid
	first  uint64
	count  int // of a range
}

// items returns how many things q asks for.
func (q *request) items() int {
	if q.kind == kindRange {
		return q.count
	}
	return len(q.cids)
}

func (q *request) append(b []byte) []byte {
	h := header{kind: q.kind, id: q.id, item: uint32(q.items())}
	if q.kind == kindRange {
		h.length = cidLen + 8
		b = append(h.append(b), q.recipe.Bytes()...)
		return binary.BigEndian.AppendUint64(b, q.first)
	}
	h.length = uint32(len(q.cids) * cidLen)
	b = h.append(b)
	for _, c := range q.cids {
		b = append(b, c.Bytes()...)
	}
	return b
}

// readRequest reads one request from r. It returns io.EOF if r ends before one
// begins, and an error wrapping errProtocol if it breaks a rule.
func readRequest(r io.Reader) (*request, error) {
	var raw [headerLen]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return nil, err
	}
	h := parseHeader(raw[:])
	if h.item < 1 || h.item > maxItems {
		return nil, fmt.Errorf("%w: %d items in a request, 1 to %d are allowed", errProtocol, h.item, maxItems)
	}
	want := h.item * cidLen
	switch h.kind {
	case kindHave, kindRecipes, kindBlocks:
	case kindRange:
		want = cidLen + 8
	default:
		return nil, fmt.Errorf("%w: request of kind %d", errProtocol, h.kind)
	}
	if h.length != want {
		return nil, fmt.Errorf("%w: body of %d bytes, want %d", errProtocol, h.length, want)
	}
	body := make([]byte, h.length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return parseRequest(h, body)
}

func parseRequest(h header, body []byte) (*request, error) {
	q := &request{kind: h.kind, id: h.id}
	if h.kind == kindRange {
		c, err := readCID(body)
		if err != nil {
			return nil, err
		}
		q.recipe, q.first, q.count = c, binary.BigEndian.Uint64(body[cidLen:]), int(h.item)
		return q, nil
	}
	q.cids = make([]cid.Cid, h.item)
	for i := range q.cids {
		c, err := readCID(body[i*cidLen:])
		if err != nil {
			return nil, err
		}
		q.cids[i] = c
	}
	return q, nil
}

// readCID parses the CID at the start of b, which holds at least cidLen bytes.
func readCID(b []byte) (cid.Cid, error) {
	c, err := cid.Cast(b[:cidLen])
	if err != nil {
		return cid.Undef, fmt.Errorf("%w: %w", errProtocol, err)
	}
	if err := dag.Supported(c); err != nil {
		return cid.Undef, fmt.Errorf("%w: %w", errProtocol, err)
	}
	return c, nil
}

// An answer checks the messages that answer one request, in order, by their
// headers alone.
type answer struct {
	q      *request
	length func(item int) int // promised bytes of a block; nil or -1: unknown
	next   int                // items answered so far
	offers int                // recipes of tensor next
	bytes  int                // of recipes
	done   bool
	busy   bool
}

// check tests h before its body is read, and moves on. A block's length that
// is not the one promised is a *dag.CorruptError: a lie, not a slip.
func (a *answer) check(h header) error {
	n := a.q.items()
	if h.kind == kindBusy {
		if h.length != 0 {
			return fmt.Errorf("%w: BUSY with a body", errProtocol)
		}
		a.done, a.busy = true, true
		return nil
	}
	switch {
	case a.q.kind == kindHave && h.kind == kindBits:
		if int(h.item) != n || int(h.length) != (n+7)/8 {
			return fmt.Errorf("%w: %d bytes of bits for %d CIDs", errProtocol, h.length, n)
		}
		a.done = true
		return nil
	case a.q.kind == kindRecipes && h.kind == kindRecipe:
		return a.recipe(h)
	case a.q.kind == kindRecipes && h.kind == kindEnd:
		if h.length != 0 || h.item < 1 || int(h.item) > n || int(h.item) < a.next {
			return fmt.Errorf("%w: END after %d of %d tensors", errProtocol, h.item, n)
		}
		a.next, a.done = int(h.item), true
		return nil
	case a.q.kind >= kindBlocks && h.kind == kindBlock:
		return a.block(h)
	case a.q.kind >= kindBlocks && h.kind == kindAbsent:
		if h.length != 4 || int64(h.item) != int64(a.next) {
			return fmt.Errorf("%w: ABSENT at item %d, want %d", errProtocol, h.item, a.next)
		}
		return nil // its count is in the body
	}
	return fmt.Errorf("%w: message of kind 0x%x answers request of kind %d", errProtocol, h.kind, a.q.kind)
}

func (a *answer) recipe(h header) error {
	if int64(h.item) >= int64(a.q.items()) || int(h.item) < a.next {
		return fmt.Errorf("%w: RECIPE of tensor %d out of order", errProtocol, h.item)
	}
	if int(h.item) > a.next {
		a.next, a.offers = int(h.item), 0
	}
	a.offers++
	a.bytes += int(h.length)
	if a.offers > maxOffers || h.length > dag.MaxBlock || a.bytes > maxOfferSize+maxOffers*dag.MaxBlock {
		return fmt.Errorf("%w: too many or too large recipes", errProtocol)
	}
	return nil
}

func (a *answer) block(h header) error {
	if int64(h.item) != int64(a.next) || a.next >= a.q.items() {
		return fmt.Errorf("%w: BLOCK at item %d, want %d", errProtocol, h.item, a.next)
	}
	if h.length > dag.MaxBlock {
		return fmt.Errorf("%w: block of %d bytes", errProtocol, h.length)
	}
	if a.length != nil {
		if want := a.length(a.next); want >= 0 && int(h.length) != want {
			return fmt.Errorf("%w: block of %d bytes, its recipe says %d", errLength, h.length, want)
		}
	}
	a.next++
	a.done = a.next == a.q.items()
	return nil
}

// errLength is wrapped when a chunk is not as long as its recipe says.
var errLength = errors.New("wrong length")

// absent takes the count of an ABSENT from its body, and moves on. It returns
// the items that are not there.
func (a *answer) absent(body []byte) (first, n int, err error) {
	count := binary.BigEndian.Uint32(body)
	if count < 1 || int64(count) > int64(a.q.items()-a.next) {
		return 0, 0, fmt.Errorf("%w: %d items absent of %d left", errProtocol, count, a.q.items()-a.next)
	}
	first = a.next
	a.next += int(count)
	a.done = a.next == a.q.items()
	return first, int(count), nil
}

func setBit(b []byte, i int)   { b[i/8] |= 1 << (i % 8) }
func bit(b []byte, i int) bool { return b[i/8]&(1<<(i%8)) != 0 }
