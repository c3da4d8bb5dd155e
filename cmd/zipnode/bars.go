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
	stages map[string]*mpb.Bar
	ended  bool
}

func newBars(w io.Writer) *bars {
	return &bars{w: w, begin: time.Now(), stages: map[string]*mpb.Bar{}}
}

func (b *bars) report(p node.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || time.Since(b.begin) < barsAfter {
		return
	}
	if b.screen == nil {
		b.screen = mpb.New(mpb.WithOutput(b.w), mpb.WithWidth(40), mpb.WithAutoRefresh())
	}
	bar := b.stages[p.Stage]
	if bar == nil {
		bar = b.stage(p)
		b.stages[p.Stage] = bar
	}
	if p.Total > 0 {
		bar.SetTotal(p.Total, false) // it may grow while a walk goes on
	}
	bar.SetCurrent(p.Done)
}

func (b *bars) stage(p node.Progress) *mpb.Bar {
	counters := decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace)
	if p.Unit != "" {
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
	if b.ended = true; b.screen == nil {
		return
	}
	for _, bar := range b.stages {
		bar.SetTotal(-1, true)
	}
	b.screen.Wait()
}
