// Package report writes the page of an analysis: one HTML file with plots, that
// opens offline, on light and dark ground, on a desk and on a phone.
//
// All names in a [study.Report] are hostile: they are whatever makers of models
// wrote. html/template escapes them in the page and the plotting library in
// plots; before that, control characters and marks of direction are spelt out,
// and what is long is cut. The page itself forbids scripts and anything fetched.
//
// Package report knows nothing of models: it plots the figures that it is given.
package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"

	"github.com/zipnode/zipnode/study"
)

var (
	//go:embed page.html
	pageText string

	//go:embed style.css
	style string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"size": size, "percent": percent, "ratio": ratio, "distance": distance, "took": took,
		"files":   func(n int64) string { return count(n, "file") },
		"tensors": func(n int64) string { return count(n, "tensor") },
		"models":  func(n int) string { return count(n, "model") },
		"inc":     func(i int) int { return i + 1 },
		"less":    func(part float64) float64 { return 1 - part },
		"name":    newName,
		"whole":   func(s string) string { return shown(s, wholeCells) },
	}).Parse(pageText))
)

// HTML writes the page of r to w, nothing if it cannot be made. Whatever r holds
// it stays below a few megabytes: of long lists it shows the beginning, and says
// how much is left out.
func HTML(w io.Writer, r *study.Report) error {
	p, err := newPage(r)
	if err != nil {
		return err
	}
	p.Style = template.CSS(style)
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return err
	}
	_, err = out.WriteTo(w)
	return err
}

// Is tells whether r begins as what [HTML] writes.
func Is(r io.Reader) bool {
	head := make([]byte, 512)
	n, _ := io.ReadFull(r, head)
	return bytes.HasPrefix(head[:n], []byte("<!DOCTYPE html>")) && bytes.Contains(head[:n], []byte("<title>Where the space goes</title>"))
}
