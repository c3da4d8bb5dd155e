package simulations

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/node"
)

// A Crowd is a scenario: an origin adds a base and a fine-tune of it; some
// fetchers, which know the address of one other node and no more, get first the
// base, then the fine-tune, each all at the same moment. That other node, the
// greeter, has nothing and wants nothing, so the origin has to be found.
type Crowd struct {
	Fetchers int
	Link     Link
	Base     fs.FS         // a model directory
	FineTune fs.FS         // one derived from it
	Settle   time.Duration // before each get, for announcements and routing tables; 0 means 30 s
	Limit    time.Duration // for each get; 0 means 1 h
}

func (c *Crowd) ensureDefaults() {
	c.Link.ensureDefaults()
	c.Settle = cmp.Or(c.Settle, 30*time.Second)
	c.Limit = cmp.Or(c.Limit, time.Hour)
}

// A Result is what a crowd's gets of the two models came to.
type Result struct {
	Base, FineTune Phase
}

// A Phase is one model fetched by everyone.
type Phase struct {
	Fetchers int
	Link     Link
	Bytes    int64           // of the model's files
	Copy     int64           // bytes that it took the origin to store it: encoded, with recipes and nodes
	Fetched  int64           // bytes of blocks that all fetchers took
	Origin   Sent            // by the origin
	All      Sent            // by all nodes
	Took     []time.Duration // by each fetcher
	Peers    []int           // that sent blocks to each fetcher
}

// Sent is what nodes sent during a phase.
type Sent struct {
	Blocks  int64 // bytes of blocks and recipes to peers still connected, by the nodes' own account
	Packets int64 // bytes of UDP payloads: also what was lost and sent again, look-ups, acknowledgements
}

// Run plays the scenario in the synctest bubble that it must be called in, and
// writes files under dir. It returns an error when a node fails or when a file
// that was fetched is not the origin's, byte for byte. Every goroutine that it
// started ends without further help; the bubble waits for that.
func (c Crowd) Run(ctx context.Context, dir string) (Result, error) {
	c.ensureDefaults()
	r := &run{Crowd: c, dir: dir, net: newNetwork(c.Link)}
	res, err := r.play(ctx)
	return res, errors.Join(err, r.close())
}

// A run is a crowd under way.
type run struct {
	Crowd
	dir     string
	net     *network
	members []member // the greeter, the origin, then the fetchers
}

// A member is a node and its door.
type member struct {
	*node.Node
	door *door
}

const (
	greeter = iota
	origin
	fetchers
)

func (r *run) play(ctx context.Context) (Result, error) {
	var res Result
	for range fetchers + r.Fetchers {
		if err := r.open(ctx); err != nil {
			return res, err
		}
	}
	base, err := r.add(ctx, "base", r.Base)
	if err != nil {
		return res, err
	}
	fineTune, err := r.add(ctx, "fine-tune", r.FineTune)
	if err != nil {
		return res, err
	}
	if res.Base, err = r.phase(ctx, base, r.Base); err != nil {
		return res, fmt.Errorf("base: %w", err)
	}
	if res.FineTune, err = r.phase(ctx, fineTune, r.FineTune); err != nil {
		return res, fmt.Errorf("fine-tune: %w", err)
	}
	return res, nil
}

// open starts one more node, which knows the first.
func (r *run) open(ctx context.Context) error {
	d := r.net.door()
	cfg := node.Config{Serve: true, Listen: []string{d.listen()}, Public: true} // simnet's addresses are public ones
	if len(r.members) > 0 {
		id, err := r.members[greeter].ID(ctx, struct{}{})
		if err != nil {
			return err
		}
		cfg.Bootstrap = id.Addrs[:1]
	}
	n, err := node.Open(ctx, cfg.WithSimulation(d.options()...))
	if err != nil {
		return fmt.Errorf("node %d: %w", len(r.members), err)
	}
	r.members = append(r.members, member{n, d})
	return nil
}

