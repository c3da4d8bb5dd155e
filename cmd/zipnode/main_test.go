package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/store"
)

const someCID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"

func TestUsage(t *testing.T) {
	f := answers(nil, errors.New("the node was called"))
	for _, tc := range []struct {
		args string // of which ~ is a directory that is there
		says string
	}{
		{"frobnicate", "unknown command"},
		{"addd", "unknown command \"addd\" for \"zipnode\": did you mean add (see"},
		{"diff a", "needs another model to compare it with"},
		{"ls --frobnicate", "unknown flag"},
		{"ls extra", "takes no arguments, but \"extra\""},
		{"add", "'zipnode add' needs a directory or a file"},
		{"add ~ more", "\"more\" after"},
		{"get", "needs the CID or name of a model"},
		{"get x y", "\"y\" after \"x\""},
		{"help nosuch", "there is no command \"nosuch\""},
		{"help add nosuch", "there is no command \"add nosuch\""},
		{"pin", "add, rm, ls"},
		{"pin frobnicate", "unknown command"},
		{"peers", "ls, connect"},
		{"add ~ --name -x", "dash"},
		{"add ~ --name a/../b", "dotted"},
		{"add ~ --name a\x1bb", "does not print"},
		{"add ~ --name " + someCID, "is a CID"},
		{"add ~ --base ../x", "--base"},
		{"get a//b", "empty or dotted"},
		{"get x --include [", "no pattern"},
		{"get x --bootstrap /ip4/1.2.3.4/tcp/1", "/p2p/ID"},
		{"get x --bootstrap 1.2.3.4:1", "no multiaddr"},
		{"serve --listen localhost:4011", "no multiaddr"},
		{"serve --listen /ip4/127.0.0.1", "nothing to listen at"},
		{"serve --listen /ip4/127.0.0.1/udp/4011", "nothing to listen at"},
		{"import -", "--name"},
		{"serve --quota lots", "no size"},
		{"peers connect /ip4/1.2.3.4/tcp/1", "/p2p/ID"},
		{"export x", "-o FILE"},
		{"export x -o ~", "is a directory"},
		{"export x -o ~/nosuch/x.car", "nosuch does not exist"},
		{"add ~/\xff", "not UTF-8: rename it"},
		{"import ~/\xff.car", "not UTF-8: rename it"},
		{"export x -o ~/\xff.car", "not UTF-8: rename it"},
		{"get x -o ~/\xff", "not UTF-8: rename it"},
		{"rm " + strings.Repeat("x", 5000), "is too long: 5000 bytes"},
		{"export x -o - --json", "both"},
		{"config get colour", "no setting"},
		{"config set", "needs the setting to change"},
		{"config set mdns perhaps", "neither"},
		{"ls --progress=loud", "none of auto"},
		{"ls --wait=-1s", "negative"},
		{"ls --timeout=soon", "invalid"},
	} {
		dir := newDir(t)
		args := strings.Fields(strings.ReplaceAll(tc.args, "~", dir))
		r := zipnode(t.Context(), dir, f.open, args...)
		r.want(t, 2, "", tc.says)
		if r.out != "" || len(r.errOut) > 400 || strings.Count(r.errOut, "\n") != 1 || !strings.HasPrefix(r.errOut, "zipnode: ") {
			t.Errorf("%s: stdout %q, stderr %q: want one sentence", tc.args, r.out, r.errOut)
		}
	}
	if len(f.calls) > 0 {
		t.Errorf("the node was called: %v", f.calls)
	}
}

