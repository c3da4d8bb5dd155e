package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Cells of a name that are shown in the words for a plot, and as what comes up
// when a pointer rests on one that was cut.
const (
	labelCells = 40
	wholeCells = 2000
)

// A name is one as the page shows it, and the whole of it if that is more.
type name struct{ Shown, Whole string }

func newName(most int, s string) name {
	n := name{Shown: shown(s, most), Whole: shown(s, wholeCells)}
	if n.Shown == n.Whole {
		n.Whole = ""
	}
	return n
}

// size returns n bytes as a person reads them: "1.5 MiB".
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		f /= 1024
		if f < 1023.95 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.1f PiB", f/1024)
}

// percent returns a part of one as "62.5 %".
func percent(part float64) string {
	if math.IsNaN(part) || math.IsInf(part, 0) {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*part)
}

// ratio returns part of whole, and 0 where there is no whole.
func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// saved says what stored is beside whole: "62.5 % saved", "76 B more".
func saved(stored, whole int64) string {
	if stored > whole {
		return size(stored-whole) + " more"
	}
	return percent(1-ratio(stored, whole)) + " saved"
}

// distance returns a number of bits for an element, "–" where it is not known.
func distance(n float64) string {
	switch {
	case !(n >= 0) || math.IsInf(n, 0):
		return "–"
	case n > 0 && n < 0.005:
		return "<0.01"
	}
	return fmt.Sprintf("%.2f", n)
}

// took returns a time in seconds as a person reads it.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// count returns "1 file", "2 files".
func count[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// plain returns s with what has no look of its own, or changes that of its
// neighbours, spelt out: control characters, marks of direction, broken UTF-8.
// Names in a model are whatever its maker wrote.
func plain(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// shown returns a name as it is shown in at most so many cells: plain, and of
// what is longer the beginning and the end, for names of checkpoints differ at
// their ends. It takes no longer for a name of a gigabyte.
func shown(name string, most int) string {
	if name == "" {
		return "(no name)"
	}
	if part := utf8.UTFMax * most; len(name) > 2*part {
		// Either part fills all cells, so nobody sees where a letter was torn.
		name = name[:part] + "…" + name[len(name)-part:]
	}
	return cut(plain(name), most)
}

// cut returns s, or so much of its beginning and end, with an ellipsis between,
// as takes most cells.
func cut(s string, most int) string {
	r := []rune(s)
	if len(r) <= 4*most && cells(r...) <= most {
		return s
	}
	tail := len(r)
	for room := (most - 1) / 3; tail > 0 && len(r)-tail < most && cells(r[tail-1]) <= room; tail-- {
		room -= cells(r[tail-1])
	}
	head := 0
	for room := most - 1 - cells(r[tail:]...); head < tail && head < 2*most && cells(r[head]) <= room; head++ {
		room -= cells(r[head])
	}
	return string(r[:head]) + "…" + string(r[tail:])
}

// cells returns how many columns r is wide, about: what is beyond the scripts
// of narrow letters counts twice, marks above others not at all.
func cells(r ...rune) int {
	n := 0
	for _, c := range r {
		switch {
		case unicode.Is(unicode.Mn, c):
		case c >= 0x1100 && c != '…':
			n += 2
		default:
			n++
		}
	}
	return n
}