// close closes the nodes, the last first, and the network under them.
func (r *run) close() error {
	var errs []error
	for i := len(r.members) - 1; i >= 0; i-- {
		errs = append(errs, r.members[i].Close())
	}
	r.net.close()
	time.Sleep(time.Minute) // the clock stops with the caller, and goleveldb's last goroutine lingers for a second
	return errors.Join(errs...)
}

// add makes the origin have model.
func (r *run) add(ctx context.Context, name string, model fs.FS) (node.AddResult, error) {
	path := filepath.Join(r.dir, "origin", name)
	if err := os.CopyFS(path, model); err != nil {
		return node.AddResult{}, err
	}
	return r.members[origin].Add(ctx, node.AddRequest{Path: path, Name: name}, silent)
}

func silent(node.Progress) {}

// phase has every fetcher get a model that the origin added, and checks what
// they wrote.
func (r *run) phase(ctx context.Context, added node.AddResult, model fs.FS) (Phase, error) {
	p := Phase{
		Fetchers: r.Fetchers, Link: r.Link, Bytes: added.Bytes, Copy: added.StoredNew,
		Took: make([]time.Duration, r.Fetchers), Peers: make([]int, r.Fetchers),
	}
	time.Sleep(r.Settle)
	originBefore, before, err := r.sent(ctx)
	if err != nil {
		return p, err
	}
	if err := r.getAll(ctx, added.CID, &p); err != nil {
		return p, err
	}
	if p.Origin, p.All, err = r.sent(ctx); err != nil {
		return p, err
	}
	p.Origin, p.All = p.Origin.since(originBefore), p.All.since(before)
	for i := range r.Fetchers {
		if err := same(os.DirFS(r.out(i, added.CID)), model); err != nil {
			return p, fmt.Errorf("fetcher %d: %w", i, err)
		}
	}
	return p, nil
}

// getAll has every fetcher get model ref, all at once, and notes in p what they
// tell.
func (r *run) getAll(ctx context.Context, ref string, p *Phase) error {
	ctx, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	var fetched atomic.Int64
	for i, m := range r.members[fetchers:] {
		g.Go(func() error {
			began := time.Now()
			res, err := m.Get(ctx, node.GetRequest{Ref: ref, Out: r.out(i, ref)}, silent)
			p.Took[i] = time.Since(began)
			if err != nil {
				return fmt.Errorf("fetcher %d after %v: %w", i, p.Took[i], err)
			}
			p.Peers[i] = res.Peers
			fetched.Add(res.Fetched)
			return nil
		})
	}
	err := g.Wait()
	p.Fetched = fetched.Load()
	return err
}

func (r *run) out(i int, ref string) string {
	return filepath.Join(r.dir, fmt.Sprint("fetcher", i), ref)
}

// sent returns what the origin, and all nodes, have sent so far.
func (r *run) sent(ctx context.Context) (byOrigin, byAll Sent, err error) {
	for i, m := range r.members {
		s := Sent{Packets: m.door.sent()}
		res, err := m.Peers(ctx, struct{}{})
		if err != nil {
			return byOrigin, byAll, err
		}
		for _, p := range res.Peers {
			s.Blocks += p.Sent
		}
		byAll.Blocks += s.Blocks
		byAll.Packets += s.Packets
		if i == origin {
			byOrigin = s
		}
	}
	return byOrigin, byAll, nil
}

func (s Sent) since(before Sent) Sent {
	return Sent{s.Blocks - before.Blocks, s.Packets - before.Packets}
}

// same returns an error unless got and want hold the same files, with the same
// bytes.
func same(got, want fs.FS) error {
	a, err := files(got)
	if err != nil {
		return err
	}
	b, err := files(want)
	if err != nil {
		return err
	}
	if x, y := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)); !slices.Equal(x, y) {
		return fmt.Errorf("it has the files %q, the origin's %q", x, y)
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if !bytes.Equal(a[name], b[name]) {
			return fmt.Errorf("%q is not what the origin has", name)
		}
	}
	return nil
}

// files reads all files of a directory.
func files(dir fs.FS) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[name], err = fs.ReadFile(dir, name)
		return err
	})
	return out, err
}