func TestHelp(t *testing.T) {
	f := answers(nil, nil)
	for _, args := range []string{"", "--help", "help", "help add", "help config set", "add -h", "completion bash"} {
		r := zipnode(t.Context(), newDir(t), f.open, strings.Fields(args)...)
		if r.code != 0 || r.out == "" || r.errOut != "" {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for code, want := range exits {
		err := fmt.Errorf("get x: %w", node.WithCode(code, errors.New("it is so")))
		zipnode(t.Context(), newDir(t), answers(nil, err).open, "ls", "--wait=0").want(t, want, "", "zipnode: get x: it is so")
	}
	for err, want := range map[error]int{
		errors.New("plain"): 1,
		&fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}:  7,
		&fs.PathError{Op: "write", Path: "x", Err: store.ErrFull}: 8,
	} {
		zipnode(t.Context(), newDir(t), answers(nil, err).open, "ls").want(t, want, "", "zipnode: "+err.Error())
	}
}

// TestErrorIsOneLine guards the terminal from words that came from a peer.
func TestErrorIsOneLine(t *testing.T) {
	err := errors.Join(errors.New("file \x1b[2J\u202e is odd"), errors.New("and more"))
	r := zipnode(t.Context(), newDir(t), answers(nil, err).open, "ls")
	if want := "zipnode: file \\x1b[2J\\u202e is odd; and more\n"; r.errOut != want {
		t.Errorf("stderr %q, want %q", r.errOut, want)
	}
}

func TestNoStore(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"ls", 10, "no store at"},
		{"show x", 10, "run 'zipnode init' or 'zipnode add'"},
		{"config get", 10, "no store at"},
		{"peers ls", 10, "start 'zipnode serve'"},
		{"get x", 0, "new store at"},
		{"get x -q", 0, ""},
	} {
		dir := filepath.Join(newDir(t), "store")
		f := answers(struct{}{}, nil)
		open := func(ctx context.Context, cfg node.Config) (owner, error) {
			if _, err := os.Stat(cfg.Dir); err != nil {
				return nil, fmt.Errorf("open: %w", node.ErrNoStore)
			}
			return f.open(ctx, cfg)
		}
		r := zipnode(t.Context(), dir, open, strings.Fields(tc.args)...)
		r.want(t, tc.code, "", tc.says)
		if tc.says == "" && r.errOut != "" {
			t.Errorf("-q says %q", r.errOut)
		}
	}
}

func TestAdd(t *testing.T) {
	model := filepath.Join(newDir(t), "llama")
	if err := os.Mkdir(model, 0o700); err != nil {
		t.Fatal(err)
	}
	f := answers(&node.AddResult{
		CID: someCID, Packing: "bafyp", Name: "llama", Files: 3, Bytes: 4 << 20,
		Tensors: 10, TensorsNew: 7, TensorsDelta: 4, StoredNew: 1 << 20, Seconds: 1.26,
	}, nil)
	want := `added llama
  cid      ` + someCID + `
  files    3, 4.0 MiB
  tensors  10: 3 here before, 7 new, of these 4 as deltas
  stored   1.0 MiB, 75.0% saved
  time     1.3s
`
	dir := newDir(t)
	if r := zipnode(t.Context(), dir, f.open, "add", model, "--base=none", "--no-pin"); r.out != want || r.errOut != "" {
		t.Errorf("add prints\n%s%s\nwant\n%s", r.out, r.errOut, want)
	}
	args, _ := json.Marshal(node.AddRequest{Path: model, Name: "llama", Base: "none", NoPin: true})
	if len(f.calls) != 1 || f.calls[0] != "add "+string(args) || f.closed != 1 {
		t.Errorf("calls %v, closed %d times; want add %s, once", f.calls, f.closed, args)
	}
	zipnode(t.Context(), dir, f.open, "add", model, "-q").want(t, 0, someCID+"\n", "")
	r := zipnode(t.Context(), dir, f.open, "add", model, "--json")
	var got map[string]any
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("--json prints %q: %v", r.out, err)
	}
	for key := range strings.FieldsSeq("cid packing name files bytes tensors tensors_new tensors_delta stored_new seconds") {
		if _, ok := got[key]; !ok {
			t.Errorf("--json lacks %q: %s", key, r.out)
		}
	}
	f = answers(&node.AddResult{CID: someCID, Name: "llama", Bytes: 10, StoredNew: 3000, Replaced: "bafyold"}, nil)
	r = zipnode(t.Context(), dir, f.open, "add", model)
	r.want(t, 0, "stored   2.9 KiB\n", "llama meant bafyold before; that model is kept and goes by its CID ('zipnode rm bafyold' lets it go)")
	if r := zipnode(t.Context(), dir, f.open, "add", model, "-q"); r.errOut != "" {
		t.Errorf("-q says %q", r.errOut)
	}
	zipnode(t.Context(), dir, f.open, "add", filepath.Join(model, "missing")).want(t, 4, "", "there is no file or directory")
}

