package node

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
)

// maxAttempts bounds how often a get plans anew because a recipe turned out
// wrong: each peer that turned out hostile gives one more, up to mostAttempts.
const (
	maxAttempts  = 8
	mostAttempts = 64
)

// Get writes the model req.Ref to req.Out, and fetches from peers what is not
// here, each tensor by the cheapest way given what is.
func (n *Node) Get(ctx context.Context, req GetRequest, progress func(Progress)) (GetResult, error) {
	start := time.Now()
	for _, g := range append(append([]string{}, req.Include...), req.Exclude...) {
		if _, err := path.Match(g, ""); err != nil {
			return GetResult{}, usagef("the pattern %q is malformed", g)
		}
	}
	if req.Out == "" && !req.DryRun {
		return GetResult{}, usagef("no directory to write to")
	}
	g := &getting{n: n, req: req, report: progress, trust: newDistrust()}
	lease, err := n.store.NewLease()
	if err != nil {
		return GetResult{}, err
	}
	g.lease = lease
	defer lease.Release()
	if err := n.withPeers(ctx, req.Ref, g.run); err != nil {
		return g.res, err
	}
	g.res.Seconds = time.Since(start).Seconds()
	return g.res, nil
}

// withPeers calls run without peers, and, if that needs them, again with a
// session on what ref means. The second time it writes, and waits for its turn
// unless the operation has it.
func (n *Node) withPeers(ctx context.Context, ref string, run func(context.Context, *p2p.Session) error) error {
	err := run(ctx, nil)
	if !errors.Is(err, errOffline) {
		return err
	}
	root, ok, nameErr := n.store.Name(ref)
	if nameErr != nil {
		return nameErr
	}
	if !ok {
		if root, err = cid.Decode(ref); err != nil {
			return err
		}
	}
	done, err := n.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	host, err := n.network(ctx)
	if err != nil {
		return fmt.Errorf("%s is not all here, and %w", ref, err)
	}
	if len(n.cfg.Bootstrap) == 0 && !n.cfg.MDNS && len(host.Peers()) == 0 {
		err = fmt.Errorf("%w of %s is known: give --bootstrap the address that 'zipnode id' prints where it is served", p2p.ErrNoProvider, ref)
		return n.unprovided(root, err)
	}
	err = host.WithSession(ctx, root, run)
	if errors.Is(err, p2p.ErrNoProvider) && len(host.Peers()) == 0 {
		err = fmt.Errorf("%w: no peer is connected: is 'zipnode serve' running where %s is, and its address given with --bootstrap?", err, ref)
	}
	if errors.Is(err, p2p.ErrNoProvider) {
		err = n.unprovided(root, err)
	}
	return err
}

// unprovided adds to err, which says that something of the model root is nowhere,
// that all of it was here once.
func (n *Node) unprovided(root cid.Cid, err error) error {
	if m, known, modelErr := n.store.Model(root); modelErr != nil || !known || m.Partial {
		return err
	}
	return fmt.Errorf("the model is here, and damaged: 'zipnode verify' tells how; %w", err)
}

// getting is one get under way.
type getting struct {
	n      *Node
	req    GetRequest
	lease  *store.Lease
	report func(Progress)
	trust  *distrust
	res    GetResult

	only      []cid.Cid // nodes to bring here instead of a model; nothing is written
	keptBytes int64     // of files that were there already, and are not in the store
}

// asSource turns a nil *p2p.Session into a nil source.
func asSource(s *p2p.Session) source {
	if s == nil {
		return nil
	}
	return s
}

