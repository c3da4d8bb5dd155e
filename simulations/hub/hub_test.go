package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// made is a hub's results with what each method saves, in per cent.
func made(saved map[string]float64) *results {
	r := &results{}
	for _, name := range []string{"file", "chunk", "tensor", "zstd", "zipnn", "bitx", "zipnode"} {
		if s, ok := saved[name]; ok {
			r.Outcomes = append(r.Outcomes, outcome{Method: name, Bytes: 1e6, Stored: int64(1e4 * (100 - s)), Wall: time.Second, CPU: time.Second})
		}
	}
	return r
}

func TestOrder(t *testing.T) {
	for _, tc := range []struct {
		what  string
		saved map[string]float64
		bad   int
	}{
		{"the published one", map[string]float64{"file": 3.2, "chunk": 14.7, "tensor": 8.3, "zstd": 22.1, "zipnn": 33.4, "bitx": 46.3, "zipnode": 54.1}, 0},
		{"tensor above chunk is as good", map[string]float64{"file": 3, "chunk": 8, "tensor": 9, "zstd": 22}, 0},
		{"zstd below tensor", map[string]float64{"tensor": 25, "zstd": 22, "zipnn": 33}, 1},
		{"no better than BitX", map[string]float64{"bitx": 50, "zipnode": 50}, 1},
		{"what was not measured is not compared", map[string]float64{"zipnn": 33, "file": 50}, 0},
		{"upside down", map[string]float64{"file": 7, "chunk": 6, "tensor": 5, "zstd": 4, "zipnn": 3, "bitx": 2, "zipnode": 1}, len(order)},
	} {
		if got := made(tc.saved).disorder(); len(got) != tc.bad {
			t.Errorf("%s: %v are out of order, want %d pairs", tc.what, got, tc.bad)
		}
	}
}

// With tensors of real size, all different, the projection is ZipLLM's own.
func TestProjection(t *testing.T) {
	all := outcome{Bytes: 100 * realTensor, Pieces: 100, Unique: 100}
	for what, p := range map[string]projection{"as here": project(all), "of real size": projectTensors(all)} {
		if math.Abs(p.Bytes/publishedTensors-1) > 0.02 {
			t.Errorf("tensors %s need %.3g bytes, published are %.3g", what, p.Bytes, publishedTensors)
		}
	}
	chunks := outcome{Bytes: 1 << 40, Pieces: 1 << 24, Unique: 1 << 23}
	if got, want := project(chunks).Bytes, 0.5*hubBytes/65536*64; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("chunks of 64 KiB, half of them different, need %.4g bytes, want %.4g", got, want)
	}
}

func TestTable(t *testing.T) {
	r := made(map[string]float64{"zipnode": 75})
	r.Outcomes[0].Metadata, r.Outcomes[0].Peak = 12345, 99e6
	var b strings.Builder
	r.write(&b)
	for _, want := range []string{"1,000,000 bytes of files", "| 250,000 | 75.0 % |", "| 12,345 | 99 |", "The order is the one"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, b.String())
		}
	}
}

func TestPlot(t *testing.T) {
	dir := t.TempDir()
	r := made(map[string]float64{"file": 3.2, "chunk": 9.2, "tensor": 8.3, "zstd": 21, "zipnn": 32, "bitx": 62, "zipnode": 77})
	if err := r.plot(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"study-saved.svg", "study-speed.svg"} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(svg), "chunk dedup") || !strings.HasSuffix(strings.TrimSpace(string(svg)), "</svg>") {
			t.Errorf("%s is no plot of the ways: %v", name, err)
		}
	}
}

// Rows that are not measured again stay, in their places, where the models are
// the same.
func TestResults(t *testing.T) {
	name := filepath.Join(t.TempDir(), "results.json")
	r := made(map[string]float64{"zstd": 21, "zipnode": 77})
	r.Models = "models"
	if err := r.save(name); err != nil {
		t.Fatal(err)
	}
	again, err := load(name, "models", r.Hub)
	if err != nil {
		t.Fatal(err)
	}
	again.put(outcome{Method: "zipnn", Stored: 1})
	again.put(outcome{Method: "zstd", Stored: 2})
	var got []string
	for _, o := range again.Outcomes {
		got = append(got, fmt.Sprint(o.Method, o.Stored))
	}
	if want := []string{"zstd2", "zipnn1", "zipnode230000"}; !slices.Equal(got, want) {
		t.Errorf("the results are %v, want %v", got, want)
	}
	if other, err := load(name, "others", r.Hub); err != nil || len(other.Outcomes) > 0 {
		t.Errorf("results of other models are %v, %v", other, err)
	}
}
