// Package tensortest builds small model files, good and malformed, for the
// tests of every room that cuts files or carries them.
package tensortest

import (
	"fmt"
	"strings"

	"github.com/zipnode/zipnode/tensor"
)

// A File is a file to test with.
type File struct {
	Name   string // what it shows, behind the format it is or nearly is: "gguf/empty tensors"
	Format string // as its Layout has it; "plain" for the malformed ones
	Data   []byte
}

// Files returns one file of each kind that is cut, and of each that is nearly
// so and stays plain. It is the same list, in the same order, every time.
func Files() []File {
	list := []File{
		{"plain/empty", "plain", nil},
		{"plain/one byte", "plain", []byte{'{'}},
		{"plain/text", "plain", []byte("{\n  \"architectures\": [\"BertModel\"]\n}\n")},
		{"plain/zeros", "plain", make([]byte, 100)},
		{"plain/bare pickle", "plain", []byte("\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01u.")},
		{"plain/several leaves", "plain", Pattern(3<<20 + 17)},
	}
	list = append(list, safetensorsFiles()...)
	list = append(list, ggufFiles()...)
	return append(list, zipFiles()...)
}

// Pattern returns n bytes that repeat in no short period, the same every time.
func Pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// Cuts writes l on one line: "safetensors: 0+80 a:80+4:F32[1] 84+1". An extent
// is its name, offset, size, dtype and shape, each where there is one.
func Cuts(l tensor.Layout) string {
	var b strings.Builder
	b.WriteString(l.Format + ":")
	for e := range l.Extents.All() {
		b.WriteByte(' ')
		if e.Name != "" {
			fmt.Fprintf(&b, "%q:", e.Name)
		}
		fmt.Fprintf(&b, "%d+%d", e.Offset, e.Size)
		if e.DType != tensor.Opaque {
			fmt.Fprintf(&b, ":%s%d", e.DType, e.Shape)
		}
	}
	return b.String()
}
