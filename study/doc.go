// Package study says what a collection of models holds, and what each known way
// of storing it would come to, without storing it.
//
// [Analyze] reads every byte once: it hashes tensors, files and content-defined
// chunks, and takes a sample of each tensor. The samples tell which tensors are
// near which (package family), and so what the families are. Then some leaves of
// the tensors, or all of them, are really encoded in each way.
//
// Package study knows nothing of stores, CIDs or peers.
package study
