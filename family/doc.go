// Package family answers one question: against which stored tensor is a new one
// best encoded, if any.
//
// Of each tensor of 64 KiB and more the store keeps a [Sample]: runs of
// consecutive elements, as they are, at positions that follow from an element's
// index alone. Two samples tell what a delta of their tensors will cost
// ([Estimate]) and how far they are apart in bits ([Distance]), without a look
// at the tensors. A sample is taken by small reads, before the pass that hashes
// and encodes.
//
// What was renamed, fused, split, moved or cast is found by its rows ([Row],
// [MapRows]); models are parted into families by their distance ([Cluster]); and
// [Problem] plans a whole store: which tensors are best stored stand-alone, and
// which as deltas of which, within a budget of what rebuilding reads.
//
// The smallest estimate is taken, with stand-alone among the candidates ([Saves]):
// there is no threshold. (A sketch of the bit distance would be as small, but a
// distance does not tell a size: unrelated weights of one distribution look
// alike.) [Hints] are what a model says of its own base; they order the
// candidates, and the bytes decide.
//
// # Format of a sample
//
//	version  uint8   // 2
//	dtype    string  // a length byte and that many bytes
//	elements uvarint // of the tensor, in units (see below)
//	runs             // one after the other, in ascending order
//
// A unit is an element, of one to eight bytes. It is a byte where elements are
// narrower than one (F4, F6), half an element of C64, four bytes where the
// dtype is not known, and a block of a block type. A run is 16 units, of a
// block type one.
//
// The runs a tensor could have are numbered from 0. At level l they fall into
// cells of 2^l, and each cell has one representative: at level 0 its only run,
// else that of the left or of the right half, as bit 63 of a hash of the cell's
// number and l says. The sample is the representatives, where the tensor
// reaches that far, of the lowest level with at most 256 cells (of wide units
// fewer: as many as fit 8 KiB). So a longer tensor's sample, as far as a
// shorter tensor reaches, is part of the shorter one's; and no stride lines up
// with rows.
//
// Package family knows nothing of CIDs, stores or peers.
package family
