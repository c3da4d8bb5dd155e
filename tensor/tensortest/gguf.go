package tensortest

import (
	"encoding/binary"
	"slices"
)

// A GGUF is a GGUF file to be built.
type GGUF struct {
	Version uint32 // 0 means 3
	Align   int    // of the data; 0 means 32. Writes no key
	Keys    []Key
	Tensors []Info
	Data    []byte
}

// A Key is one of GGUF's metadata, its value as it stands in the file.
type Key struct {
	Name  string
	Kind  uint32
	Value []byte
}

// An Info describes a tensor of a GGUF.
type Info struct {
	Name   string
	Shape  []uint64 // innermost first, as in the file
	Kind   uint32   // ggml's type
	Offset uint64   // in the data
}

// Bytes returns the file.
func (g GGUF) Bytes() []byte {
	if g.Version == 0 {
		g.Version = 3
	}
	p := binary.LittleEndian.AppendUint32([]byte("GGUF"), g.Version)
	p = g.count(p, uint64(len(g.Tensors)))
	p = g.count(p, uint64(len(g.Keys)))
	for _, k := range g.Keys {
		p = binary.LittleEndian.AppendUint32(g.text(p, k.Name), k.Kind)
		p = append(p, k.Value...)
	}
	for _, t := range g.Tensors {
		p = binary.LittleEndian.AppendUint32(g.text(p, t.Name), uint32(len(t.Shape)))
		for _, d := range t.Shape {
			p = g.count(p, d)
		}
		p = binary.LittleEndian.AppendUint32(p, t.Kind)
		p = binary.LittleEndian.AppendUint64(p, t.Offset)
	}
	if g.Align == 0 {
		g.Align = 32
	}
	for len(g.Data) > 0 && len(p)%g.Align != 0 {
		p = append(p, 0)
	}
	return append(p, g.Data...)
}

func (g GGUF) count(p []byte, n uint64) []byte {
	if g.Version == 1 {
		return binary.LittleEndian.AppendUint32(p, uint32(n))
	}
	return binary.LittleEndian.AppendUint64(p, n)
}

func (g GGUF) text(p []byte, s string) []byte {
	return append(g.count(p, uint64(len(s))), s...)
}

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// array is the value of an array, but for its elements.
func array(kind uint32, n uint64) []byte { return append(u32(kind), u64(n)...) }

// nested is the value of depth arrays in each other, the innermost empty.
func nested(depth int) []byte {
	p := array(4, 0)
	for range depth - 1 {
		p = append(array(9, 1), p...)
	}
	return p
}

// everyKind has a value of each type.
func everyKind() []Key {
	word := append(u64(5), "llama"...)
	keys := []Key{{"text", 8, word}, {"words", 9, slices.Concat(array(8, 2), word, word)}, {"lists", 9, nested(3)}, {"bytes", 9, append(array(0, 3), 1, 2, 3)}}
	for kind, width := range map[uint32]int{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8} {
		keys = append(keys, Key{"k", kind, make([]byte, width)})
	}
	slices.SortStableFunc(keys[4:], func(a, b Key) int { return int(a.Kind) - int(b.Kind) })
	return keys
}

