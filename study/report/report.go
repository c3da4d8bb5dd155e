// Package report writes the page of an analysis.
package report

import (
	"io"

	"github.com/zipnode/zipnode/study"
)

// HTML is to come.
func HTML(w io.Writer, r *study.Report) error { return nil }
