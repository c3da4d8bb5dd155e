package p2p

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

// A block waits for another to be hashed with only where blocks come often, and
// not for long.
func TestCheckerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var work sync.WaitGroup
		k := newChecker(work.Go)
		k.most = 2
		data := random(1, pooledFrom)
		c := dag.Raw(data)
		var took [6]time.Duration
		var verdicts sync.WaitGroup
		came := func(i int, after time.Duration) {
			time.Sleep(after)
			at := time.Now()
			verdicts.Add(1)
			k.check(c, data, func(err error) {
				if err != nil {
					t.Error(err)
				}
				took[i] = time.Since(at)
				verdicts.Done()
			})
			synctest.Wait()
		}
		const ms = time.Millisecond
		came(0, 0)     // the first
		came(1, ms)    // waits for the next
		came(2, ms)    // is it
		came(3, 3*ms)  // waits in vain
		came(4, 20*ms) // comes late
		came(5, 2*ms)  // waits in vain
		verdicts.Wait()
		work.Wait()
		want := [6]time.Duration{0, ms, 0, pairTime, 0, pairTime}
		if took != want {
			t.Errorf("the verdicts took %v, want %v", took, want)
		}
	})
}
