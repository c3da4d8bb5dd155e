package main

// What the projection to a whole hub assumes.
const (
	// hubBytes is 17 PB, in the units of ZipLLM's own projection: 17 · 2^50.
	hubBytes = 17 << 50
	// hashEntry is the bytes that an index keeps for each hash: as there.
	hashEntry = 64
	// realTensor is the mean size of a tensor of Llama 3.1 8B, in bytes: 291
	// tensors, 8,030,261,248 weights of bf16.
	realTensor = 2 * 8_030_261_248 / 291
)

// A projection is the metadata that finding duplicates would need on a hub of
// hubBytes, as counts per byte say that were measured.
type projection struct {
	Unique float64 // hashes
	Bytes  float64 // of the index
}

// project takes the counts as they are: on a hub of such pieces.
func project(o outcome) projection {
	n := float64(o.Unique) / float64(o.Bytes) * hubBytes
	return projection{n, n * hashEntry}
}

// projectTensors takes of tensors only how many of them differ, and for their
// size that of real ones: tensors grow with the models, chunks do not.
func projectTensors(o outcome) projection {
	n := float64(o.Unique) / float64(o.Pieces) * hubBytes / realTensor
	return projection{n, n * hashEntry}
}
