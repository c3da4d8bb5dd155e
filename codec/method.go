package codec

import (
	"fmt"
	"slices"
)

// version is the first byte of every frame that this package writes.
const version = 1

const (
	methodRaw      = 0
	methodSame     = 1
	methodFill     = 2
	methodZstd     = 3
	methodPlanes   = 4
	methodBitX     = 5
	methodSegments = 6
	methodDelta    = 7
	methodShort    = 8
	methodSparse   = 9
	methodLowRank  = 10
)

var methods = []string{"raw", "same", "fill", "zstd", "planes", "bitx", "segments", "delta", "short", "sparse", "lowrank"}

// Methods returns the names that [Method] may return, in the order of their
// numbers.
func Methods() []string { return slices.Clone(methods) }

// Method returns the name of the method that chunk says it is coded by, and
// false if this version of zipnode does not know it. It looks at no more than
// the first two bytes.
func Method(chunk []byte) (name string, ok bool) {
	if len(chunk) < 2 || chunk[0] != version || chunk[1] == methodRaw || int(chunk[1]) >= len(methods) {
		return "", false
	}
	return methods[chunk[1]], true
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

func unknown(what string, n byte) error {
	return fmt.Errorf("%w: %s %d; a newer version of zipnode may know it: update zipnode", ErrUnknown, what, n)
}
