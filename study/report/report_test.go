package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/zipnode/zipnode/study"
)

// made returns a report of a collection with n models in families of ten, named
// by name.
func made(n int, name func(string) string) *study.Report {
	r := &study.Report{
		Roots: []string{name("/models")}, Files: int64(3 * n), Bytes: int64(n) * 100 << 20, Models: n, Tensors: int64(n) * 290, Held: int64(n) * 99 << 20,
		DTypes:  []study.Share{{Name: "BF16", Count: 90, Bytes: int64(n) * 90 << 20}, {Name: "F32", Count: 3, Bytes: int64(n) * 9 << 20}},
		Formats: []study.Share{{Name: "safetensors", Count: int64(n), Bytes: int64(n) * 99 << 20}, {Name: "plain", Count: int64(2 * n), Bytes: int64(n) << 20}},
		Duplicates: []study.Duplicates{
			{By: "file", Count: 30, Unique: 29, Bytes: 3 << 20, Metadata: 29 * 64, Share: 1},
			{By: "chunk", Count: 30000, Unique: 25000, Bytes: 200 << 20, Metadata: 25000 * 64, Share: 0.25},
		},
		Ways: []study.Way{
			{Name: "file dedup", Stored: int64(n) * 97 << 20}, {Name: "zstd", Stored: int64(n) * 80 << 20, Error: 0.01},
			{Name: "zipnode", Stored: int64(n) * 40 << 20, Error: 0.005},
		},
		Fields:  []study.Field{{DType: "BF16", Leaves: 290, Changed: 0.7, Sign: 0.004, Exponent: 0.1, Mantissa: 1.7}},
		Sampled: 12 << 20, Seconds: 75, Hashing: 3.21,
	}
	for i := range n {
		if i%10 == 0 {
			r.Families = append(r.Families, study.Family{})
		}
		f := &r.Families[len(r.Families)-1]
		m := study.Member{Name: name(fmt.Sprintf("model-%d", i)), Bytes: 100 << 20, Under: len(f.Members) - 1, Depth: len(f.Members), Distance: float64(i%7) / 3}
		if i%3 == 1 {
			m.Claim = name("claimed-base")
		}
		if i%6 == 1 {
			m.Contradiction = name("its bits are nearer to another base")
		}
		f.Members, f.Bytes = append(f.Members, m), f.Bytes+m.Bytes
		if i < 40 {
			r.Matrix.Names = append(r.Matrix.Names, m.Name)
		}
		r.Layers = append(r.Layers, study.Layer{Name: name(fmt.Sprintf("layer.%d", i)), Tensors: 12, Changed: float64(i) / float64(n)})
	}
	for i := range r.Matrix.Names {
		row := make([]float64, len(r.Matrix.Names))
		for j := range row {
			if row[j] = float64(i^j) / 8; i+j == 5 {
				row[j] = -1
			}
		}
		r.Matrix.Bits = append(r.Matrix.Bits, row)
	}
	return r
}

func same(s string) string { return s }

// pageOf returns the page of r, once it is seen to be a sound one.
func pageOf(t *testing.T, r *study.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := HTML(&out, r); err != nil {
		t.Fatal(err)
	}
	checkMarkup(t, out.String())
	checkPlots(t, out.String())
	return out.String()
}

var (
	elements = map[string]bool{}
	voids    = map[string]bool{"meta": true}
)

func init() {
	for e := range strings.FieldsSeq(`html head meta title style body header main section footer div h1 h2 h3 p b span bdi i a ul li
		table thead tbody tr th td details summary svg g path text`) {
		elements[e] = true
	}
}

