package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/zipnode/zipnode/study"
)

// A method is one way of storing models.
type method struct {
	name string
	what string
	// run stores models, directories, and returns what they come to. It may
	// write under scratch, and leaves nothing there.
	run func(ctx context.Context, models []string, scratch string) (outcome, error)
}

// methods are the rows of the table.
func methods() []method {
	return []method{
		{"file", "file dedup", by(study.FileDedup, "file")},
		{"chunk", "chunk dedup (FastCDC)", by(study.ChunkDedup, "chunk")},
		{"tensor", "tensor dedup", by(study.TensorDedup, "tensor")},
		{"zstd", "zstd 3", by(study.Zstd, "")},
		{"zipnn", "ZipNN", by(study.ZipNN, "")},
		{"bitx", "BitX", by(study.BitX, "")},
		{"zipllm", "ZipLLM (dedup, BitX)", by(study.ZipLLM, "")},
		{"zipnode", "zipnode, as models come", func(ctx context.Context, models []string, scratch string) (outcome, error) {
			return keep(ctx, models, scratch, false)
		}},
		{"repacked", "zipnode, repacked", func(ctx context.Context, models []string, scratch string) (outcome, error) {
			return keep(ctx, models, scratch, true)
		}},
	}
}

func methodNames() []string {
	var names []string
	for _, m := range methods() {
		names = append(names, m.name)
	}
	return names
}

func methodOf(name string) (method, bool) {
	for _, m := range methods() {
		if m.name == name {
			return m, true
		}
	}
	return method{}, false
}

// chosen returns the methods of a list with commas; all, if it is empty.
func chosen(list string) ([]method, error) {
	if list == "" {
		return methods(), nil
	}
	var out []method
	for name := range strings.SplitSeq(list, ",") {
		m, ok := methodOf(name)
		if !ok {
			return nil, fmt.Errorf("no method %q: there are %s", name, strings.Join(methodNames(), ", "))
		}
		out = append(out, m)
	}
	return out, nil
}
