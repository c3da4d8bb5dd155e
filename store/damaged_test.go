package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// Damage is remembered over a restart, no more of it than is bounded, and not what
// an earlier list had.
func TestRememberDamage(t *testing.T) {
	fs := store.Memory()
	s := open(t, fs)
	found := func(from, to int) (list []store.KnownDamage) {
		for i := from; i < to; i++ {
			list = append(list, store.KnownDamage{CID: dag.Raw(fmt.Append(nil, i)).String(), Where: "here", Reason: "why", Models: []string{"m"}, Found: time.Unix(1, 0).UTC()})
		}
		return list
	}
	for _, tc := range []struct{ from, to, want int }{{0, 3, 3}, {3, 1000, store.MostDamage}, {1, 2, 1}, {0, 0, 0}} {
		if err := s.RememberDamage(found(tc.from, tc.to)); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		s = open(t, fs)
		got, err := s.Damaged()
		if len(got) != tc.want || err != nil {
			t.Errorf("%d damages of %d are remembered, %v, want %d", len(got), tc.to-tc.from, err, tc.want)
		}
	}
	closeStore(t, s)
}