// checkMarkup checks that elements nest, that there are only those which the
// page has by itself, and that none fetches or runs anything.
func checkMarkup(t *testing.T, page string) {
	t.Helper()
	var open []string
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			if !errors.Is(z.Err(), io.EOF) {
				t.Fatal(z.Err())
			}
			break
		}
		tok := z.Token()
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			if !elements[tok.Data] {
				t.Fatalf("the page has an element %q, which is none of its own", tok.Data)
			}
			for _, a := range tok.Attr {
				inside := strings.HasPrefix(a.Val, "#")
				if a.Key == "src" || strings.HasPrefix(a.Key, "on") || strings.HasSuffix(a.Key, "href") && !inside || a.Key == "style" && strings.Contains(a.Val, "url(") {
					t.Errorf("<%s> has %s=%q", tok.Data, a.Key, a.Val)
				}
			}
			if kind == html.StartTagToken && !voids[tok.Data] {
				open = append(open, tok.Data)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != tok.Data {
				t.Fatalf("</%s> closes %q", tok.Data, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %q", open)
	}
	if strings.Contains(style, "@import") || strings.Contains(style, "url(") {
		t.Error("the style fetches something")
	}
}

var plots = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// checkPlots checks that each plot is sound XML, has words for who cannot see
// it, and all of its colours from the page.
func checkPlots(t *testing.T, page string) {
	t.Helper()
	for _, svg := range plots.FindAllString(page, -1) {
		dec := xml.NewDecoder(strings.NewReader(svg))
		for {
			tok, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %.200s", err, svg)
			}
			el, ok := tok.(xml.StartElement)
			if !ok {
				continue
			}
			attr := map[string]string{}
			for _, a := range el.Attr {
				attr[a.Name.Local] = a.Value
			}
			if el.Name.Local == "svg" && (attr["role"] != "img" || attr["aria-label"] == "") {
				t.Errorf("a plot has no words: %v", el)
			}
			if s := attr["style"]; strings.Contains(s, "#") || strings.Contains(s, "font-family") || strings.Contains(s, "NaN") {
				t.Errorf("%s has a style of its own: %s", el.Name.Local, s)
			}
			if strings.Contains(attr["d"], "NaN") || strings.Contains(attr["d"], "Inf") {
				t.Errorf("a path leads nowhere: %s", attr["d"])
			}
		}
	}
}

func TestFull(t *testing.T) {
	for _, n := range []int{1, 2, 13, 50} {
		page := pageOf(t, made(n, same))
		for _, want := range []string{"60.0 %", "best other way, <bdi>zstd", "± 0.8", "by chunk", "(from 25.0 % of them)", "0.10"} {
			if !strings.Contains(page, want) {
				t.Errorf("%d models: the page does not say %q", n, want)
			}
		}
		if got := strings.Contains(page, "Heat map"); got != (n > 1) {
			t.Errorf("%d models: a heat map: %t", n, got)
		}
		if got := strings.Count(page, "✗"); n == 50 && got != 9 {
			t.Errorf("%d contradictions are marked, want 9", got)
		}
		if strings.Contains(page, "Problems") {
			t.Error("problems, where there are none")
		}
	}
}

func TestHostile(t *testing.T) {
	marks := "</svg></style></title><script>alert(1)</script><img src=http://evil/x onerror=alert(1)>\" onload=\"x\x00\x1b[31m\r\n\u202egnp.\u2066\u200b\xff\xfe{{.Bytes}}" +
		`style="fill:#A5C000"`
	for name, of := range map[string]func(string) string{
		"marks":  func(s string) string { return marks + s },
		"long":   func(s string) string { return s + strings.Repeat("長い\u0301<b>", 20_000) },
		"right":  func(s string) string { return "דגם" + s },
		"empty":  func(string) string { return "" },
		"broken": func(string) string { return strings.Repeat("\xff", 100) },
	} {
		t.Run(name, func(t *testing.T) {
			r := made(50, of)
			r.DTypes[0].Name, r.Formats[0].Name, r.Ways[0].Name, r.Fields[0].DType, r.Duplicates[0].By = of("d"), of("f"), of("w"), of("d"), of("b")
			r.Partial, r.More = true, 7
			for range 100 {
				r.Problems = append(r.Problems, study.Problem{Path: of("p"), Reason: of("r")})
			}
			page := pageOf(t, r)
			if most := 4 << 20; len(page) > most {
				t.Errorf("the page has %d bytes, over %d", len(page), most)
			}
			for _, bad := range []string{"<script", "<img", "\x00", "\x1b", "\u202e", "\u2066", "\u200b", "\xff"} {
				if strings.Contains(page, bad) {
					t.Errorf("the page has %q", bad)
				}
			}
			if !strings.Contains(page, "And 7 more.") {
				t.Error("the page does not say that there are more problems")
			}
		})
	}
}

