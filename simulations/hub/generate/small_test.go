package generate

import (
	"io/fs"
	"os"
	"testing"
)

func TestSmall(t *testing.T) {
	dir := t.TempDir()
	const n = 2010
	for range 2 { // the second time, all are there
		if err := Small(t.Context(), dir, n); err != nil {
			t.Fatal(err)
		}
	}
	files, empty, texts := 0, 0, map[string]bool{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(os.DirFS(dir), path)
		files++
		if len(text) == 0 {
			empty++
		} else {
			texts[string(text)] = true
		}
		return err
	})
	if err != nil || files != n || empty != n/10 || len(texts) != n*8/10 {
		t.Errorf("%d files, %d of them empty, %d different texts, error %v; want %d, %d, %d", files, empty, len(texts), err, n, n/10, n*8/10)
	}
}
