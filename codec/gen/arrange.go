package main

import (
	"slices"

	"github.com/mmcloughlin/avo/reg"
)

// An arrangement is a block as it is put in order, cycle by cycle: of the tasks
// that could begin, and for which there are a pipe and registers, the one from
// which it is longest to the end.
type arrangement struct {
	block    *block
	tasks    []*task // that have no place yet
	done     []*task
	waits    map[*task]int    // for how many tasks, that have no place
	earliest map[*task]int    // cycles
	uses     map[reg.ID]int   // how often values are still read
	live     map[reg.ID]bool  // virtual registers that have a value
	kept     map[reg.ID]bool  // that live to the end
	most     map[reg.Kind]int // that may live at once

	now           int
	pipes         [4]int // from when on each is free
	loads, stores int    // from when on there can be another
}

// roundCycles is in how many cycles a block should run, to tell how urgent it is
// what another run waits for.
const roundCycles = 60

// perCycle is how many instructions begin in a cycle.
const perCycle = 6

func newArrangement(b *block, ts []*task) *arrangement {
	a := &arrangement{
		block: b, tasks: slices.Clone(ts),
		waits: map[*task]int{}, earliest: map[*task]int{}, uses: map[reg.ID]int{},
		live: map[reg.ID]bool{}, kept: map[reg.ID]bool{},
		most: map[reg.Kind]int{reg.KindVector: len(b.vectors), reg.KindOpmask: len(b.masks), reg.KindGP: len(ts)},
	}
	measure(ts)
	for _, t := range ts {
		for _, e := range t.after {
			if e.runs == 0 {
				a.waits[e.to]++
			}
		}
		for _, r := range t.reads {
			a.uses[r]++
		}
	}
	for _, c := range b.carried {
		if c.in != nil {
			a.live[c.in.ID()] = true
		}
		if c.out != nil {
			a.kept[c.out.ID()] = true
		}
	}
	return a
}

// measure sets heights. What a run leaves to the next counts from that one's
// beginning.
func measure(ts []*task) {
	for _, t := range ts {
		t.height = t.latency
	}
	for changed := true; changed; {
		changed = false
		for _, t := range slices.Backward(ts) {
			for _, e := range t.after {
				if h := e.to.height + e.cycles - e.runs*roundCycles; h > t.height && h < 4*roundCycles {
					t.height, changed = h, true
				}
			}
		}
	}
}

// order returns the tasks in order.
func (a *arrangement) order() []*task {
	idle := 0
	for len(a.tasks) > 0 {
		for range perCycle {
			i := a.best()
			if i < 0 {
				break
			}
			t := a.tasks[i]
			a.tasks = slices.Delete(a.tasks, i, i+1)
			a.place(t)
			idle = 0
		}
		a.now++
		if idle++; idle > 4*roundCycles {
			panic("a block needs more registers than it may use")
		}
	}
	return a.done
}

// best returns the index of the most urgent task that can begin now, or -1.
func (a *arrangement) best() int {
	best := -1
	for i, t := range a.tasks {
		if (best < 0 || t.height > a.tasks[best].height) && a.ready(t) {
			best = i
		}
	}
	return best
}

// ready tells whether t can begin now.
func (a *arrangement) ready(t *task) bool {
	return a.waits[t] == 0 && a.earliest[t] <= a.now &&
		(t.pipes == 0 || a.pipeFor(t) >= 0) && !(t.loads && a.loads > a.now) && !(t.stores && a.stores > a.now) &&
		a.fits(t, reg.KindVector) && a.fits(t, reg.KindOpmask)
}

// pipeFor returns a pipe that takes t now, if it can one that fewer others need, or
// -1.
func (a *arrangement) pipeFor(t *task) int {
	for _, p := range []int{0, 3, 1, 2} {
		if t.pipes>>p&1 == 1 && a.pipes[p] <= a.now {
			return p
		}
	}
	return -1
}

// fits tells whether there are registers for what t writes, where that is more than
// what it reads for the last time.
func (a *arrangement) fits(t *task, kind reg.Kind) bool {
	more := 0
	for _, r := range t.writes {
		if r.Kind() == kind && r.IsVirtual() && !a.live[r] {
			more++
		}
	}
	for i, r := range t.reads {
		if r.Kind() == kind && a.live[r] && !slices.Contains(t.reads[:i], r) && !slices.Contains(t.writes, r) && !a.kept[r] && a.uses[r] == timesIn(t.reads, r) {
			more--
		}
	}
	live := 0
	for r := range a.live {
		if r.Kind() == kind {
			live++
		}
	}
	return more <= 0 || live+more <= a.most[kind]
}

// timesIn returns how often r is among rs.
func timesIn(rs []reg.ID, r reg.ID) int {
	n := 0
	for _, x := range rs {
		if x == r {
			n++
		}
	}
	return n
}

// place lets t begin now.
func (a *arrangement) place(t *task) {
	if t.pipes != 0 {
		a.pipes[a.pipeFor(t)] = a.now + 2
	}
	if t.loads {
		a.loads = a.now + 1
	}
	if t.stores {
		a.stores = a.now + 2
	}
	a.done = append(a.done, t)
	for _, e := range t.after {
		if e.runs == 0 {
			a.waits[e.to]--
			a.earliest[e.to] = max(a.earliest[e.to], a.now+e.cycles)
		}
	}
	for _, r := range t.reads {
		if a.uses[r]--; a.uses[r] == 0 && !a.kept[r] {
			delete(a.live, r)
		}
	}
	for _, r := range t.writes {
		if r.IsVirtual() && (a.uses[r] > 0 || a.kept[r]) {
			a.live[r] = true
		}
	}
}
