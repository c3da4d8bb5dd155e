package dag

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// CARHeader returns the header of a CARv1 file with one root.
func CARHeader(root cid.Cid) []byte {
	b := appendHead(nil, majorMap, 2)
	b = appendHead(appendText(b, "roots"), majorList, 1)
	b = appendLink(b, root)
	b = appendUint(appendText(b, "version"), 1)
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// CARSection returns what stands before the length bytes of block c in a CAR
// file.
func CARSection(c cid.Cid, length int) []byte {
	id := c.Bytes()
	return append(binary.AppendUvarint(nil, uint64(len(id)+length)), id...)
}

// maxCARHeader is the most bytes of a CAR file's header that is read.
const maxCARHeader = 1 << 16

// A CARReader reads a CARv1 file from its start: first its header, then its
// blocks, each checked against its CID.
type CARReader struct {
	r   *bufio.Reader
	off int64
}

// NewCARReader returns a reader of r.
func NewCARReader(r io.Reader) *CARReader { return &CARReader{r: bufio.NewReaderSize(r, 1<<20)} }

// Offset returns how many bytes were read.
func (c *CARReader) Offset() int64 { return c.off }

// ReadByte lets binary.ReadUvarint read through c.
func (c *CARReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.off++
	}
	return b, err
}

// frame reads a length and that many bytes. It returns io.EOF at a clean end.
func (c *CARReader) frame(least, most uint64) ([]byte, error) {
	if _, err := c.r.Peek(1); err != nil {
		return nil, err
	}
	start := c.off
	n, err := binary.ReadUvarint(c)
	if err != nil || c.off-start != int64(len(binary.AppendUvarint(nil, n))) {
		return nil, c.bad("a length that does not read")
	}
	if n < least || n > most {
		return nil, c.bad(fmt.Sprintf("a section of %d bytes", n))
	}
	buf := make([]byte, n)
	if _, err := io.ReadFull(c.r, buf); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, c.bad("it ends within a section")
		}
		return nil, err
	}
	c.off += int64(n)
	return buf, nil
}

func (c *CARReader) bad(reason string) error {
	return &CorruptError{From: fmt.Sprintf("a CAR file at byte %d", c.off), Reason: reason}
}

// Header reads the header and returns its roots.
func (c *CARReader) Header() ([]cid.Cid, error) {
	b, err := c.frame(1, maxCARHeader)
	if err == io.EOF {
		return nil, c.bad("it is empty")
	}
	if err != nil {
		return nil, err
	}
	r := &cborReader{b: b}
	if n := r.mapHead(2); n != 2 {
		r.fail("a header of %d keys", n)
	}
	r.key("roots")
	var roots []cid.Cid
	for range r.list(64) {
		roots = append(roots, r.link())
	}
	r.key("version")
	if v := r.uint(); v != 1 {
		r.fail("CAR version %d", v)
	}
	if err := r.end(); err != nil {
		return nil, c.bad("its header: " + err.Error())
	}
	return roots, nil
}

// Next returns the next block, or io.EOF at a clean end.
func (c *CARReader) Next() (blocks.Block, error) {
	b, err := c.frame(36, MaxBlock+36)
	if err != nil {
		return nil, err
	}
	n, id, err := cid.CidFromBytes(b)
	if err != nil {
		return nil, c.bad("a section without a CID")
	}
	if err := Check(id, b[n:]); err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(b[n:], id)
}
