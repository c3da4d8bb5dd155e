package codec

import (
	"github.com/klauspost/compress/zstd"
)

// newZstdEncoder returns an encoder that starts no goroutine and holds no more
// than one leaf.
func newZstdEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(level),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), // a leaf is checked by its CID
		zstd.WithWindowSize(MaxLeaf),
		zstd.WithSingleSegment(true),
		zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constant
	}
	return e
}

func newZstdDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(MaxLeaf),
		zstd.WithDecoderMaxMemory(MaxLeaf))
	if err != nil {
		panic(err) // the options are constant
	}
	return d
}

// unzstd fills dst from src, which must be exactly one zstd frame that states
// its size.
func (s *scratch) unzstd(dst, src []byte) error {
	if err := checkZstd(src, len(dst)); err != nil {
		return err
	}
	if s.unz == nil {
		s.unz = newZstdDecoder()
	}
	out, err := s.unz.DecodeAll(src, dst[:0:len(dst)])
	if err != nil {
		return corrupt("zstd: %v", err)
	}
	if len(out) != len(dst) {
		return corrupt("zstd: %d bytes, want %d", len(out), len(dst))
	}
	if len(out) > 0 && &out[0] != &dst[0] {
		copy(dst, out)
	}
	return nil
}

// checkZstd walks over src's block headers: one frame of size bytes when
// decoded, no dictionary, and nothing after it. The decoder alone would take any
// number of frames, also empty ones.
func checkZstd(src []byte, size int) error {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return corrupt("zstd: %v", err)
	}
	if h.Skippable || h.DictionaryID != 0 || h.HasCheckSum || !h.HasFCS || h.FrameContentSize != uint64(size) {
		return corrupt("zstd: not a frame of %d bytes", size)
	}
	for p := h.HeaderSize; p >= 0 && len(src)-p >= 3; {
		b := uint32(src[p]) | uint32(src[p+1])<<8 | uint32(src[p+2])<<16
		p += 3
		if b>>1&3 == 1 { // RLE: one byte, however long
			p++
		} else {
			p += int(b >> 3)
		}
		if b&1 == 1 {
			if p != len(src) {
				return corrupt("zstd: %d bytes after the frame", len(src)-p)
			}
			return nil
		}
	}
	return corrupt("zstd: cut short")
}
