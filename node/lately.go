package node

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// A lately remembers the warnings of this process for status: of each kind how
// many there were, and the last. The log has them all, if somebody kept it.
type lately struct {
	mu   sync.Mutex
	what map[string]*warning // by message
}

// A warning is an Event, and how much of it the log had.
type warning struct {
	Event
	minute time.Time // began
	logged int       // in it
}

const (
	// maxEvents bounds the kinds of warnings that are remembered. They are this
	// program's own words, and fewer.
	maxEvents = 64
	// maxLogged bounds the warnings of a kind that the log has in a minute: a
	// peer that asks for a damaged block again and again must not fill a disk.
	maxLogged = 20
)

// note remembers r, which says more, and tells whether the log is to have it.
func (l *lately) note(r slog.Record, more string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.what[r.Message]
	if w == nil {
		if len(l.what) == maxEvents {
			return true
		}
		if l.what == nil {
			l.what = map[string]*warning{}
		}
		w = &warning{Event: Event{What: r.Message}}
		l.what[r.Message] = w
	}
	w.Times++
	w.Last, w.Details = r.Time, more
	if r.Time.Sub(w.minute) >= time.Minute {
		w.minute, w.logged = r.Time, 0
	}
	w.logged++
	return w.logged <= maxLogged
}

// events returns what is remembered, the latest first.
func (l *lately) events() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Event
	for _, w := range l.what {
		out = append(out, w.Event)
	}
	slices.SortFunc(out, func(a, b Event) int {
		if c := b.Last.Compare(a.Last); c != 0 {
			return c
		}
		return strings.Compare(a.What, b.What)
	})
	return out
}

// An observer is a handler of logs whose warnings are remembered, whatever the
// level of the handler that it passes records on to, if they are not too many.
type observer struct {
	slog.Handler
	to    *lately
	attrs []slog.Attr // of the logger
}

func (o observer) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || o.Handler.Enabled(ctx, level)
}

func (o observer) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		var words []string
		word := func(a slog.Attr) bool {
			words = append(words, a.String())
			return true
		}
		for _, a := range o.attrs {
			word(a)
		}
		r.Attrs(word)
		if !o.to.note(r, strings.Join(words, " ")) {
			return nil
		}
	}
	if !o.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return o.Handler.Handle(ctx, r)
}

func (o observer) WithAttrs(attrs []slog.Attr) slog.Handler {
	o.attrs = slices.Concat(o.attrs, attrs)
	o.Handler = o.Handler.WithAttrs(attrs)
	return o
}

func (o observer) WithGroup(name string) slog.Handler {
	o.Handler = o.Handler.WithGroup(name)
	return o
}