func ggufFiles() []File {
	const f32, f16, q80, q4k = 0, 1, 8, 12
	var list []File
	add := func(format, what string, g GGUF) {
		list = append(list, File{"gguf/" + what, format, g.Bytes()})
	}
	good := func(what string, g GGUF) { add("gguf", what, g) }
	bad := func(what string, g GGUF) { add("plain", what, g) }
	align := func(v uint32) []Key { return []Key{{"general.alignment", 4, u32(v)}} }

	two := []Info{{"a", []uint64{3, 2}, f32, 0}, {"b", []uint64{32, 2}, q80, 32}}
	data := Pattern(100)
	good("two tensors", GGUF{Tensors: two, Data: data})
	good("version 2", GGUF{Version: 2, Tensors: two, Data: data})
	good("version 1", GGUF{Version: 1, Keys: []Key{{"n", 8, append(u32(2), "ab"...)}}, Tensors: two, Data: data})
	good("every kind of value", GGUF{Keys: everyKind(), Tensors: two, Data: data})
	good("no tensors", GGUF{Keys: everyKind()})
	good("no tensors, trailing bytes", GGUF{Data: data})
	good("alignment 64", GGUF{Keys: align(64), Align: 64, Tensors: []Info{{"a", []uint64{3}, f32, 0}, {"b", []uint64{4}, f16, 64}}, Data: data})
	good("alignment 24", GGUF{Keys: align(24), Align: 24, Tensors: two[:1], Data: data})
	good("alignment without a tensor to align", GGUF{Keys: align(1 << 31)})
	good("infos out of order", GGUF{Tensors: []Info{two[1], two[0]}, Data: data})
	good("first tensor behind the data's start", GGUF{Tensors: []Info{{"a", []uint64{4}, f32, 32}}, Data: data})
	good("equal starts: the last has the bytes", GGUF{Tensors: []Info{{"x", []uint64{0}, f32, 32}, {"a", []uint64{8}, f32, 0}, {"y", []uint64{1}, f32, 32}, {"z", []uint64{1}, f32, 32}}, Data: data})
	good("empty tensor at the end", GGUF{Tensors: []Info{{"a", []uint64{25}, f32, 0}, {"b", []uint64{0}, f32, 100}}, Data: data})
	good("scalar", GGUF{Tensors: []Info{{"a", nil, f32, 0}}, Data: data})
	good("name that is not UTF-8", GGUF{Tensors: []Info{{"\xff", []uint64{1}, f32, 0}}, Data: data})
	good("more than a leaf", GGUF{Tensors: []Info{{"a", []uint64{256, 9000}, q4k, 0}, {"b", []uint64{8}, f32, 1_296_000}}, Data: Pattern(1_296_032)})

	good("unknown type: opaque", GGUF{Tensors: []Info{{"a", []uint64{25}, 9999, 0}}, Data: data})
	good("withdrawn type: opaque", GGUF{Tensors: []Info{{"a", []uint64{32}, 4, 0}}, Data: data})
	good("row of half a block: opaque", GGUF{Tensors: []Info{{"a", []uint64{16, 2}, q80, 0}}, Data: data})
	good("shape beyond the extent: opaque", GGUF{Tensors: []Info{{"a", []uint64{9}, f32, 0}, {"b", []uint64{1}, f32, 32}}, Data: data})
	good("shape overflows: opaque", GGUF{Tensors: []Info{{"a", []uint64{1 << 32, 1 << 32, 1}, f32, 0}}, Data: data})
	good("cut short: opaque", GGUF{Tensors: []Info{{"a", []uint64{26}, f32, 0}}, Data: data})

	bad("start beyond the end", GGUF{Tensors: []Info{{"a", []uint64{0}, f32, 101}}, Data: data})
	bad("start overflows", GGUF{Tensors: []Info{{"a", []uint64{1}, f32, ^uint64(0) - 31}}, Data: data})
	bad("start beyond 2^63", GGUF{Tensors: []Info{{"a", []uint64{1}, f32, 1 << 63}}, Data: data})
	bad("data's start beyond the end", GGUF{Tensors: []Info{{"a", []uint64{0}, f32, 0}}})
	bad("alignment 0", GGUF{Keys: align(0), Tensors: two, Data: data})
	bad("alignment 12", GGUF{Keys: align(12), Tensors: two, Data: data})
	bad("alignment of another type", GGUF{Keys: []Key{{"general.alignment", 10, u64(32)}}, Tensors: two, Data: data})
	bad("alignment twice", GGUF{Keys: append(align(32), align(32)...), Tensors: two, Data: data})
	bad("version 4", GGUF{Version: 4, Tensors: two, Data: data})
	bad("big-endian", GGUF{Version: 3 << 24, Tensors: two, Data: data})
	bad("rank 9", GGUF{Tensors: []Info{{"a", []uint64{1, 1, 1, 1, 1, 1, 1, 1, 1}, f32, 0}}, Data: data})
	bad("value of type 13", GGUF{Keys: []Key{{"k", 13, u64(0)}}, Tensors: two, Data: data})
	bad("array of type 13", GGUF{Keys: []Key{{"k", 9, array(13, 1)}}, Tensors: two, Data: data})
	bad("arrays nested nine deep", GGUF{Keys: []Key{{"k", 9, nested(9)}}, Tensors: two, Data: data})
	good("arrays nested eight deep", GGUF{Keys: []Key{{"k", 9, nested(8)}}, Tensors: two, Data: data})
	bad("string of 2^60 bytes", GGUF{Keys: []Key{{"k", 8, u64(1 << 60)}}, Tensors: two, Data: data})
	bad("array of 2^60 bytes", GGUF{Keys: []Key{{"k", 9, array(0, 1<<60)}}, Tensors: two, Data: data})
	bad("array of 2^61 words: overflows", GGUF{Keys: []Key{{"k", 9, array(10, 1<<61)}}, Tensors: two, Data: data})
	bad("array of 2^60 strings", GGUF{Keys: []Key{{"k", 9, array(8, 1<<60)}}, Tensors: two, Data: data})
	bad("array of 2^60 arrays", GGUF{Keys: []Key{{"k", 9, array(9, 1<<60)}}, Tensors: two, Data: data})
	bad("key of 65,536 bytes", GGUF{Keys: []Key{{string(make([]byte, 1<<16)), 0, []byte{1}}}, Tensors: two, Data: data})
	good("key of 65,535 bytes", GGUF{Keys: []Key{{string(make([]byte, 1<<16-1)), 0, []byte{1}}}, Tensors: two, Data: data})

	whole := GGUF{Tensors: two}.Bytes()
	list = append(list,
		File{"gguf/magic in another case", "plain", append([]byte("gguf"), whole[4:]...)},
		File{"gguf/version 0", "plain", slices.Concat(whole[:4], u32(0), whole[8:])},
		File{"gguf/only the magic", "plain", whole[:4]},
		File{"gguf/cut in the counts", "plain", whole[:20]},
		File{"gguf/cut in a description", "plain", whole[:len(whole)-1]},
		File{"gguf/2^60 tensors", "plain", slices.Concat(whole[:8], u64(1<<60), whole[16:])},
		File{"gguf/2^60 keys", "plain", slices.Concat(whole[:16], u64(1<<60), whole[24:])},
	)
	return list
}
