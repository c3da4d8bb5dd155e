package p2p

import (
	"runtime"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A checker compares blocks with their CIDs, those of several streams two at a
// time: that takes little longer than one. No block waits for a second to come:
// only for a core, of which half may hash.
type checker struct {
	most int

	mu      sync.Mutex
	busy    int
	waiting []*check
}

// A check is a block that waits.
type check struct {
	c    cid.Cid
	data []byte
	err  error
	lead chan bool // its turn has come; false: it was checked with another
}

func newChecker() *checker { return &checker{most: max(1, runtime.GOMAXPROCS(0)/2)} }

// check returns a *dag.CorruptError if data does not hash to c.
func (k *checker) check(c cid.Cid, data []byte) error {
	if len(data) < pooledFrom {
		return dag.Check(c, data)
	}
	me := &check{c: c, data: data}
	if !k.enter(me) && !<-me.lead {
		return me.err
	}
	runtime.Gosched() // a stream that has read its block comes first, and joins
	if other := k.next(); other != nil {
		me.err, other.err = dag.CheckTwo(c, data, other.c, other.data)
		other.lead <- false
	} else {
		me.err = dag.Check(c, data)
	}
	k.leave()
	return me.err
}

// enter tells whether there is room, and else lets me wait.
func (k *checker) enter(me *check) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy < k.most {
		k.busy++
		return true
	}
	me.lead = make(chan bool, 1)
	k.waiting = append(k.waiting, me)
	return false
}

// next takes the one that waits longest, or nil.
func (k *checker) next() *check {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.take()
}

// take is next while mu is held.
func (k *checker) take() *check {
	if len(k.waiting) == 0 {
		return nil
	}
	c := k.waiting[0]
	k.waiting[0] = nil
	k.waiting = k.waiting[1:]
	return c
}

// leave makes room for the next.
func (k *checker) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.take(); c != nil {
		c.lead <- true
		return
	}
	k.busy--
}
