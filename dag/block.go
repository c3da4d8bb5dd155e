package dag

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"github.com/zipnode/zipnode/dag/twin"
)

// MaxLeaf is the most bytes of a leaf.
const MaxLeaf = 1 << 20

// MaxBlock is the most bytes of any block: a leaf or chunk of 1 MiB and a
// header. Bitswap refuses 2 MiB.
const MaxBlock = MaxLeaf + 4096

// ErrNotFound is wrapped by the error of every source that does not have what
// it was asked for.
var ErrNotFound = errors.New("not found")

// A CorruptError says that bytes are not what their CID promises, or that a
// block breaks the rules of its kind. It is told apart from absence.
type CorruptError struct {
	CID    cid.Cid
	From   string // who gave the bytes: a peer, a pack; "" if unknown
	Reason string

	err error // ErrNewer, or nil
}

// ErrNewer is wrapped by the [*CorruptError] of a recipe or packing whose
// version is above those that this code reads: it may well be whole, and who
// gave it honest.
var ErrNewer = errors.New("of a newer version: update zipnode")

// Unwrap returns ErrNewer where that is the reason.
func (e *CorruptError) Unwrap() error { return e.err }

func (e *CorruptError) Error() string {
	if !e.CID.Defined() {
		return strings.TrimPrefix(e.From+": "+e.Reason, ": ")
	}
	if e.From != "" {
		return fmt.Sprintf("block %s from %s is corrupt: %s", e.CID, e.From, e.Reason)
	}
	return fmt.Sprintf("block %s is corrupt: %s", e.CID, e.Reason)
}

// A Getter fetches blocks. The store, a p2p session and a map in a test all are
// one.
type Getter interface {
	// Get returns the block named c, its bytes checked against c. It returns an
	// error wrapping ErrNotFound when this source does not have the block. It
	// may be called by many goroutines at once.
	Get(ctx context.Context, c cid.Cid) (blocks.Block, error)
}

// Raw returns the CID of data as a raw block: a leaf or a chunk.
func Raw(data []byte) cid.Cid { return sum(cid.Raw, data) }

// CBOR returns the CID of data as a dag-cbor block.
func CBOR(data []byte) cid.Cid { return sum(cid.DagCBOR, data) }

func sum(codec uint64, data []byte) cid.Cid { return named(codec, sha256.Sum256(data)) }

// named returns the CID of bytes that hash to sum.
func named(codec uint64, sum [32]byte) cid.Cid {
	h, err := mh.Encode(sum[:], mh.SHA2_256)
	if err != nil {
		panic(err) // sha2-256 is always known
	}
	return cid.NewCidV1(codec, h)
}

// Check returns a *CorruptError if data does not hash to c, or if c is not a
// CIDv1 with sha2-256, the only kind that zipnode makes or takes.
func Check(c cid.Cid, data []byte) error {
	if err := checkable(c, data); err != nil {
		return err
	}
	return is(c, sha256.Sum256(data))
}

// CheckTwo is Check of a and c, and of b and d, in little more than the time of
// one.
func CheckTwo(c cid.Cid, a []byte, d cid.Cid, b []byte) (errA, errB error) {
	errA, errB = checkable(c, a), checkable(d, b)
	if errA != nil || errB != nil {
		return Check(c, a), Check(d, b)
	}
	x, y := twin.Sum(a, b)
	return is(c, x), is(d, y)
}

// checkable returns an error if no such data can be that of c.
func checkable(c cid.Cid, data []byte) error {
	if err := Supported(c); err != nil {
		return err
	}
	if len(data) > MaxBlock {
		return &CorruptError{CID: c, Reason: fmt.Sprintf("%d bytes, more than the %d of a block", len(data), MaxBlock)}
	}
	return nil
}

// is returns an error unless c, which is supported, names bytes that hash to sum.
func is(c cid.Cid, sum [32]byte) error {
	if h := c.Hash(); !bytes.Equal(h[len(h)-len(sum):], sum[:]) {
		return &CorruptError{CID: c, Reason: "its bytes have another hash"}
	}
	return nil
}

// Supported returns a *CorruptError unless c is a CIDv1 of codec raw, dag-pb or
// dag-cbor with a 32-byte sha2-256.
func Supported(c cid.Cid) error {
	if !c.Defined() {
		return &CorruptError{CID: c, Reason: "undefined CID"}
	}
	p := c.Prefix()
	if p.Version != 1 || p.MhType != mh.SHA2_256 || p.MhLength != 32 {
		return &CorruptError{CID: c, Reason: "not a CIDv1 with sha2-256"}
	}
	switch p.Codec {
	case cid.Raw, cid.DagProtobuf, cid.DagCBOR:
		return nil
	}
	return &CorruptError{CID: c, Reason: fmt.Sprintf("codec 0x%x is not raw, dag-pb or dag-cbor", p.Codec)}
}
