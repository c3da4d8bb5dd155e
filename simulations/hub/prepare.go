package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/zipnode/zipnode/simulations/hub/generate"
)

// A manifest says which hub a directory has.
type manifest struct {
	Hub    generate.Config  `json:"hub"`
	Models []generate.Model `json:"models"`
}

// prepare sees to it that dir has the hub c in models/, and says so in
// hub.json, which is written last. Another hub that is there, or one of an
// earlier plan, is an error.
func prepare(ctx context.Context, dir string, c generate.Config) error {
	models, err := generate.Plan(c)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "hub.json")
	raw, err := os.ReadFile(name)
	if err == nil {
		var m manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if m.Hub != c || !slices.Equal(m.Models, models) {
			return fmt.Errorf("%s has another hub, of seed %d, shrunk by %d: name another directory", dir, m.Hub.Seed, m.Hub.Shrink)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Fprintf(os.Stderr, "writing %d models …\n", len(models))
	if err := generate.Write(ctx, filepath.Join(dir, "models"), c); err != nil {
		return fmt.Errorf("%w (remove %s/models to begin anew)", err, dir)
	}
	raw, err = json.MarshalIndent(manifest{c, models}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, raw, 0o644)
}

// modelDirs returns the directories in dir, in order.
func modelDirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no model: each directory in it is taken as one", dir)
	}
	return out, nil
}
