package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/testmodels"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"llama", "org/name@revision", "Qwen2.5-7B", "модель", "a b", ".hidden", strings.Repeat("x", 255)} {
		if err := node.CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	for _, tc := range []struct{ name, why string }{
		{"", "nothing"},
		{"-o", "looks like a flag"},
		{"a\x00b", "a control character"},
		{"a\u202eb", "turns the text around it"},
		{"\xff", "not UTF-8"},
		{"a/../../etc", "leads out of the directory that get writes"},
		{"..", "the same"},
		{"/etc", "an absolute path"},
		{"a//b", "an empty part"},
		{`a\b`, "a path on windows"},
		{" a", "a space that nobody sees"},
		{someCID, "a CID"},
		{"QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "a CID of version 0"},
		{strings.Repeat("x", 256), "too long"},
	} {
		if err := node.CheckName(tc.name); err == nil || codeOf(err) != node.CodeUsage {
			t.Errorf("CheckName(%q) = %v: %s", tc.name, err, tc.why)
		}
	}
}

func TestSize(t *testing.T) {
	for _, tc := range []struct {
		n    int64
		want string
	}{
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1<<20 - 1, "1.0 MiB"}, {3 << 30, "3.0 GiB"}, {5 << 50, "5.0 PiB"}, {-2048, "-2.0 KiB"},
	} {
		if got := size(tc.n); got != tc.want {
			t.Errorf("size(%d) = %q, want %q", tc.n, got, tc.want)
		}
	}
}

func TestCompared(t *testing.T) {
	for _, tc := range []struct {
		part, whole int64
		says, cell  string
	}{
		{1 << 20, 4 << 20, "1.0 MiB, 75.0% saved", "75.0%"},
		{0, 100, "0 B, 100.0% saved", "100.0%"},
		{1, 1 << 20, "1 B, 99.9% saved", "99.9%"},
		{100, 100, "100 B, 0.0% saved", "0.0%"},
		{3000, 30, "2.9 KiB", "none"}, // headers, of a tiny model
		{0, 0, "0 B", "-"},
		{3 << 20, 2 << 20, "3.0 MiB, 1.0 MiB more than the files", "none"},
	} {
		if says, cell := instead(tc.part, tc.whole), saved(tc.part, tc.whole); says != tc.says || cell != tc.cell {
			t.Errorf("%d instead of %d: %q, %q; want %q, %q", tc.part, tc.whole, says, cell, tc.says, tc.cell)
		}
	}
}

func TestGC(t *testing.T) {
	for _, tc := range []struct {
		r    node.GCResult
		dry  bool
		want string
	}{
		{node.GCResult{Kept: 9}, false, "nothing to free: 9 blocks stay\n"},
		{node.GCResult{Kept: 9, Leased: 3 << 20}, true, "nothing to free: 9 blocks stay\n3.0 MiB are kept for a day for interrupted work: 'zipnode gc --all' frees them\n"},
		{node.GCResult{Blocks: 1, Kept: 9, Freed: 1 << 20}, true, "would free 1.0 MiB: 1 block would go, 9 stay\n"},
		{node.GCResult{Blocks: 2, Kept: 9, Freed: 1 << 20}, false, "freed 1.0 MiB: 2 blocks gone, 9 left\n"},
	} {
		var b bytes.Buffer
		if printGC(&b, &tc.r, tc.dry); b.String() != tc.want {
			t.Errorf("gc of %+v prints %q, want %q", tc.r, b.String(), tc.want)
		}
	}
	f := answers(&node.GCResult{}, nil)
	zipnode(t.Context(), newDir(t), f.open, "gc", "--all").want(t, 0, "", "")
	if want := `gc {"all":true}`; f.calls[0] != want {
		t.Errorf("calls %v, want %s", f.calls, want)
	}
}

