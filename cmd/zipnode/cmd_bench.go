package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

const benchHelp = `Measures this machine, in temporary directories: add and get of bytes that nobody
has and no codec shrinks, between two processes over loopback, beside what the
machine does at best: SHA-256 of the same bytes on as many cores, a bare libp2p
stream (TCP, TLS, yamux) that carries as many, and writing them to a new file.
Then get again through a proxy that delays every byte, and in the end removing
the model and collecting. With --tensors the model is of that many small ones.

A rate is the model's bytes by the seconds that the operation says it took. add
has written and synced the packs, the journal and the index when it says so; get
has synced its store and written, not synced, the model's files. CPU and memory
are those of the two processes, where the system tells (Linux); the heap is what
Go's runtime tells of its objects, those that wait to be collected among them.`

func (a *app) benchCmd() *cobra.Command {
	var bytes, dir, most, heap string
	var tensors int
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure add and get on this machine",
		Long:    benchHelp,
		Example: "  zipnode bench --json\n  zipnode bench --size 2GiB --in /data",
		Args:    exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			n, err := parseSize(bytes)
			if err != nil {
				return usagef("--size: %v", err)
			}
			if n < 1<<20 {
				return usagef("--size: %s is too little to measure: give 1MiB or more", bytes)
			}
			limit, err := parseSize(most)
			if err != nil {
				return usagef("--most-memory: %v", err)
			}
			heapLimit, err := parseSize(heap)
			if err != nil {
				return usagef("--most-heap: %v", err)
			}
			if tensors < 0 || int64(tensors) > n/2 {
				return usagef("--tensors: from 1 to one for each two bytes")
			}
			b := &bench{Bytes: n, Tensors: tensors, Cores: runtime.GOMAXPROCS(0)}
			return a.bench(ctx, b, dir, limit, heapLimit)
		}),
	}
	cmd.Flags().StringVar(&bytes, "size", "512MiB", "bytes of the model")
	cmd.Flags().IntVar(&tensors, "tensors", 0, "make the model of so many small tensors, not of one large and some smaller")
	cmd.Flags().StringVar(&most, "most-memory", "", "fail if a process takes more than this, files apart")
	cmd.Flags().StringVar(&heap, "most-heap", "", "fail if a process has more than this in its heap")
	cmd.Flags().StringVar(&dir, "in", "", "make the temporary `directory` in this one (default the system's)")
	cmd.AddCommand(a.benchStreamCmd())
	return cmd
}

// A bench is what one run found. Rates are in MB (10^6 bytes) a second.
type bench struct {
	Bytes   int64     `json:"bytes"`
	Tensors int       `json:"tensors,omitempty"`
	Cores   int       `json:"cores"`
	SHA256  float64   `json:"sha256_mb_s"`
	Write   float64   `json:"write_mb_s"` // to a new file, not synced
	Stream  benchOp   `json:"stream"`     // bare
	Add     benchOp   `json:"add"`
	Gets    []benchOp `json:"gets"`
	Remove  benchOp   `json:"remove"` // and collect
}

// A benchOp is one operation.
type benchOp struct {
	RTT     float64 `json:"rtt_ms,omitempty"` // that the proxy adds
	Rate    float64 `json:"mb_s"`
	Of      float64 `json:"of,omitempty"` // its yardstick: SHA-256 for add, the stream for get, the get without delay for one with
	Seconds float64 `json:"seconds"`
	Server  *usage  `json:"server,omitempty"` // who adds, or serves
	Client  *usage  `json:"client,omitempty"` // who gets
}

func (a *app) bench(ctx context.Context, b *bench, in string, limit, heapLimit int64) (err error) {
	dir, err := os.MkdirTemp(in, "zipnode-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := b.measure(ctx, dir); err != nil {
		return err
	}
	if err := a.print(b, nil, b.summary); err != nil {
		return err
	}
	most := b.memory()
	if limit > 0 && most.RSSAnon > limit {
		return fmt.Errorf("a process took %s of memory, more than %s", size(most.RSSAnon), size(limit))
	}
	if heapLimit > 0 && (most.Heap == 0 || most.Heap > heapLimit) {
		return fmt.Errorf("a process had %s in its heap, more than %s", size(most.Heap), size(heapLimit))
	}
	return nil
}

// memory returns the most that a process took.
func (b *bench) memory() usage {
	var most usage
	for _, op := range append(b.Gets, b.Add, b.Remove) {
		for _, u := range []*usage{op.Server, op.Client} {
			if u != nil {
				most.RSSAnon, most.Heap = max(most.RSSAnon, u.RSSAnon), max(most.Heap, u.Heap)
			}
		}
	}
	return most
}

