package gateway

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const (
	pace     = 100 * time.Millisecond // between writes of progress
	backlog  = 64                     // progress kept for a client that reads slowly
	lastWord = 10 * time.Second       // for a client to take the end of an answer
)

// An answer is the stream of one call. An operation never waits for its client:
// progress is queued, the oldest dropped where the client is too slow, and
// written by a goroutine of the answer's own.
type answer struct {
	w   *json.Encoder
	out *http.ResponseController

	mu     sync.Mutex
	queue  []any
	ending chan struct{}
	ended  chan struct{}
}

// newAnswer begins an answer: the client learns at once that its call runs.
func newAnswer(w http.ResponseWriter) *answer {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	a := &answer{
		w:      json.NewEncoder(w),
		out:    http.NewResponseController(w),
		ending: make(chan struct{}),
		ended:  make(chan struct{}),
	}
	a.w.SetEscapeHTML(false)
	a.out.Flush()
	go a.run()
	return a
}

func (a *answer) progress(p any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == backlog {
		a.queue = append(a.queue[:0], a.queue[1:]...)
	}
	a.queue = append(a.queue, p)
}

func (a *answer) run() {
	defer close(a.ended)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-a.ending:
			return
		case <-tick.C:
			a.flush()
		}
	}
}

func (a *answer) flush() {
	a.mu.Lock()
	queue := a.queue
	a.queue = nil
	a.mu.Unlock()
	for _, p := range queue {
		a.w.Encode(line{Progress: p}) // a client that has left cancels the call
	}
	if len(queue) > 0 {
		a.out.Flush()
	}
}

// end writes what is left of the progress, and the result or the error.
func (a *answer) end(result any, fail *wireError) {
	a.out.SetWriteDeadline(time.Now().Add(lastWord)) // also ends a write that blocks
	close(a.ending)
	<-a.ended
	a.flush()
	l := line{Error: fail}
	if fail == nil {
		data, err := json.Marshal(result)
		if err != nil {
			l.Error = &wireError{"encode the result: " + err.Error(), codeError}
		} else {
			l.Result = json.RawMessage(data) // "null" too is a result
		}
	}
	a.w.Encode(l)
}
