package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// write prints the table and the projection, as Markdown.
func (r *results) write(w io.Writer) {
	if len(r.Outcomes) == 0 {
		return
	}
	fmt.Fprintf(w, "%s bytes of files.\n\n", commas(r.Outcomes[0].Bytes))
	fmt.Fprintln(w, "| way of storing | bytes stored | saved | ZipLLM found | MB/s | MB/s of CPU time | metadata, bytes | memory, MB |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---:|")
	for _, o := range r.Outcomes {
		m, _ := methodOf(o.Method)
		found := ""
		if p, ok := published[o.Method]; ok {
			found = fmt.Sprintf("%.1f %%", p)
		}
		fmt.Fprintf(w, "| %s | %s | %.1f %% | %s | %s | %s | %s | %s |\n", m.what, commas(o.Stored), 100*o.saved(), found,
			rate(o.Bytes, o.Wall), rate(o.Bytes, o.CPU), count(o.metadata()), count(o.Peak/1_000_000))
	}
	fmt.Fprintln(w)
	bad := r.disorder()
	for _, pair := range bad {
		fmt.Fprintf(w, "Not as ZipLLM found it: %s saves no less than %s.\n", pair[0], pair[1])
	}
	if len(bad) == 0 {
		fmt.Fprintln(w, "The order is the one that ZipLLM found.")
	}
	r.writeProjection(w)
}

func (r *results) writeProjection(w io.Writer) {
	chunk, ok := r.of("chunk")
	tensor, also := r.of("tensor")
	if !ok || !also {
		return
	}
	fmt.Fprintf(w, "\nMetadata to find duplicates on a hub of 17 PB, %d bytes a hash:\n\n", hashEntry)
	fmt.Fprintln(w, "| | pieces here | differ | mean bytes | hashes at 17 PB | metadata at 17 PB | ZipLLM's projection |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|")
	line := func(what string, o outcome, mean int64, p projection, found string) {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.3g | %s | %s |\n", what, commas(o.Pieces), commas(o.Unique), commas(mean), p.Unique, size(p.Bytes), found)
	}
	line("chunks, as here", chunk, chunk.Bytes/chunk.Pieces, project(chunk), size(publishedChunks))
	line("tensors, as here", tensor, tensor.Bytes/tensor.Pieces, project(tensor), "")
	line("tensors, of real size", tensor, realTensor, projectTensors(tensor), size(publishedTensors))
}

// rate returns MB a second.
func rate(n int64, d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", float64(n)/1e6/d.Seconds())
}

// size returns n bytes in the unit that suits it.
func size(n float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	for ; n >= 1000 && len(units) > 1; units = units[1:] {
		n /= 1000
	}
	return fmt.Sprintf("%.3g %s", n, units[0])
}

// count returns n with commas, and nothing for 0, which is not known.
func count(n int64) string {
	if n == 0 {
		return ""
	}
	return commas(n)
}

func commas(n int64) string {
	s := fmt.Sprint(n)
	var parts []string
	for len(s) > 3 {
		parts, s = append([]string{s[len(s)-3:]}, parts...), s[:len(s)-3]
	}
	return strings.Join(append([]string{s}, parts...), ",")
}
