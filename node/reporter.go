package node

import (
	"sync"
	"time"
)

// reportEvery is how often a stage's progress is passed on.
const reportEvery = 50 * time.Millisecond

// A reporter passes progress on, one at a time, not too often, and nothing
// after stop.
type reporter struct {
	mu    sync.Mutex
	to    func(any)
	stage string
	last  time.Time
}

func newReporter(to func(any)) *reporter { return &reporter{to: to} }

func (r *reporter) send(p Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == nil {
		return
	}
	ends := p.Total > 0 && p.Done >= p.Total
	if p.Stage == r.stage && !ends && time.Since(r.last) < reportEvery {
		return
	}
	r.stage, r.last = p.Stage, time.Now()
	r.to(p)
}

func (r *reporter) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = nil
}
