package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/study"
	"github.com/zipnode/zipnode/study/report"
)

const analyzeHelp = `Tells what a collection of models on disk holds and where its space goes: formats
and dtypes, what is there more than once, which models are related by their bits
and where their cards say otherwise, and what each way of storing it comes to, from
deduplication of files to zipnode. Nothing is stored or changed.

Every byte is read and hashed once; what encoding would save is estimated from a
sample, with the error to expect. --exact encodes everything, and for zipnode
really adds the models to a store in a temporary directory. Hashes are kept
(--cache), so an interrupted run goes on, and the next reads only what is new.`

func (a *app) analyzeCmd() *cobra.Command {
	var o study.Options
	var html, in string
	cmd := &cobra.Command{
		Use:     "analyze DIR…",
		Short:   "Tell where a collection's space goes, and what would save it",
		Long:    analyzeHelp,
		Example: "  zipnode analyze ~/.cache/huggingface/hub --html report.html\n  zipnode analyze /models --exact --json",
		Args:    atLeast("a directory of models"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if o.Exact {
				o.Keep = func(ctx context.Context, models []string, bad func(string, error)) (int64, error) {
					return a.keepModels(ctx, in, models, bad)
				}
			}
			return a.analyze(ctx, args, html, &o)
		}),
	}
	cache := ""
	if dir, err := os.UserCacheDir(); err == nil {
		cache = filepath.Join(dir, "zipnode", "hashes")
	}
	cmd.Flags().BoolVar(&o.Exact, "exact", false, "encode everything, not a sample")
	cmd.Flags().StringVar(&html, "html", "", "write a report with plots to this `file`")
	cmd.Flags().StringVar(&o.Cache, "cache", cache, "`directory` of hashes; \"\" keeps none")
	cmd.Flags().StringVar(&in, "in", "", "with --exact, make the temporary `directory` in this one (default the system's)")
	return cmd
}

func (a *app) analyze(ctx context.Context, roots []string, html string, o *study.Options) error {
	if html != "" {
		if err := checkReport(html); err != nil { // now, not after hours
			return err
		}
	}
	if err := checkCache(o.Cache); err != nil {
		a.note("hashes are not kept, and the next run reads everything again: %s", oneLine(err.Error()))
	}
	show := a.reporter()
	o.Progress = func(stage string, done, total int64) {
		show.report(node.Progress{Stage: stage, Done: done, Total: total})
	}
	r, err := study.Analyze(ctx, roots, *o)
	show.done()
	if err != nil {
		return analyzeCode(err)
	}
	var lost error
	if html != "" {
		if lost = writeReport(html, r); lost != nil {
			html = ""
		}
	}
	if err := errors.Join(a.print(r, nil, func(w io.Writer) { printAnalysis(w, r, html) }), lost); err != nil {
		return err
	}
	if !r.Partial {
		return nil
	}
	n, is := len(r.Problems)+r.More, "is"
	if n > 1 {
		is = "are"
	}
	return node.WithCode(node.CodePartial, fmt.Errorf("%s could not be looked at, and %s not in the figures: %s: %s",
		count(n, "file"), is, r.Problems[0].Path, r.Problems[0].Reason))
}

// analyzeCode gives an error about a directory that was asked for its code.
func analyzeCode(err error) error {
	path, ok := errors.AsType[*fs.PathError](err)
	switch {
	case ok && errors.Is(err, fs.ErrNotExist):
		return node.WithCode(node.CodeNotFound, fmt.Errorf("there is no %s", path.Path))
	case errors.Is(err, fs.ErrPermission):
		return node.WithCode(node.CodeDenied, err)
	case errors.Is(err, study.ErrNoDirectory):
		return node.WithCode(node.CodeUsage, err)
	}
	return err
}

// keepModels adds models to a store of its own in a temporary directory in dir,
// and returns the bytes of its packs.
func (a *app) keepModels(ctx context.Context, dir string, models []string, bad func(string, error)) (stored int64, err error) {
	tmp, err := os.MkdirTemp(dir, "zipnode-analyze-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := a.init(tmp); err != nil {
		return 0, err
	}
	n, err := a.open(ctx, node.Config{Dir: tmp, Version: buildVersion()})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	show := a.reporter()
	defer show.done()
	for i, model := range models {
		path, err := filepath.Abs(model)
		if err != nil {
			return 0, err
		}
		args, err := json.Marshal(node.AddRequest{Path: path, Name: fmt.Sprintf("m%d", i)})
		if err != nil {
			return 0, err
		}
		if _, err := n.Call(ctx, "add", args, time.Minute, nil); err != nil {
			if ctx.Err() != nil || codeOf(err) == node.CodeDisk {
				return 0, err
			}
			bad(model, err)
		}
		show.report(node.Progress{Stage: "store", Done: int64(i + 1), Total: int64(len(models)), Unit: "models"})
	}
	res, err := n.Call(ctx, "status", nil, time.Minute, nil)
	if err != nil {
		return 0, err
	}
	return res.(node.StatusResult).Stored, nil
}

