//go:build amd64 && !purego

package twin

import "github.com/klauspost/cpuid/v2"

// fast tells whether two at once are faster than one after another.
var fast = cpuid.CPU.Supports(cpuid.SHA, cpuid.AVX, cpuid.SSE4, cpuid.SSSE3)

// blocksSHA adds n blocks from p to a, and n from q to b.
//
//go:noescape
func blocksSHA(a, b *state, p, q *byte, n int)

// blocks adds the first n blocks of p to a, and of q to b.
func blocks(a, b *state, p, q []byte, n int) {
	_, _ = p[n*block-1], q[n*block-1]
	blocksSHA(a, b, &p[0], &q[0], n)
}
