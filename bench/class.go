package main

import "strings"

// A class is a kind of tensor, by shape and name.
type class string

const (
	vector    class = "vector"    // at most one dimension
	small     class = "small"     // at most 8 KiB
	embedding class = "embedding" // named so, or of many more rows than columns
	matrix    class = "matrix"    // the rest
)

// classes are all of them, in the order of the table.
var classes = []class{vector, small, embedding, matrix}

const (
	smallest = 8 << 10 // bytes: at most so many are small
	tall     = 8       // times as many rows as columns make an embedding
)

func classOf(x item) class {
	switch {
	case len(x.shape) <= 1:
		return vector
	case len(x.data) <= smallest:
		return small
	case strings.Contains(strings.ToLower(x.name), "embed"):
		return embedding
	case x.shape[0]/tall >= x.shape[len(x.shape)-1]:
		return embedding
	}
	return matrix
}