// checkCache returns an error if no file can be made in the directory of hashes.
func checkCache(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// checkReport returns an error unless a report can, and may, be written to path: it
// takes the place of an older one, and of nothing else.
func checkReport(path string) error {
	if err := checkTarget(path); err != nil {
		return err
	}
	tmp, err := newReport(path)
	if err != nil {
		return err
	}
	if err := errors.Join(tmp.Close(), os.Remove(tmp.Name())); err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return lookError(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || !report.Is(f) {
		return fmt.Errorf("%s is there already, and is no report of an analysis: give another name", path)
	}
	return nil
}

// newReport creates the file that is a report while it is not whole.
func newReport(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".report-*")
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s cannot be written: %w", path, bad.Err)
	}
	return f, err
}

// writeReport writes the HTML of r to the file at path, which has its name only
// when it is whole.
func writeReport(path string, r *study.Report) (err error) {
	f, err := newReport(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(report.HTML(f, r), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func printAnalysis(w io.Writer, r *study.Report, html string) {
	if r.Files == 0 {
		fmt.Fprintf(w, "%s: no files\n", strings.Join(r.Roots, ", "))
		return
	}
	fmt.Fprintf(w, "%s in %s of %s, %s of them tensors", size(r.Bytes), count(int(r.Files), "file"), count(r.Models, "model"), saved(r.Bytes-r.Held, r.Bytes))
	if len(r.DTypes) > 0 {
		fmt.Fprintf(w, " (%s)", shareList(r.DTypes, r.Held))
	}
	fmt.Fprint(w, "\n\n")
	t := table{right: " rr"}
	t.add("STORED AS", "BYTES", "SAVED", "")
	for _, x := range r.Ways {
		off := ""
		if x.Error > 0 {
			off = fmt.Sprintf("± %.1f%%", 100*x.Error*float64(x.Stored)/float64(r.Bytes))
		}
		t.add(x.Name, size(x.Stored), saved(x.Stored, r.Bytes), off)
	}
	t.write(w)
	fmt.Fprintln(w)
	for _, d := range r.Duplicates {
		fmt.Fprintf(w, "by %s: %s there again, %d of %d differ; an index takes %s\n", d.By, size(d.Bytes), d.Unique, d.Count, size(d.Metadata))
	}
	printKin(w, r)
	if !r.Exact {
		fmt.Fprintf(w, "\n%s were encoded for the estimates; --exact encodes all\n", size(r.Sampled))
	}
	fmt.Fprintf(w, "took %s, of which %s to read and hash\n", took(r.Seconds), took(r.Hashing))
	if html != "" {
		fmt.Fprintf(w, "report: %s\n", html)
	}
}

// shareList names the largest three of list.
func shareList(list []study.Share, whole int64) string {
	var out []string
	for _, s := range list[:min(3, len(list))] {
		out = append(out, fmt.Sprintf("%s %s", plain(s.Name), saved(whole-s.Bytes, whole)))
	}
	return strings.Join(out, ", ")
}

// printKin names the largest families, and what cards say that cannot be.
func printKin(w io.Writer, r *study.Report) {
	const most = 8
	shown, alone, wrong := 0, 0, 0
	for _, f := range r.Families {
		for _, m := range f.Members {
			if m.Contradiction != "" {
				wrong++
			}
		}
		switch {
		case len(f.Members) == 1:
			alone++
		case shown < most:
			shown++
			fmt.Fprintf(w, "family of %s: %s, %s\n", plain(f.Members[0].Name), count(len(f.Members), "model"), size(f.Bytes))
		}
	}
	if alone > 0 {
		fmt.Fprintf(w, "%s of no family\n", count(alone, "model"))
	}
	for _, f := range r.Families {
		for _, m := range f.Members {
			if m.Contradiction != "" && wrong <= most {
				fmt.Fprintf(w, "%s: %s\n", plain(m.Name), plain(m.Contradiction))
			}
		}
	}
	if wrong > most {
		fmt.Fprintf(w, "%d cards name a base that the bits speak against: --html and --json list them\n", wrong)
	}
}
