package node

import (
	"bytes"
	"io"
	"path"
	"strings"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/gguf"
	"github.com/zipnode/zipnode/tensor/safetensors"
)

// maxOdd is how many odd files an add names.
const maxOdd = 100

// pointer begins what Git LFS leaves in the place of a file that was not fetched.
const pointer = "version https://git-lfs.github.com/spec/"

// odd tells what is odd about a file that is kept as it is: nothing, or that its
// name says what it is not. A download that ended early is such a file.
func odd(name, format string, r io.ReaderAt, size int64) (string, error) {
	if format != tensor.Plain(0).Format {
		return "", nil
	}
	if size < 1024 {
		head := make([]byte, min(size, int64(len(pointer))))
		if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
			return "", err
		}
		if bytes.Equal(head, []byte(pointer)) {
			return "a Git LFS pointer, not the file that it stands for", nil
		}
	}
	switch ext := strings.TrimPrefix(strings.ToLower(path.Ext(name)), "."); ext {
	case safetensors.Format, gguf.Format:
		return "no whole " + ext + " file", nil
	}
	return "", nil
}
