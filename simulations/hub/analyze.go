package main

import (
	"context"
	"fmt"

	"github.com/zipnode/zipnode/study"
)

// by stores models in a way of package study, which really encodes everything.
// pieces says what is found by its hash, if anything: see [study.Duplicates].
func by(way, pieces string) func(context.Context, []string, string) (outcome, error) {
	return func(ctx context.Context, models []string, _ string) (outcome, error) {
		r, err := study.Analyze(ctx, models, study.Options{Exact: true, Ways: []string{way}})
		if err != nil {
			return outcome{}, err
		}
		if r.Partial {
			return outcome{}, fmt.Errorf("%s: %s", r.Problems[0].Path, r.Problems[0].Reason)
		}
		out := outcome{Bytes: r.Bytes, Stored: r.Ways[0].Stored}
		for _, d := range r.Duplicates {
			if d.By == pieces {
				out.Pieces, out.Unique = d.Count, d.Unique
			}
		}
		return out, nil
	}
}
