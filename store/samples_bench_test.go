package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// Where samples lie: in goleveldb, or in files beside it. 20,000 of 8 KiB are
// put, then read in random order; written counts what compactions write too.
func BenchmarkWhereSamplesLie(b *testing.B) {
	const n = 20_000
	data := make([]byte, 8<<10)
	r := rand.NewChaCha8([32]byte{})
	id := func(i int) cid.Cid { return dag.Raw(fmt.Append(nil, i)) }
	order := rand.New(rand.NewPCG(1, 1)).Perm(n)

	b.Run("values of goleveldb", func(b *testing.B) {
		for b.Loop() {
			db, err := leveldb.OpenFile(b.TempDir(), &opt.Options{BlockCacheCapacity: 16 * opt.MiB, WriteBuffer: 8 * opt.MiB})
			if err != nil {
				b.Fatal(err)
			}
			for i := range n {
				r.Read(data)
				if err := db.Put(id(i).Bytes(), data, nil); err != nil {
					b.Fatal(err)
				}
			}
			for _, i := range order {
				if _, err := db.Get(id(i).Bytes(), nil); err != nil {
					b.Fatal(err)
				}
			}
			var stats leveldb.DBStats
			if err := db.Stats(&stats); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(stats.IOWrite)/n, "written/sample")
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/sample")
	})
	b.Run("files", func(b *testing.B) {
		for b.Loop() {
			s, err := store.Open(b.Context(), store.Config{FS: store.Dir(b.TempDir())})
			if err != nil {
				b.Fatal(err)
			}
			for i := range n {
				r.Read(data)
				if err := s.PutSample(id(i), store.Sampled{Group: fmt.Sprint(i % 100), Data: data}); err != nil {
					b.Fatal(err)
				}
			}
			for _, i := range order {
				if got, err := s.Sample(id(i)); err != nil || len(got) != len(data) {
					b.Fatal(len(got), err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/sample")
	})
}
