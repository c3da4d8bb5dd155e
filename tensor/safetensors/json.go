package safetensors

import (
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/internal/window"
)

// maxDepth is how deep arrays and objects may nest; the header itself is 1.
const maxDepth = 128

// A scanner reads JSON as RFC 8259 has it and no more: strings are valid UTF-8
// with no bare control character and no lone surrogate, numbers have no leading
// zero or plus. It holds one string at a time.
//
// encoding/json is not used because identity hangs on what is accepted: it
// replaces invalid UTF-8 and lone surrogates, folds the case of keys, keeps the
// last of two equal keys, and may change.
type scanner struct {
	in    *window.Reader
	text  []byte // of the string read last
	depth int
}

func (s *scanner) bad(what string) error {
	return fmt.Errorf("%w: %s before byte %d", tensor.ErrNotFormat, what, s.in.Offset())
}

// space passes over white space and returns the byte behind it, unread.
func (s *scanner) space() (byte, error) {
	for {
		b, err := s.in.Peek()
		if err != nil || b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return b, err
		}
		s.in.Byte()
	}
}

// end passes over white space up to the end of the input.
func (s *scanner) end() error {
	for s.in.Left() > 0 {
		b, err := s.in.Byte()
		if err != nil {
			return err
		}
		if b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return s.bad("something behind the header")
		}
	}
	return nil
}

// expect passes over white space and the byte want.
func (s *scanner) expect(want byte) error {
	b, err := s.space()
	if err != nil {
		return err
	}
	if b != want {
		return s.bad(fmt.Sprintf("%q where %q belongs", b, want))
	}
	s.in.Byte()
	return nil
}

// more reads what follows an element of a list that closes with end: true for
// a comma, false for the close.
func (s *scanner) more(end byte) (bool, error) {
	b, err := s.space()
	if err != nil {
		return false, err
	}
	if b != ',' && b != end {
		return false, s.bad(fmt.Sprintf("%q in a list", b))
	}
	s.in.Byte()
	return b == ',', nil
}

// open reads the byte that opens a list, and returns whether it has elements;
// of an empty one it reads the close too.
func (s *scanner) open(open, end byte) (bool, error) {
	if err := s.expect(open); err != nil {
		return false, err
	}
	if s.depth++; s.depth > maxDepth {
		return false, s.bad("nesting too deep")
	}
	b, err := s.space()
	if err != nil || b != end {
		return true, err
	}
	s.in.Byte()
	s.depth--
	return false, nil
}

// object calls member for each member of an object, with its key decoded.
// member must read the value.
func (s *scanner) object(member func(key string) error) error {
	more, err := s.open('{', '}')
	for more && err == nil {
		if err = s.str(true); err != nil {
			return err
		}
		key := shared(s.text)
		if err = s.expect(':'); err != nil {
			return err
		}
		if err = member(key); err != nil {
			return err
		}
		if more, err = s.more('}'); !more {
			s.depth--
		}
	}
	return err
}

// shared returns text as a string, one for all of the keys that every entry has.
func shared(text []byte) string {
	for _, key := range [...]string{keyDType, keyShape, keyOffsets, keyMetadata} {
		if string(text) == key {
			return key
		}
	}
	return string(text)
}

// array calls element for each element of an array. element must read it.
func (s *scanner) array(element func() error) error {
	more, err := s.open('[', ']')
	for more && err == nil {
		if err = element(); err != nil {
			return err
		}
		if more, err = s.more(']'); !more {
			s.depth--
		}
	}
	return err
}

// skip reads any value. Keys of objects in it may repeat.
func (s *scanner) skip() error {
	b, err := s.space()
	if err != nil {
		return err
	}
	switch {
	case b == '"':
		return s.str(false)
	case b == '{':
		return s.skipObject()
	case b == '[':
		return s.array(s.skip)
	case b == 't':
		return s.literal("true")
	case b == 'f':
		return s.literal("false")
	case b == 'n':
		return s.literal("null")
	}
	_, _, err = s.number()
	return err
}

func (s *scanner) skipObject() error {
	more, err := s.open('{', '}')
	for more && err == nil {
		if err = s.str(false); err != nil {
			return err
		}
		if err = s.expect(':'); err != nil {
			return err
		}
		if err = s.skip(); err != nil {
			return err
		}
		if more, err = s.more('}'); !more {
			s.depth--
		}
	}
	return err
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		b, err := s.in.Byte()
		if err != nil {
			return err
		}
		if b != word[i] {
			return s.bad("a word JSON does not have")
		}
	}
	return nil
}

