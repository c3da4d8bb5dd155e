package p2p

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// pairTime is how long a block waits for another to be hashed with. At 800 MB/s
// one comes every 1.3 ms.
const pairTime = 5 * time.Millisecond

// A checker compares blocks with their CIDs beside the streams that read them:
// two at a time, which takes little longer than one. Half of the cores may hash. A
// block that is alone waits for another if it came soon after the one before, for
// then the next is likely to come soon too.
type checker struct {
	most int
	run  func(func()) // starts a goroutine

	mu      sync.Mutex
	busy    int // goroutines
	waiting []check
	last    time.Time     // when a block came
	often   bool          // it came within pairTime of the one before
	second  chan struct{} // closed when another comes for the one that waits; nil: none does
}

// A check is a block that waits for its verdict.
type check struct {
	c    cid.Cid
	data []byte
	done func(error)
}

// newChecker returns a checker whose goroutines run starts.
func newChecker(run func(func())) *checker {
	return &checker{most: max(1, runtime.GOMAXPROCS(0)/2), run: run}
}

// check calls done with a *dag.CorruptError if data does not hash to c, and else
// with nil: at once for a small block, for others from another goroutine.
func (k *checker) check(c cid.Cid, data []byte, done func(error)) {
	if len(data) < pooledFrom {
		done(dag.Check(c, data))
		return
	}
	if k.add(check{c, data, done}) {
		k.run(k.work)
	}
}

// add makes a block wait, and tells whether another goroutine is to be started.
func (k *checker) add(b check) bool {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = append(k.waiting, b)
	k.often = now.Sub(k.last) < pairTime
	k.last = now
	if k.second != nil {
		close(k.second)
		k.second = nil
		return false
	}
	if k.busy == k.most {
		return false
	}
	k.busy++
	return true
}

// work checks what waits until nothing does.
func (k *checker) work() {
	for {
		runtime.Gosched() // a stream that has read its block comes first, and makes it two
		k.await()
		switch list := k.take(); len(list) {
		case 0:
			return
		case 1:
			list[0].done(dag.Check(list[0].c, list[0].data))
		default:
			a, b := list[0], list[1]
			errA, errB := dag.CheckTwo(a.c, a.data, b.c, b.data)
			a.done(errA)
			b.done(errB)
		}
	}
}

// await waits for a second block where one is alone and another is likely.
func (k *checker) await() {
	k.mu.Lock()
	if len(k.waiting) != 1 || !k.often || k.second != nil {
		k.mu.Unlock()
		return
	}
	second := make(chan struct{})
	k.second = second
	k.mu.Unlock()
	t := time.NewTimer(pairTime)
	defer t.Stop()
	select {
	case <-second:
		return
	case <-t.C:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.second == second {
		k.second = nil
	}
}

// take returns the two blocks that wait longest, or as many as there are, but for
// one that another goroutine keeps waiting. With none the goroutine is over.
func (k *checker) take() []check {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(2, len(k.waiting))
	if n == 1 && k.second != nil {
		n = 0
	}
	list := slices.Clone(k.waiting[:n])
	k.waiting = slices.Delete(k.waiting, 0, n)
	if n == 0 {
		k.busy--
	}
	return list
}
