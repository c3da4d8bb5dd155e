package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/zipnode/zipnode/node"
)

// A reporter shows how far an operation is. report may be called from several
// goroutines; nothing is shown after done.
type reporter interface {
	report(node.Progress)
	done()
}

// reporter returns the one that --progress asks for.
func (a *app) reporter() reporter {
	how := a.progress
	if how == "auto" {
		switch {
		case a.quiet:
			how = "none"
		case a.verbose == 0 && terminal(a.stderr):
			return newBars(a.stderr)
		default:
			how = "plain" // log lines would tear bars
		}
	}
	switch how {
	case "json":
		return &jsonLines{w: a.stderr}
	case "plain":
		return newPlainLines(a.stderr)
	}
	return silent{}
}

// terminal reports whether w is one on which a line can be drawn again.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

type silent struct{}

func (silent) report(node.Progress) {}
func (silent) done()                {}

// jsonLines writes each progress as an object of its own line.
type jsonLines struct {
	mu sync.Mutex
	w  io.Writer
}

func (j *jsonLines) report(p node.Progress) {
	data, err := json.Marshal(p)
	if err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.w.Write(append(data, '\n'))
}

func (*jsonLines) done() {}

const plainPace = 5 * time.Second

// plainLines writes a line now and then: none for what is quick, and few for a
// log file to keep.
type plainLines struct {
	mu   sync.Mutex
	w    io.Writer
	next time.Time
	now  func() time.Time
	said map[string]bool // stages without numbers: once is enough
}

func newPlainLines(w io.Writer) *plainLines {
	return &plainLines{w: w, now: time.Now, said: map[string]bool{}, next: time.Now().Add(plainPace / 2)}
}

func (l *plainLines) report(p node.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bare := p.Done == 0 && p.Total == 0
	if l.now().Before(l.next) || bare && l.said[p.Stage] {
		return
	}
	l.said[p.Stage] = bare
	l.next = l.now().Add(plainPace)
	fmt.Fprintln(l.w, "zipnode: "+progressLine(p))
}

func (*plainLines) done() {}

// progressLine returns "fetch: 1.0 MiB of 4.0 MiB (25%)".
func progressLine(p node.Progress) string {
	amount := func(n int64) string {
		if p.Unit == "" {
			return size(n)
		}
		return fmt.Sprint(n)
	}
	if p.Done == 0 && p.Total == 0 {
		return plain(p.Stage)
	}
	line := plain(p.Stage) + ": " + amount(p.Done)
	if p.Total > 0 {
		line += " of " + amount(p.Total)
	}
	if p.Unit != "" {
		line += " " + plain(p.Unit)
	}
	if p.Total > 0 {
		line += fmt.Sprintf(" (%d%%)", int(100*float64(p.Done)/float64(p.Total)))
	}
	return line
}