func (g *getting) run(ctx context.Context, s *p2p.Session) error {
	for attempt := 1; ; attempt++ {
		err := g.attempt(ctx, s)
		if s != nil {
			st := s.Stats()
			g.res.Peers = st.Peers
			if !g.req.DryRun {
				g.res.Fetched = st.Fetched
			}
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		again, mendErr := g.mend(ctx, s, err)
		if mendErr != nil {
			return errors.Join(err, mendErr)
		}
		if !again || attempt >= min(maxAttempts+g.trust.offenders(), mostAttempts) {
			return err
		}
	}
}

// mend tells whether another attempt may do better than the one that ended with
// err: without a recipe that is wrong, or with what is damaged here fetched.
func (g *getting) mend(ctx context.Context, s *p2p.Session, err error) (bool, error) {
	if wrong, ok := errors.AsType[*wrongRecipe](err); ok && errors.Is(err, p2p.ErrNoProvider) {
		g.trust.unprovided(wrong) // perhaps nobody is to blame: it may have been collected
		return true, nil
	}
	if wrong, ok := errors.AsType[*wrongRecipe](err); ok {
		if damaged, err := g.n.store.SetAsideBlocks(ctx, wrong.block()); damaged || err != nil {
			return damaged, err // not the recipe's fault
		}
		if isAbsent(wrong.err) {
			return true, nil // nor is what another operation set aside
		}
		g.n.log.Warn("a recipe is wrong", "tensor", wrong.u.c.CID, "recipe", wrong.block(), "err", wrong.err)
		g.trust.ban(wrong.block())
		if bases, err := g.n.store.SetAside(ctx, wrong.bases()...); len(bases) > 0 || err != nil {
			g.trust.acquit(wrong.block())
			return len(bases) > 0, err
		}
		if from, ok := wrong.u.from(); ok && s != nil && !errors.Is(err, codec.ErrUnknown) { // a newer codec is no lie
			s.Drop(from, wrong)
			g.trust.blame(from)
		}
		return true, nil
	}
	if bad, ok := errors.AsType[*localDamage](err); ok {
		aside, err := g.n.store.SetAside(ctx, bad.u.c.CID)
		g.n.log.Warn("a tensor is damaged here", "tensor", bad.u.c.CID, "err", bad.err)
		return len(aside) > 0, err
	}
	return false, nil
}

// attempt plans and carries out the get once.
func (g *getting) attempt(ctx context.Context, s *p2p.Session) (err error) {
	p := &planner{n: g.n, lease: g.lease, src: asSource(s), units: map[cid.Cid]*unit{}, trust: g.trust, heard: map[peer.ID]int64{}}
	g.report(Progress{Stage: "plan"})
	g.keptBytes = 0
	if g.only != nil {
		return g.bring(ctx, p)
	}
	model, err := g.n.resolveIn(ctx, g.req.Ref, p)
	if err != nil {
		return err
	}
	g.res.CID = model.String()
	if err := g.leaseFor(s); err != nil {
		return err
	}
	if g.res.Name, err = g.n.nameOf(model); err != nil {
		return err
	}
	all, files, err := g.files(ctx, p, model)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range all {
			f.abandon()
		}
	}()
	var out *outDir
	partial := len(files) < len(all)
	var todo []*outFile // to be written
	if g.req.Out != "" && !g.req.DryRun {
		g.res.Out = g.req.Out
		if out, err = openOut(g.req.Out); err != nil {
			return err
		}
		defer func() {
			if out.close(); err != nil {
				out.unmake()
			}
		}()
		var kept []*outFile
		if todo, kept, err = g.already(ctx, out, files); err != nil {
			return err
		}
		files = todo
		for _, f := range kept {
			here, err := g.n.holds(ctx, f.cid)
			if err != nil {
				return err
			}
			if here {
				files = append(files, f)
			} else { // it is there, and need not come here to be kept
				partial = true
				g.keptBytes += f.size
			}
		}
	}
	for _, f := range todo {
		f.out = out
	}
	if err := g.move(ctx, p, files, todo); err != nil || g.req.DryRun {
		return err
	}
	return g.commit(ctx, model, files, partial)
}

// leaseFor has the lease know the model, and a start after a kill, before anything
// comes from peers.
func (g *getting) leaseFor(s *p2p.Session) error {
	g.lease.For("model " + g.res.CID)
	if s == nil || g.req.DryRun {
		return nil
	}
	return g.n.store.Flush()
}

// bring plans and carries out the nodes of g.only.
func (g *getting) bring(ctx context.Context, p *planner) error {
	var files []*outFile
	for _, c := range g.only {
		files = append(files, &outFile{path: c.String(), cid: c, size: -1})
	}
	if err := g.move(ctx, p, files, nil); err != nil {
		return err
	}
	return g.lease.Commit(store.Change{})
}

// move plans files, and fetches and writes them, a batch after another. A dry
// run only plans.
func (g *getting) move(ctx context.Context, p *planner, files, todo []*outFile) error {
	g.res.Reused = g.keptBytes
	tally := newTally(files)
	moved, total := new(atomic.Int64), int64(0)
	err := p.files(ctx, files, func() error {
		need, cost, err := p.choose(ctx)
		if err != nil {
			return err
		}
		total += cost
		g.res.Reused += tally.add(p.order)
		if g.req.DryRun {
			return nil
		}
		if err := g.affordable(p.size, cost, total, todo); err != nil {
			return err
		}
		return p.carry(ctx, need, moved, total, g.report)
	})
	if err != nil {
		return err
	}
	g.res.Bytes = g.keptBytes
	for _, f := range files {
		g.res.Bytes += f.size
	}
	if g.req.DryRun {
		g.res.Fetched = total
		g.res.Files = tally.explain(files)
	}
	return nil
}

