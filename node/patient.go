package node

import (
	"context"
	"os"
)

// openPatiently opens the file at path for reading until ctx ends. It may be a
// pipe: opening one waits for who writes to it, and reading for what is written,
// and whoever asked may go meanwhile.
func openPatiently(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(path)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		if o.err == nil {
			context.AfterFunc(ctx, func() { o.f.Close() }) // a read that waits ends
		}
		return o.f, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				o.f.Close()
			}
		}()
		return nil, ctx.Err()
	}
}
