package tensortest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// A Zip is a zip to be built.
type Zip struct {
	Records []Record
	Zip64   bool   // with zip64 end records, as PyTorch writes them always
	Comment string // at the end
}

// A Record is one of a zip's.
type Record struct {
	Name   string
	Data   []byte
	Method uint16 // Data is written as it is, whatever this says
	Flags  uint16
	Align  int    // of the data, by padding in the local header's extra field; 0 means none
	Size   uint64 // in the directory, if not 0 instead of Data's
	Offset uint64 // in the directory, if not 0 instead of where the header is
	Wide   bool   // with a zip64 extra field in the directory
	Extra  []byte // in the directory, behind that
}

// Bytes returns the file.
func (z Zip) Bytes() []byte {
	var p, dir []byte
	for _, r := range z.Records {
		at := uint64(len(p))
		p = append(r.local(p), r.Data...)
		dir = r.entry(dir, at)
	}
	at := len(p)
	p = append(p, dir...)
	if z.Zip64 {
		p = z.end64(p, at)
	}
	p = append(p, "PK\x05\x06\x00\x00\x00\x00"...)
	p = le16(p, uint16(len(z.Records)), uint16(len(z.Records)))
	p = le32(p, uint32(len(dir)), uint32(at))
	return append(le16(p, uint16(len(z.Comment))), z.Comment...)
}

func (z Zip) end64(p []byte, at int) []byte {
	end := uint64(len(p))
	p = append(p, "PK\x06\x06"...)
	p = le64(p, 44)
	p = le16(p, 0x31e, 0x2d)
	p = le32(p, 0, 0)
	p = le64(p, uint64(len(z.Records)), uint64(len(z.Records)), end-uint64(at), uint64(at))
	p = append(p, "PK\x06\x07\x00\x00\x00\x00"...)
	return le32(le64(p, end), 1)
}

func (r Record) local(p []byte) []byte {
	pad := 0
	if r.Align > 0 { // at least the four bytes of the extra field's own header
		pad = 4 + (r.Align-(len(p)+30+len(r.Name)+4)%r.Align)%r.Align
	}
	p = append(p, "PK\x03\x04\x14\x00"...)
	p = le16(p, r.Flags, r.Method, 0, 0)
	p = le32(p, crc32.ChecksumIEEE(r.Data), uint32(len(r.Data)), uint32(len(r.Data)))
	p = append(le16(p, uint16(len(r.Name)), uint16(pad)), r.Name...)
	if pad > 0 {
		p = append(le16(append(p, "FB"...), uint16(pad-4)), bytes.Repeat([]byte("Z"), pad-4)...)
	}
	return p
}

func (r Record) entry(p []byte, at uint64) []byte {
	size := uint64(len(r.Data))
	if r.Size != 0 {
		size = r.Size
	}
	if r.Offset != 0 {
		at = r.Offset
	}
	size32, at32, extra := uint32(size), uint32(at), r.Extra
	if r.Wide {
		extra = append(le64(le16(nil, 1, 24), size, size, at), extra...)
		size32, at32 = 1<<32-1, 1<<32-1
	}
	p = append(p, "PK\x01\x02\x14\x00\x14\x00"...)
	p = le16(p, r.Flags, r.Method, 0, 0)
	p = le32(p, crc32.ChecksumIEEE(r.Data), size32, size32)
	p = le16(p, uint16(len(r.Name)), uint16(len(extra)), 0, 0, 0)
	p = le32(p, 0, at32)
	return append(append(p, r.Name...), extra...)
}

func le16(p []byte, vs ...uint16) []byte {
	for _, v := range vs {
		p = binary.LittleEndian.AppendUint16(p, v)
	}
	return p
}

func le32(p []byte, vs ...uint32) []byte {
	for _, v := range vs {
		p = binary.LittleEndian.AppendUint32(p, v)
	}
	return p
}

func le64(p []byte, vs ...uint64) []byte {
	for _, v := range vs {
		p = binary.LittleEndian.AppendUint64(p, v)
	}
	return p
}

