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
const Protocol protocol.ID = "/zipnode/exchange/2"

const (
	headerLen    = 13
	cidLen       = 36
	maxItems     = 1024 // of one request
	maxOffers    = 8    // recipes of one tensor
	maxOfferSize = 4 << 20
	maxHolds     = 1 << 16 // chunks of one HOLDS
)

// The kinds of messages.
const (
	kindHave    uint8 = 1
	kindRecipes uint8 = 2
	kindBlocks  uint8 = 3
	kindRange   uint8 = 4
	kindJoin    uint8 = 5
	kindHolds   uint8 = 6

	kindBits   uint8 = 0x81
	kindRecipe uint8 = 0x82
	kindBlock  uint8 = 0x83
	kindAbsent uint8 = 0x84
	kindEnd    uint8 = 0x85
	kindBusy   uint8 = 0x86
	kindPeers  uint8 = 0x87
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
// number first. JOIN's list is a root. HOLDS says which of count chunks of
// recipe from first on the asker has.
type request struct {
	kind   uint8
	id     uint32
	cids   []cid.Cid // of HOLDS: the root
	recipe cid.Cid
	first  uint64
	count  int
	bits   []byte // of HOLDS
}

// items returns how many things q asks for.
func (q *request) items() int {
	if q.kind == kindRange || q.kind == kindHolds {
		return q.count
	}
	return len(q.cids)
}

func (q *request) append(b []byte) []byte {
	h := header{kind: q.kind, id: q.id, item: uint32(q.items())}
	h.length = bodyLen(h)
	b = h.append(b)
	for _, c := range q.cids {
		b = append(b, c.Bytes()...)
	}
	if q.kind == kindRange || q.kind == kindHolds {
		b = append(b, q.recipe.Bytes()...)
		b = binary.BigEndian.AppendUint64(b, q.first)
	}
	return append(b, q.bits...)
}

// bodyLen returns the bytes of the body of a request, which its kind and item
// decide.
func bodyLen(h header) uint32 {
	switch h.kind {
	case kindRange:
		return cidLen + 8
	case kindHolds:
		return 2*cidLen + 8 + (h.item+7)/8
	}
	return h.item * cidLen
}

// mostItems returns how many items a request of a kind may have.
func mostItems(kind uint8) uint32 {
	switch kind {
	case kindHave, kindRecipes, kindBlocks, kindRange:
		return maxItems
	case kindJoin:
		return 1
	case kindHolds:
		return maxHolds
	}
	return 0
}

// readRequest reads one request from r. It returns io.EOF if r ends before one
// begins, and an error wrapping errProtocol if it breaks a rule.
func readRequest(r io.Reader) (*request, error) {
	var raw [headerLen]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return nil, err
	}
	h := parseHeader(raw[:])
	if most := mostItems(h.kind); h.item < 1 || h.item > most {
		return nil, fmt.Errorf("%w: %d items in a request of kind %d, 1 to %d are allowed", errProtocol, h.item, h.kind, most)
	}
	if want := bodyLen(h); h.length != want {
		return nil, fmt.Errorf("%w: body of %d bytes, want %d", errProtocol, h.length, want)
	}
	body := make([]byte, h.length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return parseRequest(h, body)
}

// parseRequest parses a body of the length that h must have.
func parseRequest(h header, body []byte) (*request, error) {
	q := &request{kind: h.kind, id: h.id}
	cids := int(h.item)
	switch h.kind {
	case kindRange:
		cids = 0
	case kindHolds:
		cids = 1
	}
	for range cids {
		c, err := readCID(body)
		if err != nil {
			return nil, err
		}
		q.cids = append(q.cids, c)
		body = body[cidLen:]
	}
	if h.kind != kindRange && h.kind != kindHolds {
		return q, nil
	}
	c, err := readCID(body)
	if err != nil {
		return nil, err
	}
	q.recipe, q.first, q.count = c, binary.BigEndian.Uint64(body[cidLen:]), int(h.item)
	if h.kind == kindHolds {
		q.bits = body[cidLen+8:]
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
	case a.q.blocks() && h.kind == kindBlock:
		return a.block(h)
	case a.q.kind == kindJoin && h.kind == kindPeers:
		if h.item > 1 || h.length > maxToldBody {
			return fmt.Errorf("%w: PEERS of %d bytes", errProtocol, h.length)
		}
		a.done = true
		return nil
	case a.q.kind == kindHolds && h.kind == kindEnd:
		if h.item > 1 || h.length != 0 {
			return fmt.Errorf("%w: END of HOLDS", errProtocol)
		}
		a.next, a.done = int(h.item), true
		return nil
	case a.q.blocks() && h.kind == kindAbsent:
		if h.length != 4 || int64(h.item) != int64(a.next) {
			return fmt.Errorf("%w: ABSENT at item %d, want %d", errProtocol, h.item, a.next)
		}
		return nil // its count is in the body
	}
	return fmt.Errorf("%w: message of kind 0x%x answers request of kind %d", errProtocol, h.kind, a.q.kind)
}

// blocks tells whether q is answered by blocks.
func (q *request) blocks() bool { return q.kind == kindBlocks || q.kind == kindRange }

func (a *answer) recipe(h header) error {
	if int64(h.item) >= int64(a.q.items()) || int(h.item) < a.next {
		return fmt.Errorf("%w: RECIPE of tensor %d out of order", errProtocol, h.item)
	}
	if int(h.item) > a.next {
		a.next, a.offers = int(h.item), 0
	}
	a.offers++
	a.bytes += int(h.length)
	if a.offers > maxOffers || h.length > dag.MaxBlock || a.bytes > maxOfferSize {
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
