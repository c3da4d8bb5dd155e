package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// print writes a command's outcome to stdout: result as one JSON object, the
// ids, or what human writes.
func (a *app) print(result any, ids []string, human func(w io.Writer)) error {
	w := bufio.NewWriter(a.stdout)
	switch {
	case a.json:
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		if err := e.Encode(result); err != nil {
			return err
		}
	case a.quiet:
		for _, id := range ids {
			fmt.Fprintln(w, id)
		}
	default:
		human(w)
	}
	return w.Flush()
}

// A table is rows of cells. The first row is the heading, unless it is nil.
type table struct {
	right string // "r" for each column that is flush right, " " for others
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) {
	var width []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(plain(cell)))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			cell = plain(cell)
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i < len(t.right) && t.right[i] == 'r' {
				cell = pad + cell
			} else {
				cell += pad
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(cell)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// plain returns s with nothing in it that a terminal would obey. Names in a
// model are whatever its maker wrote.
func plain(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			q := strconv.QuoteToGraphic(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}

// size returns n bytes as a person reads them: "1.5 MiB".
func size(n int64) string {
	if n < 1024 && n > -1024 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		f /= 1024
		if f < 1023.95 && f > -1023.95 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.1f PiB", f/1024)
}

// saved returns which part of whole part leaves unused, for a table: "62.5%". Only
// where nothing is used it is all.
func saved(part, whole int64) string {
	switch {
	case whole <= 0:
		return "-"
	case part > whole:
		return "none"
	}
	percent := 100 * (1 - float64(part)/float64(whole))
	if part > 0 {
		percent = min(percent, 99.9)
	}
	return fmt.Sprintf("%.1f%%", percent)
}

// compared says what part is beside the files of whole bytes that it stands
// for: "62.5% saved", "1.5 MiB more than the files", or nothing where headers
// are all the difference.
func compared(part, whole int64) string {
	switch {
	case whole > 0 && part <= whole:
		return saved(part, whole) + " saved"
	case part-whole >= 64<<10:
		return size(part-whole) + " more than the files"
	}
	return ""
}

// instead returns part, and what it is beside whole: "1.0 MiB, 62.5% saved".
func instead(part, whole int64) string {
	if says := compared(part, whole); says != "" {
		return size(part) + ", " + says
	}
	return size(part)
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
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