// number reads a number. It returns its value, and true if it is written as a
// plain decimal integer (no sign, fraction or exponent) below 2^64.
func (s *scanner) number() (v uint64, plain bool, err error) {
	if _, err := s.space(); err != nil {
		return 0, false, err
	}
	minus, err := s.accept('-', '-')
	if err != nil {
		return 0, false, err
	}
	v, plain, err = s.integer()
	if err != nil {
		return 0, false, err
	}
	dot, err := s.accept('.', '.')
	if err == nil && dot {
		err = s.digits()
	}
	if err != nil {
		return 0, false, err
	}
	exp, err := s.accept('e', 'E')
	if err == nil && exp {
		if _, err = s.accept('+', '-'); err == nil {
			err = s.digits()
		}
	}
	return v, plain && !minus && !dot && !exp, err
}

// integer reads digits with no leading zero, and returns false if their value
// does not fit 64 bits.
func (s *scanner) integer() (v uint64, fits bool, err error) {
	b, err := s.in.Byte()
	if err != nil {
		return 0, false, err
	}
	if b < '0' || b > '9' {
		return 0, false, s.bad(fmt.Sprintf("%q where a value belongs", b))
	}
	v, fits = uint64(b-'0'), true
	if b == '0' {
		return 0, true, nil
	}
	for {
		d, err := s.in.Peek()
		if err != nil {
			return 0, false, err
		}
		if d < '0' || d > '9' {
			return v, fits, nil
		}
		s.in.Byte()
		hi, lo := bits.Mul64(v, 10)
		sum, carry := bits.Add64(lo, uint64(d-'0'), 0)
		v, fits = sum, fits && hi == 0 && carry == 0
	}
}

// digits reads one digit or more.
func (s *scanner) digits() error {
	for n := 0; ; n++ {
		b, err := s.in.Peek()
		if err != nil {
			return err
		}
		if b < '0' || b > '9' {
			if n == 0 {
				return s.bad("a number without digits")
			}
			return nil
		}
		s.in.Byte()
	}
}

// accept reads the next byte if it is a or b, and returns whether it is. A
// number is never the last thing in a header, so the end is an error here.
func (s *scanner) accept(a, b byte) (bool, error) {
	c, err := s.in.Peek()
	if err != nil || c != a && c != b {
		return false, err
	}
	s.in.Byte()
	return true, nil
}

// str reads a string, and leaves it decoded in s.text if keep is true.
func (s *scanner) str(keep bool) error {
	s.text = s.text[:0]
	if err := s.expect('"'); err != nil {
		return err
	}
	for {
		c, err := s.char()
		if err != nil {
			return err
		}
		if c == endOfString {
			return nil
		}
		if keep {
			s.text = utf8.AppendRune(s.text, c)
		}
	}
}

const endOfString rune = -1

// char reads one character of a string, an escape decoded, or the quote that
// ends it.
func (s *scanner) char() (rune, error) {
	b, err := s.in.Byte()
	switch {
	case err != nil:
		return 0, err
	case b == '"':
		return endOfString, nil
	case b == '\\':
		return s.escape()
	case b < 0x20:
		return 0, s.bad("a control character in a string")
	case b < utf8.RuneSelf:
		return rune(b), nil
	}
	return s.multibyte(b)
}

// multibyte reads the rest of a character of UTF-8 that begins with b.
func (s *scanner) multibyte(b byte) (rune, error) {
	var p [utf8.UTFMax]byte
	p[0] = b
	n := 1
	for !utf8.FullRune(p[:n]) { // also full once it is invalid, at the latest with four bytes
		c, err := s.in.Byte()
		if err != nil {
			return 0, err
		}
		p[n] = c
		n++
	}
	c, width := utf8.DecodeRune(p[:n])
	if c == utf8.RuneError && width == 1 { // U+FFFD itself is three bytes wide
		return 0, s.bad("invalid UTF-8")
	}
	return c, nil
}

var escapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads what follows a backslash.
func (s *scanner) escape() (rune, error) {
	b, err := s.in.Byte()
	if err != nil {
		return 0, err
	}
	if b != 'u' {
		c, ok := escapes[b]
		if !ok {
			return 0, s.bad("an escape JSON does not have")
		}
		return c, nil
	}
	c, err := s.hex4()
	if err != nil || !utf16.IsSurrogate(c) {
		return c, err
	}
	if err := s.literal(`\u`); err != nil {
		return 0, err
	}
	low, err := s.hex4()
	if err != nil {
		return 0, err
	}
	if c = utf16.DecodeRune(c, low); c == utf8.RuneError {
		return 0, s.bad("a lone surrogate")
	}
	return c, nil
}

func (s *scanner) hex4() (rune, error) {
	var c rune
	for range 4 {
		b, err := s.in.Byte()
		if err != nil {
			return 0, err
		}
		switch {
		case '0' <= b && b <= '9':
			c = c<<4 | rune(b-'0')
		case 'a' <= b && b <= 'f':
			c = c<<4 | rune(b-'a'+10)
		case 'A' <= b && b <= 'F':
			c = c<<4 | rune(b-'A'+10)
		default:
			return 0, s.bad("an escape that is not hexadecimal")
		}
	}
	return c, nil
}
