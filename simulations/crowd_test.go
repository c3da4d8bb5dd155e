package simulations

import (
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/zipnode/zipnode/testmodels"
)

var (
	crowds  = flag.String("crowd", "", "numbers of `fetchers`, such as 2,4,8,16")
	models  = flag.String("models", "", "`directory` with base and finetune; none: the small pair of testmodels")
	made    = flag.Int("made", 0, "`MiB` of a model that is made, of bytes that no codec shrinks; 0: -models")
	mbit    = flag.Int("mbit", 20, "bandwidth of a link, in Mbit/s")
	latency = flag.Duration("latency", 10*time.Millisecond, "from node to node, one way")
)

// sizes returns the numbers of fetchers to simulate.
func sizes(t *testing.T) []int {
	switch {
	case *crowds != "":
	case testing.Short(): // the race detector is slow
		return []int{1, 3}
	default:
		return []int{1, 2, 4, 8}
	}
	var out []int
	for s := range strings.SplitSeq(*crowds, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("-crowd: %q is no number of fetchers", s)
		}
		out = append(out, n)
	}
	return out
}

// pair returns a base and a fine-tune of it.
func pair(t *testing.T) (base, fineTune fs.FS) {
	if *made > 0 {
		return noise(1, *made), noise(2, *made)
	}
	from := fs.FS(testmodels.FS)
	if *models != "" {
		from = os.DirFS(*models)
	}
	var out [2]fs.FS
	for i, name := range []string{"base", "finetune"} {
		dir, err := fs.Sub(from, name)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = dir
	}
	return out[0], out[1]
}

// noise is a model of n MiB that no codec shrinks.
func noise(seed byte, n int) fs.FS {
	data := make([]byte, n<<20)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return fstest.MapFS{"weights.bin": {Data: data}}
}

// bubble runs fn in a synctest bubble. Pools are emptied first: the codec's
// holds zstd coders, these hold channels, and a channel made in one bubble may
// not be used in another.
func bubble(t *testing.T, fn func(*testing.T)) {
	runtime.GC() // to the victims
	runtime.GC() // and these
	synctest.Test(t, fn)
}

// TestCrowd has ever more nodes fetch a base and its fine-tune at once, checks
// every file, and prints what the origin sent.
func TestCrowd(t *testing.T) {
	base, fineTune := pair(t)
	var bases, fineTunes []Phase
	for _, n := range sizes(t) {
		c := Crowd{
			Fetchers: n, Base: base, FineTune: fineTune,
			Link: Link{BitsPerSecond: *mbit * 1_000_000, Latency: *latency},
		}
		dir := t.TempDir()
		began := time.Now()
		var res Result
		var err error
		bubble(t, func(t *testing.T) { res, err = c.Run(t.Context(), dir) })
		if err != nil {
			t.Fatalf("%d fetchers: %v", n, err)
		}
		t.Logf("%d fetchers: %v of real time", n, time.Since(began).Round(time.Millisecond))
		bases, fineTunes = append(bases, res.Base), append(fineTunes, res.FineTune)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		check(t, "base", res.Base)
		check(t, "fine-tune", res.FineTune)
	}
	report(t, "base", bases)
	report(t, "fine-tune, base there", fineTunes)
}

// check tells what no crowd may do, however well its peers feed each other: the
// origin sends one copy at least, and one for each fetcher at most; everyone
// takes one copy.
func check(t *testing.T, what string, p Phase) {
	n := float64(p.Fetchers)
	if got := p.OriginCopies(); got < 0.9 || got > 1.1*n {
		t.Errorf("%s: the origin sent %.2f copies to %d fetchers", what, got, p.Fetchers)
	}
	if got := p.copies(p.Fetched) / n; got < 0.9 || got > 1.1 {
		t.Errorf("%s: %d fetchers took %.2f copies each", what, p.Fetchers, got)
	}
}

func report(t *testing.T, what string, phases []Phase) {
	var s strings.Builder
	if err := WriteTable(&s, phases); err != nil {
		t.Fatal(err)
	}
	p := phases[0]
	t.Logf("%s: %d bytes, %d encoded; links of %d Mbit/s, %v one way\n%s",
		what, p.Bytes, p.Copy, p.Link.BitsPerSecond/1_000_000, p.Link.Latency, s.String())
}

// TestSame checks the comparison that every crowd relies on.
func TestSame(t *testing.T) {
	want := fstest.MapFS{"a": {Data: []byte("1")}, "d/b": {}}
	for _, tc := range []struct {
		name string
		got  fstest.MapFS
		ok   bool
	}{
		{"the same", fstest.MapFS{"a": {Data: []byte("1")}, "d/b": {}}, true},
		{"a byte", fstest.MapFS{"a": {Data: []byte("2")}, "d/b": {}}, false},
		{"one missing", fstest.MapFS{"a": {Data: []byte("1")}}, false},
		{"an empty one more", fstest.MapFS{"a": {Data: []byte("1")}, "d/b": {}, "c": {}}, false},
	} {
		if err := same(tc.got, want); (err == nil) != tc.ok {
			t.Errorf("%s: %v, want it to pass: %v", tc.name, err, tc.ok)
		}
	}
}
