package study

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/zipnode/zipnode/family"
)

const (
	// kinTried is how many of the models that a model shares most with are
	// compared with it.
	kinTried = 2
	// kinCompared is how many tensors of two models are.
	kinCompared = 2
	// maxSamples bounds the samples that are in memory at once.
	maxSamples = 4096
)

// kin is how models are related.
type kin struct {
	c       *collection
	trees   []family.Tree
	root    []int // of each model, its family's; itself where it has none
	samples map[int32]family.Sample
}

// kin parts the models into families. Not every two are compared, but each with
// those that most of its bytes were found to be near to, or the same as.
func (c *collection) kin(ctx context.Context) *kin {
	k := &kin{c: c, samples: map[int32]family.Sample{}}
	tried := c.votes()
	k.trees = family.Cluster(len(c.models), func(i, j int) family.Relation {
		if !tried[[2]int32{int32(i), int32(j)}] || ctx.Err() != nil {
			return family.Relation{}
		}
		return k.relate(i, j)
	})
	k.root = make([]int, len(c.models))
	for _, t := range k.trees {
		for _, m := range t.Members {
			k.root[m.Model] = t.Members[0].Model
		}
	}
	return k
}

// votes returns the pairs of models, the lesser first, that are to be compared.
func (c *collection) votes() map[[2]int32]bool {
	pairs := map[[2]int32]bool{}
	for i, m := range c.models {
		votes := map[int32]int64{}
		for _, u := range m.uses {
			p := &c.parts[u.part]
			if p.model != int32(i) {
				votes[p.model] += p.size
			} else if p.near >= 0 {
				votes[c.parts[p.near].model] += p.size
			}
		}
		delete(votes, int32(i))
		delete(votes, -1)
		best := slices.SortedFunc(maps.Keys(votes), func(a, b int32) int {
			return cmp.Or(cmp.Compare(votes[b], votes[a]), cmp.Compare(a, b))
		})
		for _, j := range best[:min(len(best), kinTried)] {
			pairs[[2]int32{min(int32(i), j), max(int32(i), j)}] = true
		}
	}
	return pairs
}

// relate compares the largest tensors that two models both have.
func (k *kin) relate(i, j int) family.Relation {
	a, b := family.Model{}, family.Model{}
	for _, pair := range k.common(i, j) {
		x, okX := k.sample(pair[0])
		y, okY := k.sample(pair[1])
		if okX && okY {
			name := string(rune('a' + len(a)))
			a[name], b[name] = x, y
		}
	}
	return family.Relate(a, b)
}

// common returns the parts of the largest tensors of one name in two models.
func (k *kin) common(i, j int) [][2]int32 {
	named := map[string]int32{}
	for _, u := range k.c.models[j].uses {
		named[u.name] = u.part
	}
	var out [][2]int32
	for _, u := range k.c.models[i].uses {
		if other, ok := named[u.name]; ok && k.c.parts[u.part].sample.size > 0 && k.c.parts[other].sample.size > 0 {
			out = append(out, [2]int32{u.part, other})
		}
	}
	slices.SortStableFunc(out, func(a, b [2]int32) int { return cmp.Compare(k.c.parts[b[0]].size, k.c.parts[a[0]].size) })
	return out[:min(len(out), kinCompared)]
}

func (k *kin) sample(part int32) (family.Sample, bool) {
	if s, ok := k.samples[part]; ok {
		return s, true
	}
	s, ok := k.c.sampleOf(part)
	if len(k.samples) >= maxSamples {
		clear(k.samples)
	}
	if ok {
		k.samples[part] = s
	}
	return s, ok
}

func (c *collection) sampleOf(part int32) (family.Sample, bool) {
	data, err := c.spill.get(c.parts[part].sample)
	if err != nil {
		return family.Sample{}, false
	}
	s, err := family.Decode(data)
	return s, err == nil
}

// distance is the bit distance of two parts, if they can be compared.
func (c *collection) distance(i, j int32) (float64, bool) {
	a, okA := c.sampleOf(i)
	b, okB := c.sampleOf(j)
	if !okA || !okB {
		return 0, false
	}
	return family.Distance(a, b)
}

// roots notes, for every use of a tensor, what it is to its family's root.
func (c *collection) roots(k *kin) {
	names := map[int]map[string]int32{} // of roots
	for i, m := range c.models {
		r := k.root[i]
		if r == i {
			continue
		}
		if names[r] == nil {
			names[r] = map[string]int32{}
			for _, u := range c.models[r].uses {
				names[r][u.name] = u.part
			}
		}
		for _, u := range m.uses {
			p := &c.parts[u.part]
			base, ok := names[r][u.name]
			switch {
			case !ok:
			case base == u.part:
				p.same++
			case c.parts[base].dtype == p.dtype && c.parts[base].size == p.size && (p.root < 0 || p.root == base):
				p.root = base
				p.deltas++
			}
		}
	}
}

// describe adds families and their distances to r.
func (k *kin) describe(r *Report) {
	named := map[string]int{}
	for i, m := range k.c.models {
		named[strings.ToLower(m.name)] = i
		named[strings.ToLower(m.name[strings.LastIndexByte(m.name, '/')+1:])] = i
	}
	for _, t := range k.trees {
		r.Families = append(r.Families, k.family(t, named))
	}
	slices.SortStableFunc(r.Families, func(a, b Family) int { return cmp.Compare(b.Bytes, a.Bytes) })
	slices.SortStableFunc(k.trees, func(a, b family.Tree) int { return cmp.Compare(len(b.Members), len(a.Members)) })
	var shown []int
	for _, t := range k.trees {
		for _, m := range t.Members {
			if len(shown) < maxMatrix {
				shown = append(shown, m.Model)
			}
		}
	}
	r.Matrix = k.matrix(shown)
}

