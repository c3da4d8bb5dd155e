package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Status has warnings that the log does not, and a log does not grow as fast as a
// peer can ask.
func TestLately(t *testing.T) {
	var out bytes.Buffer
	l := new(lately)
	h := observer{Handler: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}), to: l}
	slog.New(h).With("root", "r").Warn("quiet", "n", 1)
	slog.New(h).Info("not worth a word")
	if e := l.events(); len(e) != 1 || e[0].What != "quiet" || e[0].Details != "root=r n=1" || out.Len() > 0 {
		t.Errorf("remembered %+v, and logged %q", e, out.String())
	}

	h.Handler = slog.NewTextHandler(&out, nil)
	begin := time.Now()
	for i := range 3 * maxLogged {
		r := slog.NewRecord(begin.Add(time.Duration(i)*time.Second), slog.LevelWarn, "flood", 0)
		r.Add("i", i)
		if err := h.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(out.String(), "flood"); n != maxLogged {
		t.Errorf("%d of %d warnings in a minute were logged, want %d", n, 3*maxLogged, maxLogged)
	}
	if e := l.events(); len(e) != 2 || e[0].What != "flood" || e[0].Times != 3*maxLogged || e[0].Details != fmt.Sprint("i=", 3*maxLogged-1) {
		t.Errorf("remembered %+v", e)
	}
	r := slog.NewRecord(begin.Add(time.Minute), slog.LevelWarn, "flood", 0)
	r.Add("i", "later")
	if err := h.Handle(t.Context(), r); err != nil || !strings.Contains(out.String(), "i=later") {
		t.Errorf("a minute later nothing is logged (%v)", err)
	}
	for i := range 2 * maxEvents {
		slog.New(h).Warn(fmt.Sprint("kind ", i))
	}
	if n := len(l.events()); n != maxEvents {
		t.Errorf("%d kinds are remembered, want %d", n, maxEvents)
	}
}
