// Package dag is identity: what a model, a tensor, a leaf, a recipe and a
// packing are called, and how one is walked.
//
// Models and tensors are plain UnixFS of the unixfs-v1-2025 profile, built with
// boxo's own node types; recipes and packings are dag-cbor. docs/format.md
// specifies all of it byte by byte.
//
// Package dag knows no disk and no peer, and starts no goroutine.
package dag
