package window_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/internal/window"
)

func TestReader(t *testing.T) {
	r := window.New(strings.NewReader("0123456789"), 2, 8)
	if b, err := r.Peek(); b != '2' || err != nil {
		t.Errorf("Peek = %q, %v, want '2'", b, err)
	}
	if b, err := r.Byte(); b != '2' || err != nil {
		t.Errorf("Byte = %q, %v, want '2'", b, err)
	}
	if err := r.Skip(2); err != nil || r.Offset() != 5 || r.Left() != 3 {
		t.Errorf("Skip: %v, at %d, %d left", err, r.Offset(), r.Left())
	}
	p := make([]byte, 3)
	if err := r.Full(p); err != nil || string(p) != "567" {
		t.Errorf("Full = %q, %v, want 567", p, err)
	}
	if _, err := r.Byte(); !errors.Is(err, tensor.ErrNotFormat) {
		t.Errorf("Byte at the end: %v, want ErrNotFormat", err)
	}
}

func TestReaderTooFar(t *testing.T) {
	for what, read := range map[string]func(*window.Reader) error{
		"full":        func(r *window.Reader) error { return r.Full(make([]byte, 7)) },
		"skip":        func(r *window.Reader) error { return r.Skip(7) },
		"skip 2^64-1": func(r *window.Reader) error { return r.Skip(1<<64 - 1) },
		"uint64":      func(r *window.Reader) error { _, err := r.Uint64(); return err },
	} {
		r := window.New(strings.NewReader("0123456789"), 2, 8)
		if err := read(r); !errors.Is(err, tensor.ErrNotFormat) {
			t.Errorf("%s: %v, want ErrNotFormat", what, err)
		}
	}
	if err := window.New(strings.NewReader("0123"), 2, 8).Full(make([]byte, 6)); err != io.ErrUnexpectedEOF {
		t.Errorf("source that is too short: %v, want ErrUnexpectedEOF", err)
	}
}

// Skip passes over what is buffered and what is not.
func TestReaderSkipFar(t *testing.T) {
	s := strings.Repeat("x", 200_000) + "yz"
	r := window.New(strings.NewReader(s), 0, int64(len(s)))
	if _, err := r.Byte(); err != nil {
		t.Fatal(err)
	}
	if err := r.Skip(199_999); err != nil {
		t.Fatal(err)
	}
	if b, err := r.Byte(); b != 'y' || err != nil {
		t.Errorf("Byte = %q, %v, want 'y'", b, err)
	}
}
