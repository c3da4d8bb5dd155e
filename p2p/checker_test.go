package p2p

import (
	"errors"
	"sync"
	"testing"

	"github.com/zipnode/zipnode/dag"
)

// Every block gets its own verdict, whichever it was checked with.
func TestChecker(t *testing.T) {
	var work, verdicts sync.WaitGroup
	k := newChecker(work.Go)
	k.most = 1
	for i := range 64 {
		data := random(uint64(i), pooledFrom-1+i) // the first is too small to wait for another
		c := dag.Raw(data)
		if i%3 == 0 {
			data[i] ^= 1
		}
		verdicts.Add(1)
		k.check(c, data, func(err error) {
			defer verdicts.Done()
			if _, corrupt := errors.AsType[*dag.CorruptError](err); corrupt != (i%3 == 0) {
				t.Errorf("block %d: %v", i, err)
			}
		})
	}
	verdicts.Wait()
	work.Wait()
	if k.busy != 0 || len(k.waiting) != 0 {
		t.Errorf("%d check still, %d wait", k.busy, len(k.waiting))
	}
}