// TestNameless: models and lists without what a line is about.
func TestNameless(t *testing.T) {
	dir := newDir(t)
	kept := node.ModelLine{CID: someCID, Pinned: true}
	ls := answers(&node.LsResult{Models: []node.ModelLine{kept, {Name: "llama", CID: someCID, Pinned: true}}}, nil)
	zipnode(t.Context(), dir, ls.open, "ls").want(t, 0, "1 model kept without a name: by its CID, 'zipnode rm CID' lets one go\n", "")
	show := answers(&node.ShowResult{ModelLine: kept}, nil)
	zipnode(t.Context(), dir, show.open, "show", someCID).want(t, 0, "name     none: it goes by its CID\n", "")
	zipnode(t.Context(), dir, answers(&node.PinResult{}, nil).open, "pin", "ls").want(t, 0, "nothing is kept yet", "")
	seeds := answers(&node.StatusResult{Seeding: []node.SeedingLine{{CID: someCID, Providers: -1}, {Name: "llama", CID: someCID, Providers: 2}}}, nil)
	zipnode(t.Context(), dir, seeds.open, "status").want(t, 0, "not counted yet\n", "")
}

func TestParseSize(t *testing.T) {
	for _, tc := range []struct {
		s    string
		want int64
	}{
		{"", 0}, {"0", 0}, {"12", 12}, {"1B", 1}, {"500GiB", 500 << 30}, {"1.5 TiB", 3 << 39}, {"2GB", 2e9},
	} {
		if got, err := parseSize(tc.s); err != nil || got != tc.want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", tc.s, got, err, tc.want)
		}
	}
	for _, s := range []string{"GiB", "-1", "NaN", "inf", "1XB", "9999999TiB", "1 2"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("parseSize(%q) = %d", s, got)
		}
	}
}

func TestTook(t *testing.T) {
	for _, tc := range []struct {
		s    float64
		want string
	}{
		{0.0321, "32ms"}, {1.26, "1.3s"}, {125.4, "2m5s"},
	} {
		if got := took(tc.s); got != tc.want {
			t.Errorf("took(%v) = %q, want %q", tc.s, got, tc.want)
		}
	}
}

func TestTable(t *testing.T) {
	tb := table{right: " r"}
	tb.add("NAME", "SIZE", "KEPT")
	tb.add("модель", "1 B", "yes")
	tb.add("a", "100 KiB", "")
	var b bytes.Buffer
	tb.write(&b)
	want := "NAME       SIZE  KEPT\nмодель      1 B  yes\na       100 KiB\n"
	if b.String() != want {
		t.Errorf("the table is\n%s\nwant\n%s", b.String(), want)
	}
}

func TestPlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := newPlainLines(&b)
		for i := range int64(120) { // 12 seconds
			l.report(node.Progress{Stage: "fetch", Done: i << 20, Total: 120 << 20})
			time.Sleep(100 * time.Millisecond)
		}
		want := "zipnode: fetch: 25.0 MiB of 120.0 MiB (20%)\nzipnode: fetch: 75.0 MiB of 120.0 MiB (62%)\n"
		if b.String() != want {
			t.Errorf("12 seconds of progress are\n%s\nwant\n%s", b.String(), want)
		}
	})
}

// TestPlainLinesOfBlocks: a stage that counts nothing is said once, however
// many blocks it has.
func TestPlainLinesOfBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := newPlainLines(&b)
		for range 100 {
			l.report(node.Progress{Stage: "repair", Name: someCID})
			time.Sleep(time.Second)
		}
		if want := "zipnode: repair\n"; b.String() != want {
			t.Errorf("100 blocks are\n%s\nwant\n%s", b.String(), want)
		}
	})
}

// TestBars guards that bars end, whatever was reported: nothing, less than the
// total, more, or no total at all.
func TestBars(t *testing.T) {
	var quick, long bytes.Buffer
	b := newBars(&quick)
	b.report(node.Progress{Stage: "read", Done: 1})
	b.done()
	if quick.Len() > 0 {
		t.Errorf("a quick operation draws %q", quick.String())
	}
	stuck := newBars(&quick)
	stuck.report(node.Progress{Stage: "repair", Total: 3, Unit: "blocks"})
	time.Sleep(barsAfter + 100*time.Millisecond)
	if stuck.done(); !strings.Contains(quick.String(), "repair") {
		t.Errorf("a stage that hangs from the start draws %q", quick.String())
	}
	b = newBars(&long)
	b.begin = time.Now().Add(-time.Minute)
	for i := range int64(5) {
		b.report(node.Progress{Stage: "read", Done: i << 20, Total: 8 << 20})
		b.report(node.Progress{Stage: "plan", Done: i, Total: 2, Unit: "tensors"})
		b.report(node.Progress{Stage: "fetch", Done: i << 20})
	}
	b.report(node.Progress{Stage: "bare"})
	b.report(node.Progress{Stage: "later"})
	b.report(node.Progress{Stage: "later", Done: 2 << 20, Total: 2 << 20})
	b.done()
	b.report(node.Progress{Stage: "late"})
	for _, want := range []string{"read", "4.0 MiB", "plan", "tensors", "fetch", "bare", "later", "2.0 MiB / 2.0 MiB"} {
		if !strings.Contains(long.String(), want) {
			t.Errorf("the bars lack %q:\n%s", want, long.String())
		}
	}
}

