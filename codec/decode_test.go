package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/zipnode/zipnode/tensor"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDecodeBad has 16 bytes of BF16 at offset 1, so an edge of one byte before
// seven elements, and one after; base 0 covers it, base 1 is F32, base 2 covers
// nothing.
func TestDecodeBad(t *testing.T) {
	c := Context{DType: tensor.BF16, Offset: 1, Bases: []Base{
		{tensor.BF16, []Span{{0, make([]byte, 16)}}},
		{tensor.U32, []Span{{0, make([]byte, 16)}}},
		{DType: tensor.BF16},
	}}
	good := []string{
		"01 01 00",
		"01 01 02", // zeros, where nothing is covered
		"01 02 41",
		"01 02 4142434445464748",
		"01 05 00 04 aabb 01 7f 01 80",
		"01 04 00 01 7f",
		"01 06 0f 02 02 00 01 02 00 cc",
	}
	for _, h := range good {
		if out, err := Decode(nil, unhex(t, h), 16, c); err != nil || len(out) != 16 {
			t.Errorf("Decode(%s) = %d bytes, %v", h, len(out), err)
		}
	}
	for _, tc := range []struct {
		name, chunk string
		want        error
	}{
		{"nothing", "", ErrCorrupt},
		{"no method", "01", ErrCorrupt},
		{"a later version", "02 01 00", ErrUnknown},
		{"no version", "00 01 00", ErrUnknown},
		{"a later method", "01 0b 00", ErrUnknown},
		{"as long as the leaf", "01 02 4142434445464748 000000000000", ErrCorrupt},
		{"raw at the top", "01 00", ErrCorrupt},
		{"same, no base", "01 01", ErrCorrupt},
		{"same, base that isn't", "01 01 03", ErrCorrupt},
		{"same, base of another width", "01 01 01", ErrCorrupt},
		{"same, and more", "01 01 00 00", ErrCorrupt},
		{"fill with nothing", "01 02", ErrCorrupt},
		{"fill with three bytes", "01 02 010203", ErrCorrupt},
		{"zstd that isn't", "01 03 010203", ErrCorrupt},
		{"zstd, another size", "01 03 28b52ffd 20 0f 7b 00 00 00", ErrCorrupt},
		{"zstd, nothing in it", "01 03 28b52ffd 20 10", ErrCorrupt},
		{"no layout", "01 04", ErrCorrupt},
		{"a later layout", "01 04 07", ErrUnknown},
		{"edges cut short", "01 04 04 aa", ErrCorrupt},
		{"no planes", "01 04 04 aabb", ErrCorrupt},
		{"one plane of two", "01 04 04 aabb 01 7f", ErrCorrupt},
		{"three planes of two", "01 04 04 aabb 01 7f 01 7f 01 7f", ErrCorrupt},
		{"a fill plane of nothing", "01 04 00 01", ErrCorrupt},
		{"a raw plane cut short", "01 04 04 aabb 00 010203", ErrCorrupt},
		{"a later plane coding", "01 04 00 08 02 0000", ErrUnknown},
		{"bits, no mask", "01 04 00 06", ErrCorrupt},
		{"bits, none that is raw", "01 04 00 06 ff 01 07", ErrCorrupt},
		{"bits, raw ones cut short", "01 04 00 06 7f 00", ErrCorrupt},
		{"bits, no plane", "01 04 00 06 7f 0000", ErrCorrupt},
		{"bits, in bits", "01 04 00 06 7f 0000 06 7f 0000 01 00", ErrCorrupt},
		{"bits, after the last", "01 04 04 aabb 06 7f 0002 01 00 01 00", ErrCorrupt},
		{"bits, a plane of a later coding", "01 04 00 06 7f 0000 08 00", ErrUnknown},
		{"a plane longer than the frame", "01 04 00 03 7f 00", ErrCorrupt},
		{"a plane with a long length", "01 04 00 03 8000 00", ErrCorrupt},
		{"rANS, nothing", "01 04 00 03 00", ErrCorrupt},
		{"rANS, a table of 13 bits", "01 04 00 03 01 0d", ErrCorrupt},
		{"rANS, a table of 4 bits", "01 04 00 03 01 04", ErrCorrupt},
		{"rANS, a table without end", "01 04 00 03 02 0500", ErrCorrupt},
		{"segments, none", "01 06", ErrCorrupt},
		{"segments, too few", "01 06 04 02 0200", ErrCorrupt},
		{"segments, too many bytes", "01 06 11 02 0200", ErrCorrupt},
		{"segments, an empty one", "01 06 00 02 0200 10 02 0200", ErrCorrupt},
		{"segments, one too many", "01 06 10 02 0200 01 02 0200", ErrCorrupt},
		{"segments in segments", "01 06 10 05 06 10 02 0200", ErrCorrupt},
		{"segments, an empty frame", "01 06 10 00", ErrCorrupt},
		{"segments, raw too short", "01 06 0f 02 0200 01 01 00", ErrCorrupt},
		{"segments, a later method", "01 06 10 02 0b00", ErrUnknown},
	} {
		out, err := Decode([]byte("dst"), unhex(t, tc.chunk), 16, c)
		if !errors.Is(err, tc.want) || string(out) != "dst" {
			t.Errorf("%s: Decode(%s) = %q, %v, want %v", tc.name, tc.chunk, out, err, tc.want)
		}
		if errors.Is(err, ErrUnknown) && !strings.Contains(err.Error(), "update zipnode") {
			t.Errorf("%s: %v does not say what to do", tc.name, err)
		}
	}
}

