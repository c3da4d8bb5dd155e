package main

import (
	"bytes"
	"fmt"

	"github.com/zipnode/zipnode/bench/generate"
	"github.com/zipnode/zipnode/bench/models"
	"github.com/zipnode/zipnode/tensor"
)

// An item is one tensor of a case, and the part of its base that lies beside
// it: the same number of bytes, fewer if the base is shorter, none if there is
// no base.
type item struct {
	at         int // in its batch
	name       string
	dtype      tensor.DType
	shape      tensor.Shape
	data, base []byte
}

// A subject is one case of the table: some tensors, which are loaded one after
// the other.
type subject struct {
	name  string
	delta bool   // tensors have bases
	note  string // what the reader should know of it
	count int
	size  func(i int) int
	load  func(i int) (item, error) // data nil: identical to its base
}

// pairSubject is a model's tensors against those of its base.
func pairSubject(p models.Pair) subject {
	both, target, base := p.Match()
	return subject{
		name:  p.Target.Name + " <- " + p.Base.Name,
		delta: true,
		note:  unpaired(target, base),
		count: len(both),
		size:  func(i int) int { return int(both[i].Target.Size) },
		load:  func(i int) (item, error) { return loadMatch(both[i]) },
	}
}

func unpaired(target, base int) string {
	if target == 0 && base == 0 {
		return ""
	}
	return fmt.Sprintf("left out as without a partner: %d of the target, %d of the base", target, base)
}

func loadMatch(m models.Match) (item, error) {
	x, err := loadTensor(m.Target)
	if err != nil {
		return x, err
	}
	if x.base, err = m.Base.Read(nil); err != nil {
		return x, err
	}
	if bytes.Equal(x.data, x.base) {
		x.data = nil
	}
	x.base = x.base[:min(len(x.base), len(x.data))]
	return x, nil
}

func loadTensor(t models.Tensor) (item, error) {
	data, err := t.Read(nil)
	return item{name: t.Name, dtype: t.DType, shape: t.Shape, data: data}, err
}

// aloneSubject is a model's tensors without a base.
func aloneSubject(m *models.Model) subject {
	return subject{
		name:  m.Name + " alone",
		count: len(m.Tensors),
		size:  func(i int) int { return int(m.Tensors[i].Size) },
		load:  func(i int) (item, error) { return loadTensor(m.Tensors[i]) },
	}
}

// generated is tensors of about size bytes in all, three at least. Those that
// equal their base are coded as the others are.
func generated(c generate.Case, size int) subject {
	return subject{
		name:  "gen " + c.Name,
		delta: !c.Alone,
		count: max(3, size/c.Bytes()),
		size:  func(int) int { return c.Bytes() },
		load: func(i int) (item, error) {
			t := c.Tensor(i)
			return item{name: t.Name, dtype: c.DType, shape: c.Shape, data: t.Data, base: t.Base}, nil
		},
	}
}
