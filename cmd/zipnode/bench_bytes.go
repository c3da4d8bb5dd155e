package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

const noiseFile = "model.safetensors"

// writeNoise makes dir a model of n bytes, a little more with its header, that no
// codec shrinks: one tensor of three quarters of it, and others of up to 64 MiB,
// or so many tensors of one length.
func writeNoise(dir string, n int64, tensors int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, noiseFile))
	if err != nil {
		return err
	}
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	w := bufio.NewWriterSize(f, 1<<20)
	n &^= 1
	header := func(w io.Writer) error { return noiseHeader(w, n) }
	if tensors > 0 {
		each := (n/int64(tensors) + 1) &^ 1
		header = func(w io.Writer) error { return smallHeader(w, each, tensors) }
		n = each * int64(tensors)
	}
	var length counter // first: the header of many tensors is not held in memory
	if err = header(&length); err == nil {
		err = binary.Write(w, binary.LittleEndian, uint64(length))
	}
	if err == nil {
		err = header(w)
	}
	if err == nil {
		_, err = io.CopyN(w, rand.NewChaCha8(seed), n)
	}
	return errors.Join(err, w.Flush(), f.Close())
}

// A counter counts the bytes written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// noiseHeader writes the header of a safetensors file of n bytes of bf16.
func noiseHeader(w io.Writer, n int64) error {
	const most = 64 << 20
	big := n * 3 / 4 &^ 1
	out := fmt.Appendf(nil, `{"big":{"dtype":"BF16","shape":[%d],"data_offsets":[0,%d]}`, big/2, big)
	for at := big; at < n; at += most {
		end := min(n, at+most)
		out = fmt.Appendf(out, `,"small.%d":{"dtype":"BF16","shape":[%d],"data_offsets":[%d,%d]}`, at/most, (end-at)/2, at, end)
	}
	_, err := w.Write(append(out, '}'))
	return err
}

// smallHeader writes the header of a safetensors file of so many tensors of each
// bytes.
func smallHeader(w io.Writer, each int64, tensors int) error {
	before := "{"
	for i := range int64(tensors) {
		if _, err := fmt.Fprintf(w, `%s"layer.%d":{"dtype":"BF16","shape":[%d],"data_offsets":[%d,%d]}`, before, i, each/2, i*each, (i+1)*each); err != nil {
			return err
		}
		before = ","
	}
	_, err := io.WriteString(w, "}")
	return err
}

// writeFile returns how long it takes to write n bytes to a new file, which it
// removes.
func writeFile(path string, n int64) (took time.Duration, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	buf := make([]byte, 1<<20)
	began := time.Now()
	for off := int64(0); off < n; off += int64(len(buf)) {
		if _, err := f.WriteAt(buf[:min(int64(len(buf)), n-off)], off); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// hashFile returns how long SHA-256 of the file takes on so many cores: each
// hashes pieces of 1 MiB, as add does.
func hashFile(path string, cores int) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	const piece = 1 << 20
	began := time.Now()
	var g errgroup.Group
	for c := range cores {
		g.Go(func() error {
			buf := make([]byte, piece)
			for off := int64(c) * piece; off < info.Size(); off += int64(cores) * piece {
				n, err := f.ReadAt(buf, off)
				if err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				sha256.Sum256(buf[:n])
			}
			return nil
		})
	}
	err = g.Wait()
	return time.Since(began), err
}
