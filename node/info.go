package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor/layout"
)

// Ls lists the models, the oldest first.
func (n *Node) Ls(ctx context.Context, _ none) (LsResult, error) {
	models, err := n.store.Models()
	if err != nil {
		return LsResult{}, err
	}
	res := LsResult{Models: []ModelLine{}}
	for _, m := range models {
		lines, err := n.lines(ctx, m)
		if err != nil {
			return res, err
		}
		res.Models = append(res.Models, lines...)
	}
	return res, n.markDamaged(ctx, res.Models)
}

// markDamaged marks the models that are damaged. lines has all names of each, and
// was made by reading them, which may have told.
func (n *Node) markDamaged(ctx context.Context, lines []ModelLine) error {
	known, err := n.damaged(ctx)
	if err != nil {
		return err
	}
	bad := map[string]bool{} // a model's CID, or a name of it
	for _, d := range known {
		for _, m := range d.Models {
			bad[m] = true
		}
	}
	for _, line := range lines {
		if bad[line.Name] {
			bad[line.CID] = true
		}
	}
	for i := range lines {
		lines[i].Damaged = bad[lines[i].CID]
	}
	return nil
}

// lines returns a line for each name of m, or one without name.
func (n *Node) lines(ctx context.Context, m store.Model) ([]ModelLine, error) {
	c, err := cid.Decode(m.CID)
	if err != nil {
		return nil, err
	}
	_, pinned, err := n.pinned(c)
	if err != nil {
		return nil, err
	}
	stored, err := n.storedUnder(ctx, c, cidSet{})
	if err != nil {
		return nil, err
	}
	line := ModelLine{
		CID: m.CID, Packing: m.Packing, Bytes: m.Bytes, Stored: stored, Files: m.Files,
		Pinned: pinned, Partial: m.Partial, Added: m.Added,
	}
	names, err := n.store.Names()
	if err != nil {
		return nil, err
	}
	var out []ModelLine
	for name, of := range names {
		if of.Equals(c) {
			line.Name = name
			out = append(out, line)
		}
	}
	slices.SortFunc(out, func(a, b ModelLine) int { return strings.Compare(a.Name, b.Name) })
	if len(out) == 0 {
		out = []ModelLine{line}
	}
	return out, nil
}

// storedUnder sums the chunks of the tensors under c, each tensor once, those
// shared with other models in full. What is not here, or damaged, counts nothing.
func (n *Node) storedUnder(ctx context.Context, c cid.Cid, seen cidSet) (int64, error) {
	if !seen.add(c) {
		return 0, nil
	}
	t, ok, err := n.store.Tensor(c)
	if ok || err != nil || c.Type() == cid.Raw {
		return t.Stored, err
	}
	b, err := n.store.Get(ctx, c)
	if err != nil {
		return 0, ignoreDamage(err) // verify tells of it; other models are to be listed
	}
	links, err := dag.Links(b)
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, l := range links {
		k, err := n.storedUnder(ctx, l, seen)
		if err != nil {
			return 0, err
		}
		total += k
	}
	return total, nil
}

// Show tells what a model is made of.
func (n *Node) Show(ctx context.Context, req RefRequest) (ShowResult, error) {
	c, err := n.resolve(ctx, req.Ref)
	if err != nil {
		return ShowResult{}, err
	}
	m, ok, err := n.store.Model(c)
	if err != nil {
		return ShowResult{}, err
	}
	if !ok {
		return ShowResult{}, WithCode(CodeNotFound, fmt.Errorf("%s is not here: 'zipnode get %s' fetches it", req.Ref, req.Ref))
	}
	lines, err := n.lines(ctx, m)
	if err == nil {
		err = n.markDamaged(ctx, lines)
	}
	if err != nil {
		return ShowResult{}, err
	}
	res := ShowResult{ModelLine: lines[0], FileList: []ShowFile{}}
	for _, l := range lines {
		if l.Name == req.Ref {
			res.ModelLine = l
		}
	}
	sums, err := n.knownSums(ctx, m)
	if err != nil {
		return res, err
	}
	for f, err := range dag.Files(ctx, n.store, c, nil) {
		if err != nil {
			return res, err
		}
		sf, err := n.showFile(ctx, f)
		if isAbsent(err) && m.Partial {
			continue
		}
		if err != nil {
			return res, err
		}
		sf.SHA256 = sums[f.Path]
		res.FileList = append(res.FileList, sf)
	}
	slices.SortFunc(res.FileList, func(a, b ShowFile) int { return strings.Compare(a.Path, b.Path) })
	return res, nil
}