// files lists the model's files: all, and those asked for.
func (g *getting) files(ctx context.Context, p *planner, model cid.Cid) (all, asked []*outFile, err error) {
	root, err := p.Get(ctx, model)
	if err != nil {
		return nil, nil, err
	}
	if _, err := dag.DecodeFile(root, -1); err == nil {
		return nil, nil, usagef("%s is the CID of a file in a model: give the model's, and --include for the file", model)
	}
	for f, err := range dag.Files(ctx, p, model, nil) {
		if err != nil {
			return nil, nil, err
		}
		if first, _, _ := strings.Cut(f.Path, "/"); strings.EqualFold(first, partialDir) {
			return nil, nil, &dag.CorruptError{CID: model, Reason: fmt.Sprintf("a file named %q, where get keeps what is not whole", f.Path)}
		}
		o := &outFile{path: f.Path, cid: f.CID, size: -1}
		all = append(all, o)
		if g.wants(f.Path) {
			asked = append(asked, o)
		}
	}
	if len(asked) == 0 && len(all) > 0 {
		return nil, nil, usagef("no file of the model matches: it has %q and %d more", all[0].path, len(all)-1)
	}
	return all, asked, nil
}

// wants tells whether the file at p was asked for. A pattern is matched against
// the whole path and against the last part of it.
func (g *getting) wants(p string) bool {
	match := func(globs []string) bool {
		for _, glob := range globs {
			whole, _ := path.Match(glob, p)
			last, _ := path.Match(glob, path.Base(p))
			if whole || last {
				return true
			}
		}
		return false
	}
	return (len(g.req.Include) == 0 || match(g.req.Include)) && !match(g.req.Exclude)
}

// already tells which files are to be written and which are there. A different
// file of a name is refused, before anything is fetched, unless forced.
func (g *getting) already(ctx context.Context, out *outDir, files []*outFile) (todo, kept []*outFile, err error) {
	for _, f := range files {
		same, err := out.state(ctx, f)
		switch {
		case errors.Is(err, errDiffers) && g.req.Force:
			todo = append(todo, f)
		case errors.Is(err, errDiffers):
			return nil, nil, fmt.Errorf("%s differs from the model's: use --force to replace it, or -o for another directory", filepath.Join(g.req.Out, f.path))
		case err != nil:
			return nil, nil, err
		case same:
			kept = append(kept, f)
		default:
			todo = append(todo, f)
		}
	}
	return todo, kept, nil
}

// slack is what a plan may cost beyond twice the model: small models have
// bases that are larger than they are.
const slack = 1 << 30

// affordable refuses a plan that a hostile peer blew up, or that the disk has
// no room for.
//
// The files are of size bytes; the batch at hand costs cost, all so far total.
func (g *getting) affordable(size, cost, total int64, todo []*outFile) error {
	if total > 2*size+slack {
		return &dag.CorruptError{Reason: fmt.Sprintf("fetching it would take %d bytes for a model of %d", total, size)}
	}
	write := int64(0)
	for _, f := range todo {
		if !f.whole() {
			write += max(f.size, 0)
		}
	}
	for dir, need := range map[string]int64{g.req.Out: write, g.n.cfg.Dir: cost} {
		if dir == "" || g.n.lock == nil {
			continue
		}
		if free, ok := store.FreeSpace(dir); ok && need > free {
			return WithCode(CodeDisk, fmt.Errorf("%.1f MiB are needed in %s, %.1f are free", float64(need)/(1<<20), dir, float64(free)/(1<<20)))
		}
	}
	return nil
}

// commit remembers the model, unpinned: it stays until space is needed.
func (g *getting) commit(ctx context.Context, model cid.Cid, files []*outFile, partial bool) error {
	if err := g.n.sampleFetched(ctx, model, files); err != nil {
		return err
	}
	old, known, err := g.n.store.Model(model)
	if err != nil {
		return err
	}
	if known && !old.Partial {
		return g.lease.Commit(store.Change{}) // it was here, whole
	}
	ch := store.Change{}
	if kind, pinned, err := g.n.pinned(model); err != nil {
		return err
	} else if pinned && kind == store.PinPartial && !partial {
		ch.Pin = map[cid.Cid]string{model: store.PinModel} // it is whole now
	}
	m := store.Model{CID: model.String(), Bytes: g.res.Bytes, Files: len(files), Partial: partial, Added: time.Now().UTC()}
	if m.Tensors, err = g.n.countTensors(ctx, files); err != nil {
		return err
	}
	ch.Models = []store.Model{m}
	return g.lease.Commit(ch)
}

// countTensors counts the tensors of files, as their headers say.
func (n *Node) countTensors(ctx context.Context, files []*outFile) (int, error) {
	total := 0
	for _, f := range files {
		mf, err := n.modelFile(ctx, dag.File{Path: f.path, CID: f.cid})
		if err != nil {
			return 0, err
		}
		total += mf.tensors()
	}
	return total, nil
}
