package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/zipnode/zipnode/simulations/hub/generate"
)

// An outcome is what one way of storing did with a collection.
type outcome struct {
	Method string `json:"method"`
	Bytes  int64  `json:"bytes"`  // of the files
	Stored int64  `json:"stored"` // that they come to, without an index

	// Of what is found by its hash: how many there are, how many differ, and
	// the bytes of all. 0 where nothing is found by a hash.
	Pieces int64 `json:"pieces,omitempty"`
	Unique int64 `json:"unique,omitempty"`
	// Metadata is the bytes of an index that was really written; 0 where there
	// is none, and it follows from Unique.
	Metadata int64 `json:"metadata,omitempty"`

	Wall time.Duration `json:"wall"`
	CPU  time.Duration `json:"cpu"`  // user and system, of its process
	Peak int64         `json:"peak"` // bytes resident, at most; 0 where the system does not tell
}

// saved returns the part of the bytes that need not be stored.
func (o outcome) saved() float64 { return 1 - float64(o.Stored)/float64(o.Bytes) }

// metadata returns the bytes of the index.
func (o outcome) metadata() int64 {
	if o.Metadata > 0 {
		return o.Metadata
	}
	return o.Unique * hashEntry
}

// results are a run's.
type results struct {
	Models   string          `json:"models"`
	Hub      generate.Config `json:"hub"`
	Outcomes []outcome       `json:"outcomes"`
}

// load reads what an earlier run measured of the same models, if there is any.
func load(name, models string, hub generate.Config) (*results, error) {
	r := &results{Models: models, Hub: hub}
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	var old results
	if err := json.Unmarshal(raw, &old); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if old.Models == models && old.Hub == hub {
		r.Outcomes = old.Outcomes
	}
	return r, nil
}

// put adds an outcome, in place of an earlier one of its method, and keeps the
// order of the table.
func (r *results) put(o outcome) {
	r.Outcomes = slices.DeleteFunc(r.Outcomes, func(x outcome) bool { return x.Method == o.Method })
	r.Outcomes = append(r.Outcomes, o)
	names := methodNames()
	slices.SortFunc(r.Outcomes, func(a, b outcome) int {
		return cmp.Compare(slices.Index(names, a.Method), slices.Index(names, b.Method))
	})
}

func (r *results) save(name string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(raw, '\n'), 0o644)
}

// of returns the outcome of a method, and false if it was not measured.
func (r *results) of(method string) (outcome, bool) {
	for _, o := range r.Outcomes {
		if o.Method == method {
			return o, true
		}
	}
	return outcome{}, false
}
