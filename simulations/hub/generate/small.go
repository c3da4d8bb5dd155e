package generate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// smallPerDir is how many files a directory of small ones has.
const smallPerDir = 1000

// Small writes n files of a few bytes, a thousand in each directory under dir:
// no models, but what a scan of a disk meets. Of ten files one is empty, one
// has the bytes of the one before it, and one is said to be safetensors and is
// not. Files that are there already are left as they are.
func Small(ctx context.Context, dir string, n int) error {
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		sub := filepath.Join(dir, fmt.Sprintf("%04d", i/smallPerDir))
		if i%smallPerDir == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		name, text := smallFile(i)
		f, err := os.OpenFile(filepath.Join(sub, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// smallFile returns the name and the text of the i-th small file.
func smallFile(i int) (name, text string) {
	text = fmt.Sprintf("{\"step\": %d, \"loss\": %.3f}\n", i, 4/float64(i+1))
	switch i % 10 {
	case 3:
		return fmt.Sprintf("%06d.lock", i), ""
	case 5:
		_, text = smallFile(i - 1)
	case 7:
		return fmt.Sprintf("%06d.safetensors", i), text
	}
	return fmt.Sprintf("%06d.json", i), text
}
