package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is everything that one run measured.
type report struct {
	Machine string     `json:"machine"`
	Methods []string   `json:"methods"`
	Rounds  int        `json:"rounds"`
	Files   []fileHash `json:"files"`
	Results []*result  `json:"results"`
	Outside float64    `json:"outside"` // CPU time of other threads, in that of the measured one
}

type fileHash struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Where zipnode, and the yardstick that it is compared with, stand in Methods.
const (
	ours = 0
	bitx = 1
)

func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "%s\none thread, CPU time, best of %d rounds in turn; MB = 1,000,000 bytes; every round trip compared\n\n", r.Machine, r.Rounds)
	r.writeFiles(w)
	r.writeCases(w)
	r.writeClasses(w)
	r.writeLosses(w)
	if r.Outside > 0.1 {
		fmt.Fprintf(w, "\nwarning: other threads took %.0f %% of the measured one's CPU time: a codec that starts any looks faster than it is\n", 100*r.Outside)
	}
}

func (r *report) writeFiles(w io.Writer) {
	if len(r.Files) == 0 {
		return
	}
	fmt.Fprintln(w, "sha256 of the files:")
	for _, f := range r.Files {
		fmt.Fprintf(w, "%s  %s\n", f.SHA256, f.Path)
	}
	fmt.Fprintln(w)
}

// writeCases prints a line for each case, and under it one for each method.
func (r *report) writeCases(w io.Writer) {
	fmt.Fprintf(w, "%40s %8s %18s   zipnode against BitX\n", "", "", "MB/s")
	fmt.Fprintf(w, "%-26s %13s %8s %9s %9s %9s %9s %9s\n", "case and method", "stored bytes", "ratio", "compress", "decomp.", "smaller", "compress", "decomp.")
	for _, x := range r.Results {
		fmt.Fprintf(w, "\n%-26s %13s bytes in %d tensors%s\n", x.Name, commas(x.Bytes), x.Tensors, x.remarks())
		for i, s := range x.Scores {
			fmt.Fprintf(w, "  %-24s %13s %8.3f %9.0f %9.0f", r.Methods[i], commas(s.Stored), ratio(x.Bytes, s.Stored), speed(x.Bytes, s.Compress), speed(x.Bytes, s.Decompress))
			if i == ours {
				b := x.Scores[bitx]
				fmt.Fprintf(w, " %8.3f× %8.2f× %8.2f×", ratio(b.Stored, s.Stored), times(b.Compress, s.Compress), times(b.Decompress, s.Decompress))
			}
			fmt.Fprintln(w)
		}
	}
}

func (x *result) remarks() string {
	var s string
	if x.Identical > 0 {
		s += fmt.Sprintf("; %d identical to the base, which cost nothing", x.Identical)
	}
	if x.Note != "" {
		s += "; " + x.Note
	}
	return s
}

// writeClasses prints what each method stores of each class.
func (r *report) writeClasses(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nstored bytes by tensor class")
	fmt.Fprintf(t, "tensors\tbytes\t%s\t  \tclass of case\t\n", strings.Join(r.Methods, "\t"))
	for _, x := range r.Results {
		for _, c := range classes {
			if k := x.Classes[c]; k != nil {
				fmt.Fprintf(t, "%d\t%s\t", k.Tensors, commas(k.Bytes))
				for _, n := range k.Stored {
					fmt.Fprintf(t, "%s\t", commas(n))
				}
				fmt.Fprintf(t, "  \t%s of %s\t\n", c, x.Name)
			}
		}
	}
	t.Flush()
}

// writeLosses names the cases, and classes of cases, where zipnode's is not the
// smallest.
func (r *report) writeLosses(w io.Writer) {
	all, lost := 0, []string(nil)
	look := func(name string, stored []int64) {
		all++
		for i, n := range stored {
			if i != ours && n <= stored[ours] {
				lost = append(lost, fmt.Sprintf("%s: %s %s, zipnode %s", name, r.Methods[i], commas(n), commas(stored[ours])))
			}
		}
	}
	for _, x := range r.Results {
		stored := make([]int64, len(x.Scores))
		for i, s := range x.Scores {
			stored[i] = s.Stored
		}
		look(x.Name, stored)
		for _, c := range classes {
			if k := x.Classes[c]; k != nil {
				look(string(c)+" of "+x.Name, k.Stored)
			}
		}
	}
	fmt.Fprintf(w, "\nzipnode is not the smallest in %d comparisons over %d cases and classes\n", len(lost), all)
	for _, s := range lost {
		fmt.Fprintln(w, "  "+s)
	}
}

// ratio returns a/b.
func ratio(a, b int64) float64 { return float64(a) / float64(b) }

// speed returns MB/s.
func speed(n int64, t time.Duration) float64 { return float64(n) / 1e6 / t.Seconds() }

// times returns how many times as fast ours is as theirs.
func times(theirs, ours time.Duration) float64 { return float64(theirs) / float64(ours) }

// commas writes n with a comma after each three digits.
func commas(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