// claimed returns the model here that a model's card or config names.
func claimed(m *model, named map[string]int, self int) (string, int) {
	first := ""
	for _, hint := range m.hints.Bases {
		if first == "" {
			first = hint
		}
		hint = strings.ToLower(hint)
		for _, name := range []string{hint, hint[strings.LastIndexByte(hint, '/')+1:]} {
			if j, ok := named[name]; ok && j != self {
				return hint, j
			}
		}
	}
	return first, -1
}

func (k *kin) family(t family.Tree, named map[string]int) Family {
	var f Family
	at := map[int]int{}
	for i, m := range t.Members {
		at[m.Model] = i
		x := k.c.models[m.Model]
		claim, of := claimed(x, named, m.Model)
		line := Member{Name: x.name, Bytes: x.bytes, Under: -1, Distance: m.Distance, Claim: claim}
		if m.Under >= 0 {
			line.Under = at[m.Under]
			line.Depth = f.Members[line.Under].Depth + 1
		}
		if of >= 0 && k.root[of] != k.root[m.Model] {
			line.Contradiction = "its card says " + claim + ", which its bits are not related to"
		}
		f.Bytes += x.bytes
		f.Members = append(f.Members, line)
	}
	return f
}

func (k *kin) matrix(models []int) Matrix {
	m := Matrix{Names: []string{}, Bits: [][]float64{}}
	for range models {
		m.Bits = append(m.Bits, make([]float64, len(models)))
	}
	for x, i := range models {
		m.Names = append(m.Names, k.c.models[i].name)
		for y, j := range models[:x] {
			d := k.between(i, j)
			m.Bits[x][y], m.Bits[y][x] = d, d
		}
	}
	return m
}

// between returns the bit distance of two models over some of the tensors that
// both have, each weighted by its size, and -1 where there is none.
func (k *kin) between(i, j int) float64 {
	bits, size := 0.0, 0.0
	for _, pair := range k.common(i, j) {
		n := float64(k.c.parts[pair[0]].size)
		if pair[0] == pair[1] {
			size += n
			continue
		}
		a, okA := k.sample(pair[0])
		b, okB := k.sample(pair[1])
		if !okA || !okB {
			continue
		}
		if d, ok := family.Distance(a, b); ok {
			bits, size = bits+n*d, size+n
		}
	}
	if size == 0 {
		return -1
	}
	return bits / size
}

// describe adds to r what was counted.
func (c *collection) describe(r *Report) {
	r.Files, r.Bytes, r.Models, r.Tensors, r.Held = c.count, c.bytes, len(c.models), c.tensors, c.held
	r.DTypes, r.Formats = shares(c.dtypes), shares(c.formats)
	r.Partial, r.Problems, r.More = c.partial, c.problems, c.more
	unique, tensors := int64(0), int64(0)
	layers := map[string]*Layer{}
	var order []string
	weight := map[string]float64{}
	for i := range c.parts {
		p := &c.parts[i]
		unique++
		if p.tensor {
			tensors++
		}
		if p.near < 0 || p.layer == "" {
			continue
		}
		l := layers[p.layer]
		if l == nil {
			if len(layers) == maxLayers {
				continue
			}
			l = &Layer{Name: p.layer}
			layers[p.layer] = l
			order = append(order, p.layer)
		}
		l.Tensors++
		l.Changed += p.changed * float64(p.size)
		weight[p.layer] += float64(p.size)
	}
	for _, name := range order {
		l := layers[name]
		l.Changed /= weight[name]
		r.Layers = append(r.Layers, *l)
	}
	slices.SortFunc(r.Layers, func(a, b Layer) int { return natural(a.Name, b.Name) })
	if c.o.wants(FileDedup) {
		r.Duplicates = append(r.Duplicates, Duplicates{"file", c.count, int64(len(c.files)), c.again, int64(len(c.files)) * EntryBytes, 1})
	}
	if c.o.wants(TensorDedup) {
		r.Duplicates = append(r.Duplicates, Duplicates{"tensor", c.tensors, tensors, c.again + c.dup, unique * EntryBytes, 1})
	}
	if c.o.wants(ChunkDedup) {
		s := c.chunks
		n := s.of(int64(len(s.seen)))
		r.Duplicates = append(r.Duplicates, Duplicates{"chunk", s.of(s.count), n, s.of(s.again), n * EntryBytes, s.share()})
	}
}

func shares(m map[string]*Share) []Share {
	out := []Share{}
	for _, s := range m {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Name, b.Name))
	})
	return out
}

// natural orders "layers.2" before "layers.10".
func natural(a, b string) int {
	x, m := number(a)
	y, n := number(b)
	return cmp.Or(strings.Compare(x, y), cmp.Compare(m, n), strings.Compare(a, b))
}

func number(s string) (string, int) {
	head := strings.TrimRight(s, "0123456789")
	n := 0
	for _, d := range s[len(head):] {
		n = n*10 + int(d-'0')
	}
	return head, n
}
