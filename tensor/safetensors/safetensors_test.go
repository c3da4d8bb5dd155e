package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/safetensors"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

// What each file is and breaks is said in tensortest; the cuts themselves are
// in layout/testdata/cuts.txt.
func TestRead(t *testing.T) {
	for _, f := range tensortest.Files() {
		l, err := safetensors.Read(bytes.NewReader(f.Data), int64(len(f.Data)))
		if f.Format != safetensors.Format {
			if !errors.Is(err, tensor.ErrNotFormat) {
				t.Errorf("Read(%s) = %v, %v, want ErrNotFormat", f.Name, tensortest.Cuts(l), err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Read(%s): %v", f.Name, err)
			continue
		}
		if err := l.Check(int64(len(f.Data))); err != nil {
			t.Errorf("Read(%s) = %s: %v", f.Name, tensortest.Cuts(l), err)
		}
		if _, opaque := strings.CutSuffix(f.Name, ": opaque"); opaque {
			for e := range l.Extents.All() {
				if e.Name == "a" && e.DType != tensor.Opaque {
					t.Errorf("Read(%s): dtype %s, want opaque", f.Name, e.DType)
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, file := range tensortest.Files() {
		if len(file.Data) < 1<<16 {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := safetensors.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if !errors.Is(err, tensor.ErrNotFormat) {
				t.Fatalf("Read(%d bytes) = %v, want ErrNotFormat: the source did not fail", len(data), err)
			}
			return
		}
		if err := l.Check(int64(len(data))); err != nil {
			t.Fatalf("%s: %v", tensortest.Cuts(l), err)
		}
		header := data[8 : 8+binary.LittleEndian.Uint64(data)]
		if !json.Valid(header) || !utf8.Valid(header) {
			t.Fatalf("%q was read, and is not JSON in UTF-8", header)
		}
	})
}

// The plain twin of the scanner, for what both decide: encoding/json accepts
// more (invalid UTF-8, lone surrogates, deeper nesting), never less.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-2.5e+3,0.0,-0,1E9],"b":{"":null}}`, `[true,false,null,"\ud83d\ude00"]`, `"\u0000"`, `01`, `-`, `1.`, `[1,]`, `{"a"}`, `"` + "\xff" + `"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) > 100 || bytes.Contains(value, []byte(`\u`)) || !utf8.Valid(value) {
			return
		}
		file := tensortest.Safetensors(`{"__metadata__":`+string(value)+`}`, nil)
		_, err := safetensors.Read(bytes.NewReader(file), int64(len(file)))
		if got, want := err == nil, json.Valid(file[8:]) && json.Valid(value); got != want && json.Valid(value) {
			t.Errorf("%q: read %v, valid %v: %v", value, got, want, err)
		}
	})
}

// BenchmarkRead reads the largest header there may be, mostly metadata and of
// tensors as many as fit.
func BenchmarkRead(b *testing.B) {
	many := []byte("{")
	for i := 0; len(many) < 90_000_000; i++ {
		many = fmt.Appendf(many, `"model.layers.%d.self_attn.q_proj.weight":{"dtype":"BF16","shape":[0,4096],"data_offsets":[0,0]},`, i)
	}
	many[len(many)-1] = '}'
	for name, header := range map[string]string{
		"metadata": `{"__metadata__":{"a":"` + strings.Repeat("metadata ", 10_000_000) + `"}}`,
		"tensors":  string(many),
	} {
		file := tensortest.Safetensors(header, nil)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := safetensors.Read(bytes.NewReader(file), int64(len(file))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
