// Package store is a blockstore that compresses. Nodes, chunks, recipes and
// packings are real blocks in it; a leaf is virtual: Get decodes it from a chunk
// and the leaves of base tensors, checks it against its CID, and returns it.
//
// One directory holds everything:
//
//	format            the version of this layout
//	lock              who owns the directory
//	packs/NNNNNN.car  append-only CARv1 files of at most 1 GiB: the blocks
//	index/            goleveldb: where blocks lie, how leaves are rebuilt
//	journal           names, pins and choices: what the packs do not say
//
// Pack data is synced first, then the journal, then the index, so that the
// index never speaks of what is not there. A lost index is rebuilt from packs
// and journal. docs/format.md has every byte.
//
// Package store knows no peer and no model file.
package store