func TestOddFigures(t *testing.T) {
	r := made(13, same)
	nan, inf := math.NaN(), math.Inf(1)
	r.Fields = []study.Field{{DType: "F16", Changed: nan, Sign: nan, Exponent: inf, Mantissa: -1}}
	r.Layers[0].Changed, r.Layers[1].Changed, r.Layers[2].Changed = nan, inf, -inf
	r.Matrix.Bits[0], r.Matrix.Bits[1][0], r.Matrix.Bits[1][1] = nil, nan, inf
	r.Families[0].Members[3].Distance, r.Families[0].Members[4].Distance = nan, inf
	r.Families[0].Members[5].Under, r.Families[0].Members[6].Under = 99, 6
	r.Families = append(r.Families, study.Family{})
	r.Ways[0].Stored, r.Ways[1].Error, r.Held = -5, nan, 0
	pageOf(t, r)

	r.Matrix.Bits = r.Matrix.Bits[:1]
	r.Bytes = 0
	pageOf(t, r)
}

func TestEmpty(t *testing.T) {
	// What analyze says of an empty directory: every way stores it in no bytes.
	nothing := &study.Report{
		Roots: []string{"/nothing"}, Ways: []study.Way{{Name: "zstd"}, {Name: "zipnode"}},
		Duplicates: []study.Duplicates{{By: "file", Share: 1}},
	}
	page := pageOf(t, nothing)
	if !strings.Contains(page, "No files were found") || strings.Contains(page, "<svg") {
		t.Errorf("the page of nothing:\n%s", page)
	}
	page = pageOf(t, &study.Report{Files: 1, Bytes: 5, Formats: []study.Share{{Name: "plain", Count: 1, Bytes: 5}}})
	if !strings.Contains(page, "No tensors") || strings.Contains(page, "Families") {
		t.Errorf("the page of a text:\n%s", page)
	}
	little := &study.Report{Files: 1, Bytes: 6, Ways: []study.Way{{Name: "zstd", Stored: 6}, {Name: "zipnode", Stored: 82, Error: 0.1}}}
	if page = pageOf(t, little); !strings.Contains(page, "82 B · 76 B more<") || strings.Contains(page, "-1266") {
		t.Errorf("the page of what grows:\n%s", page)
	}
	page = pageOf(t, &study.Report{Partial: true, Problems: []study.Problem{{Path: "x", Reason: "permission denied"}}})
	if !strings.Contains(page, "permission denied") {
		t.Errorf("the page of what cannot be read:\n%s", page)
	}
}

// TestJoin is of a family whose nearest meet first: 0 is 1.0 from 1, which is
// 0.2 from 2; 3 is 0.5 from 0.
func TestJoin(t *testing.T) {
	roots := join([]study.Member{{Under: -1}, {Under: 0, Distance: 1}, {Under: 1, Distance: 0.2}, {Under: 0, Distance: 0.5}})
	if len(roots) != 1 {
		t.Fatalf("%d groups, want 1", len(roots))
	}
	if got := fmt.Sprint(roots[0].leaves(nil)); got != "[0 3 1 2]" {
		t.Errorf("leaves are %s, want [0 3 1 2]", got)
	}
	top := roots[0]
	if top.distance != 1 || top.left.distance != 0.5 || top.right.distance != 0.2 {
		t.Errorf("joined at %g, %g and %g, want 1, 0.5 and 0.2", top.distance, top.left.distance, top.right.distance)
	}
	if roots := join([]study.Member{{Under: -1}, {Under: -1}, {Under: 0}}); len(roots) != 2 {
		t.Errorf("%d groups of two without an edge, want 2", len(roots))
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		s    string
		most int
		want string
	}{
		{"", 5, ""},
		{"short", 5, "short"},
		{"checkpoint-100", 10, "checkp…100"},
		{"長長長長長長", 12, "長長長長長長"},
		{"長長長長長長長", 12, "長長長長…長"},
	} {
		if got := cut(tc.s, tc.most); got != tc.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tc.s, tc.most, got, tc.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for s, want := range map[string]string{
		"a b":           "a b",
		"\x1b[31m":      `\x1b[31m`,
		"a\u202eb":      `a\u202eb`,
		"\xffa\uFFFD":   `\xffa` + "\uFFFD",
		"モデル":           "モデル",
		"\n":            `\n`,
		"\U000e0041tag": `\U000e0041tag`,
	} {
		if got := plain(s); got != want {
			t.Errorf("plain(%q) = %q, want %q", s, got, want)
		}
	}
}
