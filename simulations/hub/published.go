package main

// published is what ZipLLM found of 3,048 models of 43.19 TB (Wang et al., NSDI
// 2026, arXiv:2505.06252), in per cent saved: file and tensor are the first
// steps of its own pipeline, bitx is BitX without deduplication.
var published = map[string]float64{
	"file":   3.2,
	"chunk":  14.7,
	"tensor": 8.3,
	"zstd":   22.1,
	"zipnn":  33.4,
	"bitx":   46.3,
	"zipllm": 54.1,
}

// The metadata that it projects for a hub of 17 PB, in bytes.
const (
	publishedChunks  = 12.5e12
	publishedTensors = 22e9
)

// order is what it found to be less and less: each pair saves less with the
// first than with the second. Chunk and tensor are not compared.
var order = [][2]string{
	{"file", "chunk"}, {"file", "tensor"}, {"chunk", "zstd"}, {"tensor", "zstd"},
	{"zstd", "zipnn"}, {"zipnn", "bitx"}, {"bitx", "zipnode"},
}

// disorder returns the pairs of order that r does not keep.
func (r *results) disorder() [][2]string {
	var bad [][2]string
	for _, pair := range order {
		a, ok := r.of(pair[0])
		b, also := r.of(pair[1])
		if ok && also && a.saved() >= b.saved() {
			bad = append(bad, pair)
		}
	}
	return bad
}
