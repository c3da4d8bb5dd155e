// Package p2p moves blocks and recipes between machines: a libp2p host, the
// DHT that says who has what, and sessions that fetch from several peers at
// once. Nothing a peer says is believed: every block is checked against its CID
// before anyone parses it.
//
// # Exchange
//
// Two zipnodes speak /zipnode/exchange/2 over long-lived streams, at most four
// a peer, each opened by the side that asks. The asker sends requests, and may
// send more before the first is answered; the answerer handles the requests of
// one stream in order. Each message is a header and a body:
//
//	kind   uint8
//	id     uint32 // of the request, chosen by the asker
//	item   uint32 // as the kind says
//	length uint32 // of the body, in bytes
//	body   [length]byte
//
// Integers are big-endian. A CID is its 36 bytes: CIDv1, codec raw, dag-pb or
// dag-cbor, sha2-256. A list is 1 to 1024 CIDs back to back; item is how many.
//
//	kind       request                   body                    answer
//	1 HAVE     which of these are there  list                    one BITS
//	2 RECIPES  recipes of these tensors  list                    RECIPE…, then END
//	3 BLOCKS   send these blocks         list                    BLOCK or ABSENT for each
//	4 RANGE    send chunks of a recipe   CID, first u64          BLOCK or ABSENT for each
//	5 JOIN     I fetch this root         CID                     one PEERS
//	6 HOLDS    I have these chunks       root, recipe, first u64, bits   one END
//
// The item of RANGE is how many chunks are asked for, 1 to 1024; that of HOLDS
// how many bits follow, 1 to 65536.
//
//	kind        item                          body
//	0x81 BITS   how many CIDs were asked for  a bit for each, lowest bit first
//	0x82 RECIPE which tensor of the list      a recipe block, at most MaxBlock
//	0x83 BLOCK  which item of the request     the block, at most MaxBlock
//	0x84 ABSENT the first item not here       count uint32, of items not here
//	0x85 END    how many tensors were covered empty
//	0x86 BUSY   the first item not handled    empty
//	0x87 PEERS  1 if it fetches the root too  peers and their addresses, at most 16 KiB
//
// BLOCK and ABSENT answer the items of their request in order, and the request
// is answered when the last one is. RECIPEs come in the order of the list, at
// most 8 for a tensor and 4 MiB in all; a tensor without any has none. END covers
// at least one tensor and may cover fewer than were asked for: the asker asks
// again for the rest. BUSY ends any answer early; the asker asks elsewhere, or
// later.
//
// A header that breaks a rule resets the stream, before anything of the
// announced length is allocated. A block that is not what its CID says, or a
// message that breaks a rule, costs the sender its connection, and three of them
// in ten minutes cost it ten minutes.
//
// # Crowds
//
// Who fetches a root says so to everyone it asks (JOIN), learns who else does,
// and tells them what it has as it comes (HOLDS). Among those who know of each
// other every chunk has an owner, by rendezvous hashing: the owner asks a seed
// for it, the others ask the owner and each other, the rarest first. So a seed
// sends little more than one copy, however many fetch.
//
// Package p2p knows no disk, no model, no codec: what it serves is a [Library].
package p2p
