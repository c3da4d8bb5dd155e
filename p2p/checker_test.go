package p2p

import (
	"errors"
	"sync"
	"testing"

	"github.com/zipnode/zipnode/dag"
)

// Every block gets its own verdict, whichever it was checked with.
func TestChecker(t *testing.T) {
	k := newChecker()
	k.most = 1
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			data := random(uint64(i), pooledFrom+i)
			c := dag.Raw(data)
			if i%3 == 0 {
				data[i] ^= 1
			}
			err := k.check(c, data)
			if _, corrupt := errors.AsType[*dag.CorruptError](err); corrupt != (i%3 == 0) {
				t.Errorf("block %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if k.busy != 0 || len(k.waiting) != 0 {
		t.Errorf("%d check still, %d wait", k.busy, len(k.waiting))
	}
}
