// Package simulations runs whole nodes on a simulated network and a simulated
// clock, and counts what they send.
//
// A [Crowd] is a flash crowd: one node has a base and its fine-tune, everyone
// else asks for them at the same moment. Nodes are those of package node with
// stores in memory, and speak QUIC, TLS and all, over a network of links with a
// bandwidth and a latency. Scenarios run inside a bubble of testing/synctest,
// where time passes only while every goroutine waits.
//
// # What it measures
//
// Bytes and messages, as the real nodes send them, and the time that links of a
// given bandwidth and latency make of it, free of the machine it runs on. A
// table of it tells how the code scales with the number of nodes, and whether a
// change made it better.
//
// # What it does not know
//
// Computing takes no time here: hashing, coding and encryption are done while
// the clock stands, so a real machine is never faster than this and may well be
// slower. A link is a queue under FQ-CoDel at each node's door, and all paths
// have one latency: there is no loss but that of full queues, no jitter, no
// shared bottleneck behind the doors, no NAT and no TCP. Files are written to a
// real disk, in no time. Peers' keys and the scheduling of goroutines are random,
// so two runs differ by some per cent.
package simulations
