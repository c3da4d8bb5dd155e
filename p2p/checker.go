package p2p

import (
	"runtime"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A checker compares blocks with their CIDs beside the streams that read them:
// two at a time where two are there, which takes little longer than one. Half of
// the cores may hash.
type checker struct {
	most int
	run  func(func()) // starts a goroutine

	mu      sync.Mutex
	busy    int // goroutines
	waiting []check
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
	k.mu.Lock()
	k.waiting = append(k.waiting, check{c, data, done})
	start := k.busy < k.most
	if start {
		k.busy++
	}
	k.mu.Unlock()
	if start {
		k.run(k.work)
	}
}

// work checks what waits until nothing does.
func (k *checker) work() {
	for {
		runtime.Gosched() // a stream that has read its block comes first, and makes it two
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

// take returns the two blocks that wait longest, or as many as there are. With
// none the goroutine is over.
func (k *checker) take() []check {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(2, len(k.waiting))
	list := slices.Clone(k.waiting[:n])
	k.waiting = slices.Delete(k.waiting, 0, n)
	if n == 0 {
		k.busy--
	}
	return list
}
