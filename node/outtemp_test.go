package node

import (
	"sync"
	"testing"
)

// Gets that begin at once, while each looks for what killed ones left, keep their
// own temporaries.
func TestTemporariesOfGetsAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				o, err := openOut(dir)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := o.root.Lstat(o.dir); err != nil {
					t.Errorf("the temporaries of a get that runs: %v", err)
				}
				if err := o.close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