func TestGet(t *testing.T) {
	f := answers(&node.GetResult{CID: someCID, Out: "/out", Bytes: 4 << 20, Fetched: 1 << 20, Reused: 3 << 20, Peers: 2, Seconds: 0.25}, nil)
	r := zipnode(t.Context(), newDir(t), f.open, "get", "org/name@v1", "--include", "*.json", "--bootstrap",
		"/ip4/10.0.0.7/tcp/4011/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN")
	r.want(t, 0, "fetched  1.0 MiB from 2 peers, 75.0% saved", "")
	out, _ := filepath.Abs(filepath.FromSlash("org/name@v1"))
	args, _ := json.Marshal(node.GetRequest{Ref: "org/name@v1", Out: out, Include: []string{"*.json"}})
	if len(f.calls) != 1 || f.calls[0] != "get "+string(args) {
		t.Errorf("calls %v, want get %s", f.calls, args)
	}
	if cfg := f.opened[0]; !cfg.Network || cfg.Serve || len(cfg.Bootstrap) != 1 || !cfg.MDNS {
		t.Errorf("opened with %+v", cfg)
	}
}

// TestGetAgain: what was there already is not said to be written.
func TestGetAgain(t *testing.T) {
	dir, out := newDir(t), newDir(t)
	writes := false
	f := &fake{call: func(context.Context, string, json.RawMessage, func(any)) (any, error) {
		if writes {
			os.WriteFile(filepath.Join(out, "config.json"), nil, 0o600)
		}
		return &node.GetResult{CID: someCID, Out: out, Bytes: 1 << 20, Reused: 1 << 20}, nil
	}}
	if err := os.WriteFile(filepath.Join(out, "model.safetensors"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	zipnode(t.Context(), dir, f.open, "get", "x", "-o", out).want(t, 0, "already, 1.0 MiB: nothing written\n", "")
	writes = true
	zipnode(t.Context(), dir, f.open, "get", "x", "-o", out).want(t, 0, "fetched  nothing: all of it was here\n", "")
}

// TestEnvironmentIsNamed: a bad value is blamed on the variable that has it.
func TestEnvironmentIsNamed(t *testing.T) {
	f := answers(&node.LsResult{}, nil)
	for _, tc := range []struct{ name, value string }{
		{"ZIPNODE_PROGRESS", "loud"}, {"ZIPNODE_WAIT", "-1s"}, {"ZIPNODE_TIMEOUT", "soon"}, {"ZIPNODE_JSON", "perhaps"},
		{"ZIPNODE_QUOTA", "lots"}, {"ZIPNODE_LISTEN", "localhost"}, {"ZIPNODE_BOOTSTRAP", "/ip4/1.2.3.4/tcp/1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(tc.name, tc.value)
			zipnode(t.Context(), newDir(t), f.open, "ls").want(t, 2, "", tc.name)
		})
	}
}

// TestDenied: the system's words for another user's store name a socket or a
// lock, of which the user knows nothing.
func TestDenied(t *testing.T) {
	dir := newDir(t)
	for _, tc := range []struct {
		err  error
		code int
		says string
	}{
		{&fs.PathError{Op: "open", Path: filepath.Join(dir, "lock"), Err: fs.ErrPermission}, 7, "this user may not write to the store at " + dir},
		{&fs.PathError{Op: "open", Path: filepath.Join(dir, "lock"), Err: syscall.EROFS}, 7, "is on a read-only file system"},
		{&net.OpError{Op: "dial", Net: "unix", Err: syscall.EACCES}, 7, "the store at " + dir},
		{&fs.PathError{Op: "open", Path: filepath.Join(dir, "..", "model"), Err: errors.New("odd")}, 1, "odd"},
		{node.WithCode(node.CodeDenied, &fs.PathError{Op: "open", Path: filepath.Dir(dir), Err: fs.ErrPermission}), 7, "open " + filepath.Dir(dir)},
	} {
		open := func(context.Context, node.Config) (owner, error) { return nil, fmt.Errorf("lock it: %w", tc.err) }
		zipnode(t.Context(), dir, open, "ls").want(t, tc.code, "", tc.says)
	}
}

// TestHostileNames guards the terminal: a model's maker chose these.
func TestHostileNames(t *testing.T) {
	f := answers(&node.ShowResult{FileList: []node.ShowFile{{
		Path: "a\x1b]0;owned\x07", Tensors: []node.ShowTensor{{Name: "t\nu\u202e", DType: "BF16", Shape: []uint64{3, 4}}},
	}}}, nil)
	r := zipnode(t.Context(), newDir(t), f.open, "show", "x")
	r.want(t, 0, `a\x1b]0;owned\a`, "")
	r.want(t, 0, `t\nu\u202e  BF16   3x4`, "")
}

func TestVerify(t *testing.T) {
	for _, tc := range []struct {
		damage []node.Damage
		code   int
		says   string
	}{
		{nil, 0, ""},
		{[]node.Damage{{CID: "bafyx", Repaired: true}}, 0, ""},
		{[]node.Damage{{CID: "bafyx", Repaired: true}, {CID: "bafyy", Models: []string{"llama"}}}, 6, "1 block damaged"},
		{[]node.Damage{{CID: "bafyy"}}, 6, "'zipnode verify --bootstrap ADDR'"},
	} {
		f := answers(&node.VerifyResult{Blocks: 9, Corrupt: tc.damage}, nil)
		r := zipnode(t.Context(), newDir(t), f.open, "verify", "--json")
		r.want(t, tc.code, `"blocks":9`, tc.says)
		if !json.Valid([]byte(r.out)) {
			t.Errorf("stdout is no object: %q", r.out)
		}
		zipnode(t.Context(), newDir(t), f.open, "verify").want(t, tc.code, "checked 9 blocks", tc.says)
	}
}

// waits is an operation that ends only with its context.
func waits(started chan<- bool) *fake {
	return &fake{call: func(ctx context.Context, _ string, _ json.RawMessage, _ func(any)) (any, error) {
		close(started)
		<-ctx.Done()
		return nil, fmt.Errorf("read model.safetensors: %w", ctx.Err())
	}}
}

func TestTimeout(t *testing.T) {
	f := waits(make(chan bool))
	zipnode(t.Context(), newDir(t), f.open, "ls", "--timeout=50ms").want(t, 1, "", "zipnode: gave up: --timeout 50ms is over\n")
	if f.closed != 1 {
		t.Error("the node was not closed")
	}
}

func TestInterrupt(t *testing.T) {
	started := make(chan bool)
	f := waits(started)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-started
		cancel(errInterrupted)
	}()
	zipnode(ctx, newDir(t), f.open, "ls").want(t, 130, "", "zipnode: interrupted\n")
	if f.closed != 1 {
		t.Error("the node was not closed")
	}
}

