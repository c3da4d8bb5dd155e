package main

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/zipnode/zipnode/node"
)

// barsAfter is how long an operation runs before it is worth a bar.
const barsAfter = 300 * time.Millisecond

// bars draws one bar for each stage of an operation.
type bars struct {
	mu     sync.Mutex
	w      io.Writer
	begin  time.Time
	screen *mpb.Progress
	stages map[string]*stage
	early  *node.Progress // the last one before it was worth a bar
	late   *time.Timer    // draws early: its stage may report nothing more for long
	ended  bool
}

type stage struct {
	bar  *mpb.Bar
	bare bool // it counted nothing yet
	last node.Progress
}

func newBars(w io.Writer) *bars {
	b := &bars{w: w, begin: time.Now(), stages: map[string]*stage{}}
	b.late = time.AfterFunc(barsAfter, b.drawEarly)
	return b
}

func (b *bars) drawEarly() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.early != nil && b.screen == nil && !b.ended {
		b.draw(*b.early)
	}
}

func (b *bars) report(p node.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	if time.Since(b.begin) < barsAfter {
		b.early = &p
		return
	}
	b.draw(p)
}

// draw draws p; mu is held.
func (b *bars) draw(p node.Progress) {
	if b.screen == nil {
		b.screen = mpb.New(mpb.WithOutput(b.w), mpb.WithWidth(40), mpb.WithAutoRefresh())
	}
	bare := p.Done == 0 && p.Total == 0
	st := b.stages[p.Stage]
	if st != nil && st.bare && !bare {
		st.bar.Abort(true)
		st = nil
	}
	if st == nil {
		st = &stage{bar: b.newBar(p), bare: bare}
		b.stages[p.Stage] = st
	}
	if st.last = p; p.Total > 0 {
		st.bar.SetTotal(p.Total, false) // it may grow while a walk goes on
	}
	st.bar.SetCurrent(p.Done)
}

func (b *bars) newBar(p node.Progress) *mpb.Bar {
	counters := decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace)
	switch {
	case p.Done == 0 && p.Total == 0:
		counters = decor.Elapsed(decor.ET_STYLE_GO, decor.WCSyncSpace)
		return b.screen.New(0, mpb.NopStyle(), mpb.PrependDecorators(decor.Name(plain(p.Stage), decor.WCSyncSpaceR), counters))
	case p.Unit != "":
		counters = decor.CountersNoUnit("%d / %d "+plain(p.Unit), decor.WCSyncSpace)
	}
	return b.screen.New(0, mpb.BarStyle().Lbound("[").Filler("#").Tip("#").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(decor.Name(plain(p.Stage), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(counters, decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
}

// done draws the bars for the last time.
func (b *bars) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.late.Stop()
	if b.ended = true; b.screen == nil {
		return
	}
	for _, st := range b.stages {
		if st.last.Done < st.last.Total {
			st.bar.Abort(false) // it stays as far as it came
		} else {
			st.bar.SetTotal(-1, true)
		}
	}
	b.screen.Wait()
}