func TestProgressLine(t *testing.T) {
	for _, tc := range []struct {
		p    node.Progress
		want string
	}{
		{node.Progress{Stage: "plan"}, "plan"},
		{node.Progress{Stage: "read", Done: 1 << 20}, "read: 1.0 MiB"},
		{node.Progress{Stage: "plan", Done: 3, Total: 12, Unit: "tensors"}, "plan: 3 of 12 tensors (25%)"},
	} {
		if got := progressLine(tc.p); got != tc.want {
			t.Errorf("progressLine(%+v) = %q, want %q", tc.p, got, tc.want)
		}
	}
}

func TestSettings(t *testing.T) {
	dir := newDir(t)
	f := answers(nil, nil)
	set := func(args ...string) run {
		return zipnode(t.Context(), dir, f.open, append([]string{"config"}, args...)...)
	}
	set("get", "mdns").want(t, 0, "true\n", "")
	set("set", "quota", "500GiB").want(t, 0, "quota = 500GiB", "")
	set("set", "mdns", "false").want(t, 0, "", "")
	set("set", "listen", "/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2").want(t, 0, "", "")
	set("get").want(t, 0, "listen     /ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2\n", "")
	set("get", "--json").want(t, 0, `{"listen":["/ip4/127.0.0.1/tcp/1","/ip4/127.0.0.1/tcp/2"],"bootstrap":[],"mdns":false,"public":false,"quota":"500GiB"}`, "")
	set("set", "quota", "much").want(t, 2, "", "no size")
	set("set", "bootstrap", "/ip4/127.0.0.1/tcp/1").want(t, 2, "", "/p2p/ID")
	set("set", "listen").want(t, 0, "", "")
	set("get", "listen", "-q").want(t, 0, "", "")
	set("get", "quota").want(t, 0, "500GiB\n", "")
	t.Setenv("ZIPNODE_QUOTA", "1GiB")
	t.Setenv("ZIPNODE_NO_MDNS", "true")
	set("get", "quota").want(t, 0, "500GiB\n", `ZIPNODE_QUOTA="1GiB" wins over quota of config.toml`)
	set("get").want(t, 0, "500GiB", `ZIPNODE_NO_MDNS="true" wins over mdns`)
	set("set", "quota", "2GiB").want(t, 0, "2GiB", "ZIPNODE_QUOTA")
	if r := set("get", "listen"); r.errOut != "" {
		t.Errorf("get listen says %q", r.errOut)
	}
	if info, err := os.Stat(filepath.Join(dir, settingsName)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("config.toml: %v, %v; want mode 0600", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, settingsName+".*")); len(left) > 0 {
		t.Errorf("a temporary file is left: %v", left)
	}
}

func TestBadSettings(t *testing.T) {
	for _, tc := range []struct{ file, says string }{
		{"quotta = '1GiB'", `unknown key "quotta"`},
		{"[p2p]\nmdns = true", `unknown key "p2p`},
		{"quota = 'much'", "quota"},
		{"mdns = 'yes'", "mdns"},
		{"listen = ['localhost']", "no multiaddr"},
		{"listen = ", "config.toml"},
	} {
		dir := newDir(t)
		if err := os.WriteFile(filepath.Join(dir, settingsName), []byte(tc.file), 0o600); err != nil {
			t.Fatal(err)
		}
		f := answers(nil, nil)
		zipnode(t.Context(), dir, f.open, "ls").want(t, 2, "", tc.says)
		zipnode(t.Context(), dir, f.open, "config", "get").want(t, 2, "", tc.says)
	}
}

