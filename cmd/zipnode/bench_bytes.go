package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

const noiseFile = "weights.bin"

// writeNoise makes dir a model of n bytes that no codec shrinks.
func writeNoise(dir string, n int64) error {
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
	_, err = io.CopyN(w, rand.NewChaCha8(seed), n)
	return errors.Join(err, w.Flush(), f.Close())
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