func (b *bench) measure(ctx context.Context, dir string) (err error) {
	model := filepath.Join(dir, "model")
	if err := writeNoise(model, b.Bytes, b.Tensors); err != nil {
		return err
	}
	took, err := hashFile(filepath.Join(model, noiseFile), b.Cores)
	if err != nil {
		return err
	}
	b.SHA256 = b.rate(took)
	if took, err = writeFile(filepath.Join(dir, "written"), b.Bytes); err != nil {
		return err
	}
	b.Write = b.rate(took)
	if err := b.stream(ctx, dir); err != nil {
		return fmt.Errorf("bare stream: %w", err)
	}
	seed, err := startNode(ctx, filepath.Join(dir, "a"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seed.stop()) }()
	var added node.AddResult
	w, err := watchNode(ctx, seed)
	if err != nil {
		return err
	}
	err = seed.run(ctx, &added, "add", model)
	b.Add = b.op(added.Seconds, b.SHA256)
	b.Add.Server = w.stop()
	if err != nil {
		return fmt.Errorf("add: %w", err)
	}
	for _, rtt := range []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond} {
		if err := b.get(ctx, dir, seed, added.CID, rtt); err != nil {
			return fmt.Errorf("get with %v of delay: %w", rtt, err)
		}
	}
	return b.remove(ctx, seed, added.CID)
}

// remove measures removing the model and collecting.
func (b *bench) remove(ctx context.Context, seed *child, ref string) error {
	w, err := watchNode(ctx, seed)
	if err != nil {
		return err
	}
	began := time.Now()
	var removed node.RmResult
	err = seed.run(ctx, &removed, "rm", ref)
	var gone node.GCResult
	if err == nil {
		err = seed.run(ctx, &gone, "gc")
	}
	b.Remove = b.op(time.Since(began).Seconds(), 0)
	b.Remove.Server = w.stop()
	if err == nil && gone.Freed < b.Bytes {
		err = fmt.Errorf("%d bytes freed of %d", gone.Freed, b.Bytes)
	}
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

// get measures one get into a new store.
func (b *bench) get(ctx context.Context, dir string, seed *child, ref string, rtt time.Duration) (err error) {
	addr := seed.Addrs[0]
	if rtt > 0 {
		p, err := delay(addr, rtt)
		if err != nil {
			return err
		}
		defer p.close()
		addr = p.addr
	}
	home, out := filepath.Join(dir, "b"), filepath.Join(dir, "out")
	n, err := startNode(ctx, home, "--bootstrap", addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop(), os.RemoveAll(home), os.RemoveAll(out)) }()
	if err := n.connected(ctx); err != nil {
		return err
	}
	server, err := watchNode(ctx, seed)
	if err != nil {
		return err
	}
	client, err := watchNode(ctx, n)
	if err != nil {
		return err
	}
	var got node.GetResult
	err = n.run(ctx, &got, "get", ref, "-o", out)
	of := b.Stream.Rate
	if rtt > 0 {
		of = b.Gets[0].Rate
	}
	op := b.op(got.Seconds, of)
	op.RTT = float64(rtt) / float64(time.Millisecond)
	op.Server, op.Client = server.stop(), client.stop()
	b.Gets = append(b.Gets, op)
	return err
}

// connected waits until the node has a peer.
func (c *child) connected(ctx context.Context) error {
	for {
		var r node.PeersResult
		if err := c.run(ctx, &r, "peers", "ls"); err != nil {
			return err
		}
		if len(r.Peers) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (b *bench) rate(d time.Duration) float64 { return float64(b.Bytes) / 1e6 / d.Seconds() }

func (b *bench) op(seconds, of float64) benchOp {
	op := benchOp{Seconds: seconds}
	if seconds > 0 {
		op.Rate = float64(b.Bytes) / 1e6 / seconds
	}
	if of > 0 {
		op.Of = op.Rate / of
	}
	return op
}

func (b *bench) summary(w io.Writer) {
	fmt.Fprintf(w, "%s that no codec shrinks, %s\n", size(b.Bytes), count(b.Cores, "core"))
	t := table{right: " rrrrrrr"}
	t.add("", "MB/S", "RATIO", "S", "CPU S", "MEMORY", "HEAP", "")
	t.add("SHA-256", fmt.Sprintf("%.0f", b.SHA256))
	t.add("write", fmt.Sprintf("%.0f", b.Write))
	t.add(b.Stream.line("bare stream", b.Stream.Client, "")...)
	t.add(benchOp{}.line("  sending it", b.Stream.Server, "")...)
	t.add(b.Add.line("add", b.Add.Server, "of SHA-256")...)
	for _, g := range b.Gets {
		name, of := "get", "of the stream"
		if g.RTT > 0 {
			name, of = fmt.Sprintf("get, %.0f ms away", g.RTT), "of get"
		}
		t.add(g.line(name, g.Client, of)...)
		t.add(benchOp{}.line("  serving it", g.Server, "")...)
	}
	t.add(b.Remove.line("rm and gc", b.Remove.Server, "")...)
	t.write(w)
}

// line returns the cells of o by some name, with what a process took for it.
func (o benchOp) line(name string, u *usage, of string) []string {
	cells := []string{name, "", "", "", u.cpu(), u.memory(), u.heap(), of}
	if o.Seconds > 0 {
		cells[1], cells[3] = fmt.Sprintf("%.0f", o.Rate), fmt.Sprintf("%.1f", o.Seconds)
	}
	if o.Of > 0 {
		cells[2] = fmt.Sprintf("%.2f", o.Of)
	}
	return cells
}
