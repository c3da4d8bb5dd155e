package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
)

// A source is where a plan looks for what is not here: a session with peers.
type source interface {
	dag.Getter
	GetMany(ctx context.Context, cs []cid.Cid) iter.Seq2[blocks.Block, error]
	Recipes(ctx context.Context, tensors []cid.Cid) iter.Seq2[p2p.Offer, error]
	Chunks(ctx context.Context, ranges iter.Seq[p2p.Range]) iter.Seq2[p2p.Arrived, error]
	Hold(recipe cid.Cid, first, n int)
	Drop(p peer.ID, reason error)
}

// errOffline says that a plan needs peers.
var errOffline = fmt.Errorf("not all of it is here: %w", dag.ErrNotFound)

// A part of a model that is rebuilt at once: a tensor, a plain file, or a leaf
// of a file whose parts nobody has a recipe of.
type unit struct {
	c      dag.Child
	here   bool         // the store can rebuild it
	local  bool         // a leaf that is here as a part of something else only
	came   bool         // local, but only since this plan asked a peer for it
	recipe *dag.Recipe  // the way chosen; nil: the leaves themselves are fetched
	block  blocks.Block // of recipe
	bases  []*unit      // of recipe, those that are not here
	cost   int64        // bytes to fetch, without its bases'
	sum    int64        // with them; what several share counts for each
	held   int64        // bytes of its leaves whose chunks, by recipe, are here
	offers []offer      // of peers
	places []place      // where its bytes go; none for a base of another's
	asked  bool         // peers were asked for its recipes
	lost   bool         // its root node cannot be had
}

// An offer is a recipe that a peer sent.
type offer struct {
	recipe *dag.Recipe
	block  blocks.Block
	from   peer.ID
	cost   int64 // bytes of its chunks that are not here
	held   int64 // bytes of the leaves of those that are
}

// A place is where a unit's bytes go in a file.
type place struct {
	file   *outFile
	offset int64
}

const (
	// maxParts bounds the parts of a model's files, each counted wherever it
	// stands; maxOffers the recipes weighed for one tensor; maxBases the tensors
	// that a plan asks for beside the model's own, as bases, and those are not
	// more than four for each of its own and fewBases.
	maxParts  = 1 << 22
	maxOffers = 8
	maxBases  = 1 << 16
	fewBases  = 1024

	// A plan holds at most heardOne bytes of one peer's recipes, and heardAll of
	// all, and heardEach more for each tensor it asked for: a recipe of a tensor
	// of a few leaves has some hundred bytes.
	heardOne  = 16 << 20
	heardAll  = 64 << 20
	heardEach = 4 << 10

	// fewPages, and sixteen for each 8 GiB of the model, are the pages of recipes
	// that are fetched to weigh them.
	fewPages = 64
)

// A planner finds, for each part of a model, the cheapest way to have it.
type planner struct {
	n      *Node
	lease  *store.Lease
	src    source // nil: offline
	units  map[cid.Cid]*unit
	order  []*unit   // of the model
	trust  *distrust // what earlier attempts taught
	size   int64     // of all files
	parts  int       // met so far
	pages  int       // of recipes, fetched to weigh them
	placed int       // places of this batch
	asked  int       // tensors that peers were asked for in this batch
	bases  int       // of these, those that are only bases
	heard  map[peer.ID]int64
	heardN int64 // bytes of recipes, of all peers, in this batch
}

// next forgets what one batch of a plan took.
func (p *planner) next() {
	p.units, p.order = map[cid.Cid]*unit{}, nil
	p.placed, p.asked, p.bases = 0, 0, 0
	p.heard, p.heardN = map[peer.ID]int64{}, 0
}

// Get returns block c from the store, or from peers, and then keeps it. One that is
// damaged here is as if it were not.
func (p *planner) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := p.n.store.Get(ctx, c)
	if err == nil {
		_, err = p.lease.Keep(c)
		return b, err
	}
	aside, asideErr := p.setAside(c, err)
	if asideErr != nil {
		return nil, asideErr
	}
	if p.src == nil {
		if aside || isAbsent(err) {
			return nil, errOffline
		}
		return nil, err
	}
	if b, err = p.src.Get(ctx, c); err != nil {
		return nil, err
	}
	_, err = p.lease.Put(ctx, b)
	return b, err
}

// setAside makes the store forget block c if err, of getting it there, says that it
// is damaged, and tells whether it did.
func (p *planner) setAside(c cid.Cid, err error) (bool, error) {
	if _, damaged := errors.AsType[*dag.CorruptError](err); !damaged || dag.Supported(c) != nil {
		return false, nil
	}
	return p.n.store.SetAsideBlock(c)
}

