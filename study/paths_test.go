package study

import (
	"path/filepath"
	"slices"
	"testing"
)

// Paths are what they were, in whatever order their directories come.
func TestPaths(t *testing.T) {
	want := []string{"a", "/a", "/", filepath.FromSlash("x/y/1"), filepath.FromSlash("x/y/2"), filepath.FromSlash("x/1"), filepath.FromSlash("x/y/3"), filepath.FromSlash("./x/4"), ""}
	var p paths
	for i, path := range want {
		if got := p.add(path); got != int32(i) {
			t.Errorf("add(%q) = %d, want %d", path, got, i)
		}
	}
	var got []string
	for i := range want {
		got = append(got, p.of(int32(i)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("paths %q, want %q", got, want)
	}
}