func TestEnvironment(t *testing.T) {
	dir := newDir(t)
	f := answers(&node.LsResult{}, nil)
	t.Setenv("ZIPNODE_JSON", "true")
	t.Setenv("ZIPNODE_DIR", filepath.Join(dir, "unused"))
	zipnode(t.Context(), dir, f.open, "ls").want(t, 0, `{"models":null}`, "")
	if f.opened[0].Dir != dir {
		t.Errorf("opened %s: --dir must win over ZIPNODE_DIR", f.opened[0].Dir)
	}
	t.Setenv("ZIPNODE_QUOTA", "1GiB") // ls has no such flag, but a node has
	t.Setenv("ZIPNODE_NO_MDNS", "true")
	zipnode(t.Context(), dir, f.open, "ls").want(t, 0, "", "")
	if cfg := f.opened[1]; cfg.Quota != 1<<30 || cfg.MDNS {
		t.Errorf("opened with %+v", cfg)
	}
	t.Setenv("ZIPNODE_WAIT", "soon")
	zipnode(t.Context(), dir, f.open, "ls").want(t, 2, "", `ZIPNODE_WAIT="soon"`)
	zipnode(t.Context(), dir, f.open, "ls", "--wait=1s").want(t, 0, "", "")
}

func TestProgress(t *testing.T) {
	f := &fake{call: func(_ context.Context, _ string, _ json.RawMessage, progress func(any)) (any, error) {
		progress(node.Progress{Stage: "read", Done: 1, Total: 4})
		time.Sleep(time.Millisecond)
		return &node.LsResult{}, nil
	}}
	dir := newDir(t)
	zipnode(t.Context(), dir, f.open, "ls", "--progress=json").want(t, 0, "", `{"stage":"read","done":1,"total":4}`+"\n")
	for _, args := range []string{"--progress=none", "--progress=plain", "--progress=auto"} {
		if r := zipnode(t.Context(), dir, f.open, "ls", args); r.errOut != "" {
			t.Errorf("%s of a quick operation says %q", args, r.errOut)
		}
	}
}

func TestVersion(t *testing.T) {
	f := answers(nil, nil)
	zipnode(t.Context(), newDir(t), f.open, "version").want(t, 0, "zipnode ", "")
	zipnode(t.Context(), newDir(t), f.open, "--version").want(t, 0, versionLine(), "")
	zipnode(t.Context(), newDir(t), f.open, "version", "--json").want(t, 0, `"api":1`, "")
}