// knownSums returns the sha256 of each file that m's packing has.
func (n *Node) knownSums(ctx context.Context, m store.Model) (map[string]string, error) {
	out := map[string]string{}
	if m.Packing == "" {
		return out, nil
	}
	c, err := cid.Decode(m.Packing)
	if err != nil {
		return nil, err
	}
	b, err := n.store.Get(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := dag.DecodePacking(b)
	if err != nil {
		return nil, err
	}
	for f, err := range p.Files.All(ctx, n.store) {
		if err != nil {
			return nil, err
		}
		out[f.Path] = hex.EncodeToString(f.SHA256[:])
	}
	return out, nil
}

func (n *Node) showFile(ctx context.Context, f dag.File) (ShowFile, error) {
	mf, err := n.modelFile(ctx, f)
	if err != nil {
		return ShowFile{}, err
	}
	out := ShowFile{Path: f.Path, CID: f.CID.String(), Bytes: mf.child.Size, Format: mf.format}
	if out.Stored, err = n.storedUnder(ctx, f.CID, cidSet{}); err != nil {
		return out, err
	}
	for p, err := range mf.parts(ctx) {
		if err != nil {
			return out, err
		}
		if !layout.IsTensor(mf.format, p.extent) {
			continue
		}
		st := ShowTensor{Name: p.extent.Name, DType: string(p.extent.DType), Shape: p.extent.Shape, Bytes: p.extent.Size}
		if st.Shape == nil {
			st.Shape = []uint64{}
		}
		if p.child.CID.Defined() {
			st.CID = p.child.CID.String()
			t, _, err := n.store.Tensor(p.child.CID)
			if err != nil {
				return out, err
			}
			st.Stored = t.Stored
			cold, err := n.store.Cold(p.child.CID)
			if err != nil {
				return out, err
			}
			st.Reads = cold.Read
			needs, err := n.store.Dependants(p.child.CID, maxDeltas)
			if err != nil {
				return out, err
			}
			st.Deltas = len(needs)
			if len(t.Bases) > 0 {
				st.Base, st.More = t.Bases[0].String(), len(t.Bases)-1
				if st.BaseOf, err = n.store.Label(t.Bases[0]); err != nil {
					return out, err
				}
			}
		}
		out.Tensors = append(out.Tensors, st)
	}
	return out, nil
}

// maxDeltas bounds the deltas that are counted of one tensor.
const maxDeltas = 1000

// PinLs lists the pins.
func (n *Node) PinLs(context.Context, none) (PinResult, error) {
	pins, err := n.store.Pins()
	if err != nil {
		return PinResult{}, err
	}
	res := PinResult{Pins: []PinLine{}}
	for c, kind := range pins {
		name, err := n.nameOf(c)
		if err != nil {
			return res, err
		}
		res.Pins = append(res.Pins, PinLine{CID: c.String(), Kind: kind, Name: name})
	}
	slices.SortFunc(res.Pins, func(a, b PinLine) int {
		return strings.Compare(a.Name+a.CID, b.Name+b.CID)
	})
	return res, nil
}

// ID tells who this node is, and where it listens.
func (n *Node) ID(context.Context, none) (IDResult, error) {
	return IDResult{ID: n.id.String(), Addrs: n.addrs()}, nil
}

func (n *Node) addrs() []string {
	out := []string{}
	n.netMu.Lock()
	defer n.netMu.Unlock()
	if n.host != nil && n.cfg.Serve {
		for _, a := range n.host.Addrs() {
			out = append(out, a.String())
		}
	}
	return out
}

// Peers lists the connected peers.
func (n *Node) Peers(context.Context, none) (PeersResult, error) {
	res := PeersResult{Peers: []PeerLine{}}
	n.netMu.Lock()
	host := n.host
	n.netMu.Unlock()
	if host == nil {
		return res, nil
	}
	for _, p := range host.Peers() {
		line := PeerLine{ID: p.ID.String(), Addr: p.Addr.String(), Zipnode: p.Zipnode, Sent: p.Sent, Recv: p.Received}
		if p.RTT > 0 {
			line.RTT = p.RTT.Round(10 * time.Microsecond).String()
		}
		res.Peers = append(res.Peers, line)
	}
	return res, nil
}

// Connect connects to the peer at req.Addr.
func (n *Node) Connect(ctx context.Context, req ConnectRequest) (PeersResult, error) {
	addr, err := ma.NewMultiaddr(req.Addr)
	if err != nil {
		return PeersResult{}, usagef("%q is no multiaddr: %v", req.Addr, err)
	}
	host, err := n.network(ctx)
	if err != nil {
		return PeersResult{}, err
	}
	if err := host.Connect(ctx, addr); err != nil {
		return PeersResult{}, err
	}
	return n.Peers(ctx, none{})
}

// Status is what an operator looks at first.
func (n *Node) Status(ctx context.Context, _ none) (StatusResult, error) {
	models, err := n.store.Models()
	if err != nil {
		return StatusResult{}, err
	}
	res := StatusResult{
		Version: n.cfg.Version, Dir: n.cfg.Dir, Serving: n.cfg.Serve, PID: os.Getpid(),
		ID: n.id.String(), Addrs: n.addrs(), Uptime: time.Since(n.started).Seconds(),
		Models: len(models), Stored: n.store.Bytes(), Quota: n.cfg.Quota,
	}
	for _, m := range models {
		res.Bytes += m.Bytes
	}
	if res.Tensors, res.Blocks, err = n.store.Count(); err != nil {
		return res, err
	}
	res.Free, _ = store.FreeSpace(n.cfg.Dir)
	res.Writing = n.turn.writing()
	res.Lately = n.lately.events()
	damaged, err := n.damaged(ctx)
	if err != nil {
		return res, err
	}
	for _, d := range damaged {
		res.Damaged = append(res.Damaged, KnownDamage{CID: d.CID, Where: d.Where, Reason: d.Reason, Models: d.Models, Found: d.Found})
	}
	n.netMu.Lock()
	host, seeder := n.host, n.seeder
	n.netMu.Unlock()
	if host != nil {
		res.Peers, res.Banned = len(host.Peers()), host.Banned()
	}
	if seeder != nil {
		for _, s := range seeder.Status() {
			name, err := n.nameOf(s.Root)
			if err != nil {
				return res, err
			}
			res.Seeding = append(res.Seeding, SeedingLine{Name: name, CID: s.Root.String(), Providers: s.Providers})
		}
	}
	return res, nil
}
