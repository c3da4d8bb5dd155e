package tensortest

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Safetensors returns a safetensors file of that header and data.
func Safetensors(header string, data []byte) []byte {
	p := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(p, header...), data...)
}

// entry is a tensor's entry in a header.
func entry(name, dtype, shape string, begin, end int) string {
	return fmt.Sprintf(`"%s":{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, name, dtype, shape, begin, end)
}

// one is the header of a tensor of n bytes, with the rest of its entry as it is.
func one(n int, rest string) string {
	return fmt.Sprintf(`{"a":{"data_offsets":[0,%d]%s}}`, n, rest)
}

func safetensorsFiles() []File {
	var list []File
	add := func(format, what, header string, n int) {
		list = append(list, File{"safetensors/" + what, format, Safetensors(header, Pattern(n))})
	}
	good := func(what, header string, n int) { add("safetensors", what, header, n) }
	bad := func(what, header string, n int) { add("plain", what, header, n) }

	a, b := entry("a", "F32", "[2]", 0, 8), entry("b", "BF16", "[2,3]", 8, 20)
	good("two tensors", "{"+a+","+b+"}", 20)
	good("keys in another order", "{"+b+","+a+"}", 20)
	good("padded as writers do", `{"__metadata__":{"format":"pt"},`+a+"}      ", 8)
	good("all white space around", " \t\r\n{ "+a+"\n,\t"+b+" } \t\r\n", 20)
	good("no tensors", "{}", 0)
	good("only a hole", "{}", 5)
	good("holes and trailing bytes", "{"+entry("a", "F32", "[2]", 3, 11)+","+entry("b", "U8", "[4]", 15, 19)+"}", 30)
	good("a scalar", "{"+entry("a", "F64", "[]", 0, 8)+"}", 8)
	good("empty tensors everywhere", "{"+strings.Join([]string{entry("mid", "F32", "[0]", 2, 2), entry("end", "F32", "[0,9]", 8, 8),
		entry("a", "F32", "[2]", 0, 8), entry("start", "F32", "[0]", 0, 0), entry("start2", "F32", "[0]", 0, 0)}, ",")+"}", 8)
	good("an empty tensor in a hole", "{"+entry("e", "U8", "[0]", 4, 4)+","+entry("a", "U8", "[2]", 8, 10)+"}", 10)
	good("an empty name", "{"+entry("", "U8", "[4]", 0, 4)+"}", 4)
	good("escapes and characters", "{"+entry(`\u0061\n\"\ud83d\ude00 é`+"\ufffd", "U8", "[4]", 0, 4)+"}", 4)
	good("metadata of any shape", `{"__metadata__":[1,-2.5e+3,{"a":null,"a":true},false,"\u0000"],`+a+"}", 8)
	good("more than a leaf", "{"+entry("big", "BF16", "[1000,1300]", 0, 2_600_000)+","+entry("a", "U8", "[3]", 2_600_000, 2_600_003)+"}", 2_600_003)
	good("sub-byte types", "{"+entry("a", "F4", "[3,2]", 0, 3)+","+entry("b", "F6_E2M3", "[4]", 3, 6)+"}", 6)

	good("unknown dtype: opaque", "{"+entry("a", "F3_E1M1", "[2]", 0, 8)+"}", 8)
	good("ggml dtype: opaque", "{"+entry("a", "Q8_0", "[32]", 0, 34)+"}", 34)
	good("misaligned F4: opaque", "{"+entry("a", "F4", "[3]", 0, 2)+"}", 2)
	good("misaligned F6: opaque", "{"+entry("a", "F6_E3M2", "[3]", 0, 3)+"}", 3)
	good("shape and size disagree: opaque", "{"+entry("a", "F32", "[3]", 0, 8)+"}", 8)
	good("product overflows: opaque", "{"+entry("a", "U8", "[4294967296,4294967297]", 0, 8)+"}", 8)
	good("bits overflow: opaque", "{"+entry("a", "F64", "[2305843009213693953]", 0, 8)+"}", 8)
	good("dimension overflows: opaque", "{"+entry("a", "U8", "[18446744073709551624]", 0, 8)+"}", 8)
	good("no dtype, no shape: opaque", one(8, ""), 8)
	good("odd dtype and shape: opaque", one(8, `,"dtype":7,"shape":{"x":[]}`), 8)
	good("shape with a fraction: opaque", one(8, `,"dtype":"U8","shape":[8.0]`), 8)
	good("shape with a string: opaque", one(8, `,"dtype":"U8","shape":["8"]`), 8)
	good("65 dimensions: opaque", one(1, `,"dtype":"U8","shape":[1`+strings.Repeat(",1", 64)+`]`), 1)
	good("other keys in an entry", one(8, `,"dtype":"U8","shape":[8],"Shape":[9],"x":{"y":1,"y":2}`), 8)
	good("nesting of 128", `{"__metadata__":`+strings.Repeat("[", 127)+strings.Repeat("]", 127)+"}", 0)

	bad("overlap", "{"+a+","+entry("b", "U8", "[4]", 7, 11)+"}", 11)
	bad("same range twice", "{"+a+","+entry("b", "U8", "[8]", 0, 8)+"}", 8)
	bad("bytes missing", "{"+a+"}", 7)
	bad("begin behind end", "{"+entry("a", "U8", "[0]", 4, 3)+"}", 8)
	bad("empty tensor behind the end", "{"+entry("a", "U8", "[0]", 9, 9)+"}", 8)
	bad("offsets beyond 2^63", one(8, "")[:len(`{"a":{"data_offsets":[`)]+"9223372036854775808,9223372036854775808]}}", 8)
	bad("offsets beyond 2^64", `{"a":{"data_offsets":[0,18446744073709551624]}}`, 8)
	bad("negative offset", `{"a":{"data_offsets":[-0,8]}}`, 8)
	bad("offset with fraction", `{"a":{"data_offsets":[0,8.0]}}`, 8)
	bad("offset with exponent", `{"a":{"data_offsets":[0,8e0]}}`, 8)
	bad("offset with leading zero", `{"a":{"data_offsets":[0,08]}}`, 8)
	bad("one offset", `{"a":{"data_offsets":[8]}}`, 8)
	bad("three offsets", `{"a":{"data_offsets":[0,8,8]}}`, 8)
	bad("offsets no array", `{"a":{"data_offsets":"0,8"}}`, 8)
	bad("no offsets", `{"a":{"dtype":"U8","shape":[8]}}`, 8)
	bad("offsets in another case", `{"a":{"Data_Offsets":[0,8]}}`, 8)
	bad("entry no object", `{"a":[0,8]}`, 8)
	bad("header an array", "["+a[4:]+"]", 8)
	bad("name twice", "{"+a+","+a+"}", 8)
	bad("name twice, one escaped", "{"+a+","+entry(`\u0061`, "U8", "[1]", 8, 9)+"}", 9)
	bad("metadata twice", `{"__metadata__":{},"__metadata__":{},`+a+"}", 8)
	bad("offsets twice", one(8, `,"data_offsets":[0,8]`), 8)
	bad("dtype twice", one(8, `,"dtype":"U8","dtype":"U8"`), 8)
	bad("dtype twice, one escaped", one(8, `,"dtype":"U8","\u0064type":"U8"`), 8)
	bad("65 keys in an entry", one(8, manyKeys(64)), 8)
	bad("nesting of 129", `{"__metadata__":`+strings.Repeat("[", 128)+strings.Repeat("]", 128)+"}", 0)
	bad("not JSON", "not JSON", 8)
	bad("only white space", "        ", 8)
	bad("empty header", "", 8)
	bad("cut short", "{"+a, 8)
	bad("something behind", "{"+a+"} x", 8)
	bad("a NUL behind", "{"+a+"}\x00", 8)
	bad("byte order mark", "\ufeff{"+a+"}", 8)
	bad("trailing comma", "{"+a+",}", 8)
	bad("comment", "{"+a+"/**/}", 8)
	bad("number with plus", one(8, `,"x":+1`), 8)
	bad("bare point", one(8, `,"x":1.`), 8)
	bad("bare exponent", one(8, `,"x":1e`), 8)
	bad("NaN", one(8, `,"x":NaN`), 8)
	bad("no colon", `{"a" {}}`, 8)
	bad("not UTF-8 in a name", "{"+entry("\xff", "U8", "[8]", 0, 8)+"}", 8)
	bad("not UTF-8 in metadata", `{"__metadata__":{"a":"`+"\xc3\x28"+`"},`+a+"}", 8)
	bad("surrogate in UTF-8", "{"+entry("\xed\xa0\x80", "U8", "[8]", 0, 8)+"}", 8)
	bad("overlong UTF-8", "{"+entry("\xc0\xaf", "U8", "[8]", 0, 8)+"}", 8)
	bad("lone high surrogate", "{"+entry(`\ud83d`, "U8", "[8]", 0, 8)+"}", 8)
	bad("lone low surrogate", "{"+entry(`\ude00`, "U8", "[8]", 0, 8)+"}", 8)
	bad("two high surrogates", "{"+entry(`\ud83d\ud83d`, "U8", "[8]", 0, 8)+"}", 8)
	bad("bare newline in a name", "{"+entry("\n", "U8", "[8]", 0, 8)+"}", 8)
	bad("unknown escape", "{"+entry(`\x61`, "U8", "[8]", 0, 8)+"}", 8)

	full := Safetensors("{"+a+"}", Pattern(8))
	return append(list,
		File{"safetensors/header too large", "plain", append(binary.LittleEndian.AppendUint64(nil, 100_000_001), full[8:]...)},
		File{"safetensors/header beyond the end", "plain", append(binary.LittleEndian.AppendUint64(nil, uint64(len(full))), full[8:]...)},
		File{"safetensors/length all ones", "plain", append(binary.LittleEndian.AppendUint64(nil, ^uint64(0)), full[8:]...)},
		File{"safetensors/seven bytes", "plain", full[:7]},
		File{"safetensors/header cut by the end", "plain", full[:len(full)-9]},
	)
}

// manyKeys returns n members.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	return b.String()
}