func zipFiles() []File {
	var list []File
	add := func(format, what string, data []byte) {
		list = append(list, File{"torchzip/" + what, format, data})
	}
	good := func(what string, z Zip) { add("torchzip", what, z.Bytes()) }
	bad := func(what string, z Zip) { add("plain", what, z.Bytes()) }
	rec := func(name string, n int) Record { return Record{Name: "archive/" + name, Data: Pattern(n), Align: 64} }
	// torch is a PyTorch zip with the records of more behind its own.
	torch := func(more ...Record) Zip {
		return Zip{Zip64: true, Records: append([]Record{rec("data.pkl", 30), rec("data/0", 128), rec("data/1", 4), rec("version", 2)}, more...)}
	}
	plain32 := torch()
	plain32.Zip64 = false
	comment := torch()
	comment.Comment = "hello"

	good("as PyTorch writes it", torch())
	good("without zip64 records", plain32)
	good("entry with zip64 extra", torch(Record{Name: "archive/data/2", Data: Pattern(9), Wide: true, Extra: []byte{1}}))
	good("zip64 extra behind another", torch(Record{Name: "archive/data/2", Data: Pattern(9), Extra: []byte("FB\x02\x00ZZ")}))
	good("compressed record: not cut", torch(Record{Name: "archive/code/a.py", Data: Pattern(50), Method: 8}))
	good("encrypted record: not cut", torch(Record{Name: "archive/data/2", Data: Pattern(50), Flags: 1}))
	good("empty record: not cut", torch(rec("data/2", 0)))
	good("only a pickle", Zip{Records: []Record{rec("data.pkl", 30)}})
	good("compressed pickle only", Zip{Records: []Record{{Name: "archive/data.pkl", Data: Pattern(30), Method: 8}}})
	good("name that is not UTF-8", torch(rec("data/\xff", 8)))
	good("same name twice", torch(rec("data/1", 4)))
	good("more than a leaf", torch(rec("data/2", 2<<20), rec("data/3", 5)))

	bad("no pickle: some other zip", Zip{Records: []Record{rec("a.txt", 30)}})
	bad("pickle in no directory", Zip{Records: []Record{{Name: "data.pkl", Data: Pattern(30)}}})
	bad("pickle two directories down", Zip{Records: []Record{rec("x/data.pkl", 30)}})
	bad("pickle in a directory without a name", Zip{Records: []Record{{Name: "/data.pkl", Data: Pattern(30)}}})
	bad("no records", Zip{})
	bad("comment at the end", comment)
	bad("record beyond the directory", torch(Record{Name: "archive/data/2", Data: Pattern(4), Size: 400}))
	bad("record of 2^63 bytes", torch(Record{Name: "archive/data/2", Data: Pattern(4), Size: 1 << 63, Wide: true}))
	bad("header beyond the directory", torch(Record{Name: "archive/data/2", Data: Pattern(4), Offset: 1 << 20}))
	bad("header at 2^63", torch(Record{Name: "archive/data/2", Data: Pattern(4), Offset: 1 << 63, Wide: true}))
	bad("no local header there", torch(Record{Name: "archive/data/2", Data: Pattern(4), Offset: 3}))
	bad("records overlap", torch(rec("data/2", 8), Record{Name: "archive/data/3", Data: Pattern(4), Size: 1}.over(torch())))
	bad("sizes that need zip64", torch(Record{Name: "archive/data/2", Data: Pattern(4), Size: 1<<32 - 1}))
	bad("zip64 extra too short", torch(Record{Name: "archive/data/2", Data: Pattern(4), Size: 1<<32 - 1, Extra: []byte("\x01\x00\x04\x00abcd")}))
	bad("extra field cut short", torch(Record{Name: "archive/data/2", Data: Pattern(4), Size: 1<<32 - 1, Extra: []byte("FB\x09\x00abcd")}))

	whole, whole32 := torch().Bytes(), plain32.Bytes()
	end := len(whole) - 22
	patch := func(p []byte, at int, with ...byte) []byte {
		p = slices.Clone(p)
		copy(p[at:], with)
		return p
	}
	add("torchzip", "end record all ones", patch(whole, end+8, bytes.Repeat([]byte{0xff}, 12)...))
	add("plain", "cut short", whole[:len(whole)-1])
	add("plain", "bytes behind the end", append(slices.Clone(whole), 0))
	add("plain", "bytes before the start", append([]byte("#!x\n"), whole...))
	add("plain", "end record alone", whole[end:])
	add("plain", "end records disagree", patch(whole, end+8, 3, 0, 3, 0))
	add("plain", "two disks", patch(whole32, len(whole32)-22+4, 1))
	add("plain", "fewer entries here than in all", patch(whole32, len(whole32)-22+8, 3))
	add("plain", "too few entries", patch(whole32, len(whole32)-22+8, 3, 0, 3, 0))
	add("plain", "too many entries", patch(whole32, len(whole32)-22+8, 9, 0, 9, 0))
	add("plain", "directory begins late", patch(whole32, len(whole32)-22+16, 0xff, 0xff))
	add("plain", "zip64 locator points wrong", patch(whole, end-20+8, 1))
	add("plain", "zip64 locator points beyond", patch(whole, end-20+8, bytes.Repeat([]byte{0xff}, 8)...))
	add("plain", "zip64 record of another length", patch(whole, end-20-56+4, 45))
	add("plain", "2^60 entries", patch(patch(whole, end-20-56+24, append(u64(1<<60), u64(1<<60)...)...), end+8, 0xff, 0xff, 0xff, 0xff))
	return list
}

// over points r at the second record of z.
func (r Record) over(z Zip) Record {
	var p []byte
	for _, other := range z.Records[:1] {
		p = append(other.local(p), other.Data...)
	}
	r.Offset = uint64(len(p))
	return r
}
