//go:build !amd64 || purego

package twin

const fast = false

func blocks(a, b *state, p, q []byte, n int) {}