// GetSize returns the size of a block that is here, or fetches it.
func (p *planner) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	if n, err := p.n.store.GetSize(ctx, c); err == nil {
		return n, nil
	}
	b, err := p.Get(ctx, c)
	if err != nil {
		return 0, err
	}
	return len(b.RawData()), nil
}

// fetchMany brings those of cs here that are not, many at a time.
func (p *planner) fetchMany(ctx context.Context, cs []cid.Cid) error {
	var missing []cid.Cid
	for _, c := range cs {
		ok, err := p.n.store.Has(ctx, c)
		if err != nil {
			return err
		}
		if !ok {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if p.src == nil {
		return errOffline
	}
	for b, err := range p.src.GetMany(ctx, missing) {
		if err != nil {
			return err
		}
		if _, err := p.lease.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// A want is a node of a file that is to be resolved into units.
type want struct {
	c     dag.Child // Size below 0: not known yet
	at    place
	depth int // nodes above it
}

const (
	// A batch is what a plan resolves, and has fetched, at once: a model of
	// millions of parts is never in memory as a whole.
	batchUnits  = 8192
	batchPlaces = 1 << 16      // where they go: a unit may have many
	batchHeard  = heardAll / 2 // bytes of recipes

	maxDepth   = 32   // nodes above a leaf
	levelWants = 1024 // of which peers are asked for recipes at once
	levelNodes = 16   // opened at once: each may have 1,024 children
	mostWants  = 1 << 20
)

// sizes learns the sizes of files from their root nodes. That of a file of one
// leaf that is not here may stay unknown.
func (p *planner) sizes(ctx context.Context, files []*outFile) error {
	for part := range slices.Chunk(files, 4096) {
		var roots []cid.Cid
		for _, f := range part {
			if f.cid.Type() != cid.Raw {
				roots = append(roots, f.cid)
			}
		}
		if err := p.fetchMany(ctx, roots); err != nil {
			return err
		}
		for _, f := range part {
			if err := p.fileSize(ctx, f); err != nil {
				return err
			}
			if p.size += max(f.size, 0); p.size > 1<<60 {
				return &dag.CorruptError{CID: f.cid, Reason: "files of more than 2^60 bytes"}
			}
		}
	}
	return nil
}

func (p *planner) fileSize(ctx context.Context, f *outFile) error {
	if f.cid.Type() == cid.Raw {
		if n, err := p.n.store.GetSize(ctx, f.cid); err == nil {
			f.size = int64(n)
		}
		return nil
	}
	b, err := p.Get(ctx, f.cid)
	if err != nil {
		return err
	}
	n, err := dag.DecodeFile(b, -1)
	if err == nil {
		f.size = n.Size
	}
	return err
}

// files plans the bytes of files, in their order, and calls carry for each
// batch of units.
func (p *planner) files(ctx context.Context, files []*outFile, carry func() error) error {
	if err := p.sizes(ctx, files); err != nil {
		return err
	}
	var stack []want // the next is the last
	for _, f := range slices.Backward(files) {
		f.left = 1
		stack = append(stack, want{c: dag.Child{CID: f.cid, Size: -1}, at: place{f, 0}})
	}
	for len(stack) > 0 {
		n := len(stack) - min(len(stack), levelWants)
		level := slices.Clone(stack[n:])
		slices.Reverse(level)
		rest, err := p.level(ctx, level)
		if err != nil {
			return err
		}
		slices.Reverse(rest)
		if stack = append(stack[:n], rest...); len(stack) > mostWants+len(files) {
			return &dag.CorruptError{CID: stack[0].at.file.cid, Reason: fmt.Sprintf("more than %d parts beside each other", mostWants)}
		}
		if len(stack) > 0 && len(p.order) < batchUnits && p.placed < batchPlaces && p.heardN < batchHeard {
			continue
		}
		if err := carry(); err != nil {
			return err
		}
		p.next()
	}
	return nil
}

// level resolves some wants: those that are here, or that a peer has a recipe
// of, become units; a few of the others are opened. It returns what is to be
// resolved next, in order.
func (p *planner) level(ctx context.Context, ws []want) ([]want, error) {
	var asked []cid.Cid
	for _, w := range ws {
		u, err := p.unit(ctx, w.c)
		if err != nil {
			return nil, err
		}
		if !u.known() && !u.asked {
			u.asked = true
			asked = append(asked, w.c.CID)
		}
	}
	if err := p.ask(ctx, asked); err != nil {
		return nil, err
	}
	var nodes []cid.Cid
	end := len(ws)
	for i, w := range ws {
		if u := p.units[w.c.CID]; !u.opens() {
			continue
		}
		if len(nodes) == levelNodes {
			end = i
			break
		}
		nodes = append(nodes, w.c.CID)
	}
	if err := p.fetchMany(ctx, nodes); err != nil {
		return nil, err
	}
	var next []want
	for _, w := range ws[:end] {
		more, err := p.place(ctx, w)
		if err != nil {
			return nil, err
		}
		next = append(next, more...)
	}
	return append(next, ws[end:]...), nil
}

// opens tells whether u is a node to be opened: it is not here, and nobody has
// a recipe of it.
func (u *unit) opens() bool {
	return !u.known() && len(u.offers) == 0 && u.c.CID.Type() != cid.Raw
}

// unit returns the unit of c, which knows whether it is here.
func (p *planner) unit(ctx context.Context, c dag.Child) (*unit, error) {
	u, ok := p.units[c.CID]
	if ok {
		return u, nil
	}
	if err := dag.Supported(c.CID); err != nil || c.CID.Type() == cid.DagCBOR {
		return nil, errors.Join(err, &dag.CorruptError{CID: c.CID, Reason: "not a part of a file"})
	}
	u = &unit{c: c}
	if c.CID.Equals(dag.EmptyFile) {
		empty, err := blocks.NewBlockWithCid(nil, c.CID)
		if err == nil {
			_, err = p.lease.Put(ctx, empty)
		}
		u.here, u.c.Size = true, 0
		p.units[c.CID] = u
		return u, err
	}
	t, here, err := p.n.store.Tensor(c.CID)
	if err == nil && here && c.CID.Type() == cid.DagProtobuf {
		// Of what has no root the nodes are brought, by a recipe whose chunks are here.
		here, err = p.n.store.HasReal(c.CID)
	}
	if err != nil {
		return nil, err
	}
	if here {
		u.here, u.c.Size = true, t.Size
	} else if c.CID.Type() == cid.Raw {
		if u.local, err = p.n.store.Has(ctx, c.CID); err != nil {
			return nil, err
		}
		if u.local {
			n, err := p.n.store.GetSize(ctx, c.CID)
			if err != nil {
				return nil, err
			}
			u.c.Size = int64(n)
		}
	}
	if u.known() {
		if _, err := p.lease.Keep(c.CID); err != nil {
			return nil, err
		}
	}
	p.units[c.CID] = u
	return u, nil
}

// known tells whether u needs no peer.
func (u *unit) known() bool { return u.here || u.local }

// ask collects the recipes that peers have of cs.
func (p *planner) ask(ctx context.Context, cs []cid.Cid) error {
	if len(cs) == 0 || p.src == nil {
		return nil
	}
	p.asked += len(cs)
	for o, err := range p.src.Recipes(ctx, cs) {
		if err != nil {
			return err
		}
		r, err := dag.DecodeRecipe(o.Recipe)
		if errors.Is(err, dag.ErrNewer) {
			continue // no lie: another recipe, or the leaves, will do
		}
		if err == nil && !r.Of.Equals(o.Tensor) {
			err = &dag.CorruptError{CID: o.Recipe.Cid(), From: o.From.String(), Reason: "a recipe of another tensor"}
		}
		u := p.units[o.Tensor]
		if err == nil && u != nil && u.c.Size >= 0 && r.Size != u.c.Size {
			err = &dag.CorruptError{CID: o.Recipe.Cid(), From: o.From.String(), Reason: "a recipe of another size than its tensor"}
		}
		if err != nil {
			p.src.Drop(o.From, err)
			continue
		}
		if u == nil || p.trust.not(o.Recipe.Cid(), o.From) || len(u.offers) == maxOffers || !p.hear(o) {
			continue
		}
		u.offers = append(u.offers, offer{recipe: r, block: o.Recipe, from: o.From})
	}
	return nil
}

// hear counts the bytes of an offer that is to be held, and reports whether
// there is room for it.
func (p *planner) hear(o p2p.Offer) bool {
	n, each := int64(len(o.Recipe.RawData())), int64(p.asked)*heardEach
	if p.heard[o.From]+n > heardOne+each || p.heardN+n > heardAll+each {
		return false
	}
	p.heard[o.From] += n
	p.heardN += n
	return true
}

// askBases asks for recipes of the bases of what was offered, and of their
// bases, a level at a time, as far as a plan may go.
func (p *planner) askBases(ctx context.Context) error {
	if p.src == nil {
		return nil
	}
	level := p.order
	for depth := 0; depth < maxBaseDepth && len(level) > 0; depth++ {
		var next []*unit
		var cs []cid.Cid
		for _, u := range level {
			for _, o := range u.offers {
				for _, b := range o.recipe.Bases {
					base, err := p.askable(ctx, b.Of)
					if err != nil {
						return err
					}
					if base != nil {
						next, cs = append(next, base), append(cs, b.Of)
					}
				}
			}
		}
		if err := p.ask(ctx, cs); err != nil {
			return err
		}
		level = next
	}
	return nil
}

// askable returns the unit of base c if peers are to be asked for recipes of it,
// and nil if not.
func (p *planner) askable(ctx context.Context, c cid.Cid) (*unit, error) {
	if p.units[c] == nil && (p.bases >= maxBases || p.bases >= 4*len(p.order)+fewBases) {
		return nil, nil // bases of bases without end
	}
	fresh := p.units[c] == nil
	u, err := p.unit(ctx, dag.Child{CID: c, Size: -1})
	if err != nil {
		if _, corrupt := errors.AsType[*dag.CorruptError](err); corrupt {
			return nil, nil // no CID of a tensor: who offers it is not taken at its word
		}
		return nil, err
	}
	if fresh {
		p.bases++
	}
	if u.known() || u.asked {
		return nil, nil
	}
	u.asked = true
	return u, nil
}

// place gives w's unit its place in its file; a node without recipe is opened
// instead.
func (p *planner) place(ctx context.Context, w want) ([]want, error) {
	if p.parts++; p.parts > maxParts {
		return nil, &dag.CorruptError{CID: w.at.file.cid, Reason: fmt.Sprintf("more than %d parts", maxParts)}
	}
	u := p.units[w.c.CID]
	if u.opens() {
		return p.open(ctx, w)
	}
	if err := p.settleSize(ctx, u); err != nil {
		return nil, err
	}
	u.offers = slices.DeleteFunc(u.offers, func(o offer) bool { return o.recipe.Size != u.c.Size })
	if u.opens() { // every recipe was of another size
		return p.open(ctx, w)
	}
	if w.c.Size >= 0 && u.c.Size != w.c.Size {
		return nil, &dag.CorruptError{CID: w.c.CID, Reason: fmt.Sprintf("%d bytes, its parent says %d", u.c.Size, w.c.Size)}
	}
	if w.c.CID.Equals(w.at.file.cid) && w.at.offset == 0 {
		w.at.file.size = u.c.Size
	}
	if len(u.places) == 0 {
		p.order = append(p.order, u)
	}
	u.places = append(u.places, w.at)
	p.placed++
	return nil, nil
}

// open returns the children of w, in its place.
func (p *planner) open(ctx context.Context, w want) ([]want, error) {
	b, err := p.Get(ctx, w.c.CID)
	if err != nil {
		return nil, err
	}
	n, err := dag.DecodeFile(b, w.c.Size)
	if err != nil {
		return nil, err
	}
	if w.depth++; w.depth > maxDepth {
		return nil, &dag.CorruptError{CID: w.c.CID, Reason: fmt.Sprintf("more than %d nodes above each other in a file", maxDepth)}
	}
	next := make([]want, 0, len(n.Children))
	off := w.at.offset
	for _, c := range n.Children {
		next = append(next, want{c: c, at: place{w.at.file, off}, depth: w.depth})
		off += c.Size
	}
	w.at.file.add(len(next) - 1)
	return next, nil
}

// settleSize learns the size of a unit that no parent told: a file's root.
func (p *planner) settleSize(ctx context.Context, u *unit) error {
	if u.c.Size >= 0 {
		return nil
	}
	if u.c.CID.Type() != cid.Raw {
		b, err := p.Get(ctx, u.c.CID)
		if err != nil {
			return err
		}
		n, err := dag.DecodeFile(b, -1)
		if err != nil {
			return err
		}
		u.c.Size = n.Size
		return nil
	}
	if len(u.offers) > 0 {
		u.c.Size = u.offers[0].recipe.Size // a claim, which the leaf's hash proves
		if u.c.Size > dag.MaxLeaf {
			return &dag.CorruptError{CID: u.c.CID, Reason: "a leaf of more than 1 MiB"}
		}
		return nil
	}
	n, err := p.GetSize(ctx, u.c.CID) // fetches it: nothing else tells
	u.c.Size = int64(n)
	u.local, u.came = err == nil, err == nil
	return err
}