func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	_, _, err = listenAddrs([]string{"/ip4/127.0.0.1/tcp/" + port})
	if err == nil || !strings.Contains(err.Error(), "can't listen at /ip4/127.0.0.1/tcp/"+port) {
		t.Errorf("a taken port that was asked for: %v", err)
	}
	free := []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}
	if got, moved, err := listenAddrs(free); err != nil || moved || len(got) != 2 {
		t.Errorf("listenAddrs(%v) = %v, %v, %v", free, got, moved, err)
	}
	if ln, err := net.Listen("tcp", "0.0.0.0:"+defaultPort); err == nil {
		defer ln.Close()
	}
	got, moved, err := listenAddrs(nil)
	if want := "/ip4/0.0.0.0/tcp/0 /ip4/0.0.0.0/udp/0/quic-v1"; err != nil || !moved || strings.Join(got, " ") != want {
		t.Errorf("with the default port taken: %v, %v, %v; want %s", got, moved, err, want)
	}
}

func TestDemoModels(t *testing.T) {
	dir := newDir(t)
	if err := testmodels.Write(dir); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(filepath.Join(dir, "a-stranger"), 0o700)
	os.Mkdir(filepath.Join(dir, ".hidden"), 0o700)
	os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600)
	paths, err := demoModels(dir)
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	if want := "base finetune lora-merged a-stranger"; err != nil || strings.Join(names, " ") != want {
		t.Errorf("demoModels() = %v, %v; want %s", names, err, want)
	}
	if _, err := demoModels(newDir(t)); codeOf(err) != node.CodeNotFound {
		t.Errorf("no models: %v", err)
	}
}

func TestMostDeltas(t *testing.T) {
	models := []node.AddResult{
		{Name: "base", Tensors: 10, TensorsNew: 10},
		{Name: "base-fp16", Tensors: 10, TensorsNew: 10, TensorsDelta: 1},
		{Name: "a", Tensors: 10, TensorsNew: 5, TensorsDelta: 5},
		{Name: "b", Tensors: 10, TensorsNew: 9, TensorsDelta: 9},
		{Name: "empty"},
		{Name: "c", Tensors: 2, TensorsNew: 2, TensorsDelta: 1},
	}
	if got := fmt.Sprint(mostDeltas(models, 3)); got != "[3 2 5]" {
		t.Errorf("mostDeltas() = %s", got)
	}
	r := node.ShowResult{FileList: []node.ShowFile{{Tensors: []node.ShowTensor{{BaseOf: "x/a/b"}, {BaseOf: "base/a"}, {}, {BaseOf: "base/b"}}}}}
	if got := baseOf(&r); got != "base" {
		t.Errorf("baseOf() = %q", got)
	}
	if got := baseOf(&node.ShowResult{}); got != "" {
		t.Errorf("baseOf() of nothing = %q", got)
	}
}

func TestCompareTrees(t *testing.T) {
	want := newDir(t)
	if err := testmodels.Write(want); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("base", "model.safetensors")
	whole, err := fs.ReadFile(testmodels.FS, "base/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1] ^= 1
	for _, tc := range []struct {
		name string
		data []byte
		ok   bool
	}{
		{"equal", whole, true},
		{"last bit flipped", flipped, false},
		{"one byte less", whole[:len(whole)-1], false},
		{"one byte more", append(bytes.Clone(whole), 0), false},
		{"cut at a MiB", whole[:1<<20], false},
		{"empty", nil, false},
	} {
		got := newDir(t)
		os.Mkdir(filepath.Join(got, "base"), 0o700)
		os.WriteFile(filepath.Join(got, file), tc.data, 0o600)
		files, n, err := compareTrees(got, want)
		if tc.ok != (err == nil) || files != 1 {
			t.Errorf("%s: %d files, %d bytes, %v", tc.name, files, n, err)
		}
	}
	got := newDir(t)
	os.WriteFile(filepath.Join(got, "extra"), nil, 0o600)
	if _, _, err := compareTrees(got, want); err == nil {
		t.Error("a file that the original lacks goes unseen")
	}
}