// TestDecodeZstdTrailing guards against what the zstd decoder takes by itself.
func TestDecodeZstdTrailing(t *testing.T) {
	leaf := []byte(strings.Repeat("zipnode ", 20) + "0123456789abcdefghijklmnopqrstuvwxyz")
	e := newZstdEncoder(zstd.SpeedDefault)
	frame := e.EncodeAll(leaf, []byte{version, methodZstd})
	if _, err := Decode(nil, frame, len(leaf), Context{}); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string][]byte{
		"an empty frame":  e.EncodeAll([]byte{}, nil),
		"a skipped frame": {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0},
		"a zero":          {0},
		"half a leaf":     e.EncodeAll(leaf[:80], nil),
	} {
		if _, err := Decode(nil, slices.Concat(frame, more), len(leaf), Context{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s after the zstd frame: %v, want ErrCorrupt", name, err)
		}
		if _, err := Decode(nil, slices.Concat(frame[:2], more, frame[2:]), len(leaf), Context{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s before the zstd frame: %v, want ErrCorrupt", name, err)
		}
	}
}

// TestDecodeMemory decodes chunks that promise much.
func TestDecodeMemory(t *testing.T) {
	chunks := [][]byte{
		{1, 3, 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}, // zstd, 2^40 bytes
		{1, 3, 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 1, 0, 0},                   // a window of terabytes
		{1, 4, 0, 2, 10, 0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0xff, 0},
	}
	dst := make([]byte, 0, MaxLeaf)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		for _, chunk := range chunks {
			if _, err := Decode(dst, chunk, MaxLeaf, Context{}); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("Decode(%x): %v, want ErrCorrupt", chunk, err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	most := uint64(16 << 20)
	if raceDetector { // pooled decoders are made again and again: half a MiB each
		most = 512 << 20
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > most {
		t.Errorf("300 bad chunks allocated %d bytes", got)
	}
}

// TestDecodeTruncated cuts every kind of chunk at every byte. What is left must
// not decode to the leaf; what the adaptive coder wrote may decode to another.
func TestDecodeTruncated(t *testing.T) {
	for _, v := range vectors() {
		for n := range v.chunk {
			out, err := Decode(nil, v.chunk[:n], len(v.leaf), v.c)
			switch {
			case err == nil && bytes.Equal(out, v.leaf):
				t.Errorf("%s: first %d of %d bytes decode to the leaf", v.name, n, len(v.chunk))
			case err == nil && v.chunk[1] != methodFill && v.chunk[1] != methodShort && v.chunk[1] != methodSparse:
				t.Errorf("%s: first %d of %d bytes decode", v.name, n, len(v.chunk))
			case err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown):
				t.Errorf("%s: first %d of %d bytes: %v", v.name, n, len(v.chunk), err)
			}
		}
		if _, err := Decode(nil, append(bytes.Clone(v.chunk), 0), len(v.leaf), v.c); err == nil && v.chunk[1] != methodFill && v.chunk[1] != methodShort && v.chunk[1] != methodSparse {
			t.Errorf("%s: one byte more decodes", v.name)
		}
	}
}
