package generate

import (
	"fmt"
	"hash/fnv"
	"math"

	"github.com/zipnode/zipnode/tensor"
)

// A Config says which hub. Its zero value is the hub of docs/study.md.
type Config struct {
	Seed   uint64 `json:"seed"`   // 0 is a seed like any other
	Shrink int    `json:"shrink"` // what each width is divided by, from 1 to 16; 0 means 1
}

// A Model says what one model of a hub is, and what it says of itself.
type Model struct {
	Name   string       `json:"name"` // of its directory
	Family string       `json:"family"`
	Kind   Kind         `json:"kind"`
	Made   string       `json:"made,omitempty"` // the model it was made from
	Card   bool         `json:"card"`           // whether it has a README.md
	Says   string       `json:"says,omitempty"` // the base that its card names: it may be wrong
	DType  tensor.DType `json:"dtype"`
	Bytes  int64        `json:"bytes"` // of its tensors
}

// A model is a Model and how to make it.
type model struct {
	Model
	arch   arch
	made   *model
	seed   uint64 // of what is drawn for it; a run's checkpoints share one
	number int    // which of its kind and family; of a run, which checkpoint
	grown  int    // more words than its base has
}

// Plan returns the models of a hub, each behind the one it was made from.
func Plan(c Config) ([]Model, error) {
	all, err := plan(c)
	models := make([]Model, len(all))
	for i, m := range all {
		models[i] = m.Model
	}
	return models, err
}

func plan(c Config) ([]*model, error) {
	if c.Shrink < 0 || c.Shrink > 16 {
		return nil, fmt.Errorf("a hub is shrunk by 1 to 16, not by %d", c.Shrink)
	}
	p := planner{seed: c.Seed, carry: map[Kind]float64{}}
	for _, f := range families {
		p.family(f.arch.shrunk(max(c.Shrink, 1)), f.models, f.scratch)
	}
	p.cards()
	return p.all, nil
}

type planner struct {
	seed  uint64
	all   []*model
	carry map[Kind]float64 // bytes that a kind is behind its share
}

// runLength is how many checkpoints a run has.
const runLength = 4

// family adds the models of one base.
func (p *planner) family(a arch, models, scratch int) {
	base := p.add(a, Base, 0, nil)
	for i := range scratch {
		p.add(a, Scratch, i, nil)
	}
	bases := []*model{base} // light fine-tunes are made from tuned ones too
	var copied []*model
	total := float64(models) * float64(base.Bytes)
	for _, m := range mix {
		width := float64(m.kind.dtype().Bits()) / 16
		size := float64(base.Bytes) * width
		unit := 1
		if m.kind == Checkpoint {
			unit = runLength
		}
		due := total*m.share + p.carry[m.kind]
		n := max(int(math.Round(due/size/float64(unit)))*unit, 0)
		p.carry[m.kind] = due - float64(n)*size
		for i := range n {
			from := base
			switch m.kind {
			case Light:
				from = bases[i%len(bases)]
			case Copy, Resharded:
				from = copied[(i*7+len(m.kind))%len(copied)]
			}
			x := p.add(a, m.kind, i, from)
			if m.kind == Tuned && i%4 == 0 {
				bases = append(bases, x)
			}
			if m.kind == Light || m.kind == Tuned || m.kind == Strong {
				copied = append(copied, x)
			}
		}
	}
}

// add adds the i-th model of a kind and family.
func (p *planner) add(a arch, k Kind, i int, made *model) *model {
	m := &model{arch: a, made: made, number: i}
	m.Family, m.Kind, m.DType = a.family, k, k.dtype()
	m.Name = fmt.Sprintf("%s-%s-%03d", a.family, k, i)
	if k == Base {
		m.Name = a.family
	}
	m.seed = p.hash(m.Name)
	switch k {
	case Checkpoint:
		run := i / runLength
		m.number = i%runLength + 1
		m.Name = fmt.Sprintf("%s-run-%02d-step%d", a.family, run, 100*m.number)
		m.seed = p.hash(fmt.Sprintf("%s-run-%02d", a.family, run))
	case Grown:
		m.grown = max(a.vocab/64*(1+i%4)/8*8, 8)
	}
	if made != nil {
		m.Made = made.Name
		m.grown += made.grown
	}
	for _, t := range a.tensors(m.grown) {
		m.Bytes += t.elements() * int64(m.DType.Bits()/8)
	}
	p.all = append(p.all, m)
	return m
}

// hash mixes the seed and a name.
func (p *planner) hash(name string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", p.seed, name)
	return h.Sum64()
}

// cards decides what each card says: of a hundred models 25 name what they
// were made from, 5 another model, 30 none, and 40 have no card.
func (p *planner) cards() {
	for i, m := range p.all {
		lot := i * 37 % 100
		m.Card = lot < 60 || m.made == nil
		switch {
		case m.made == nil:
		case lot < 25:
			m.Says = m.Made
		case lot < 30:
			m.Says = p.all[(i*31+17)%len(p.all)].Name
			if m.Says == m.Made || m.Says == m.Name {
				m.Says = p.all[(i*31+18)%len(p.all)].Name
			}
		}
	}
}
