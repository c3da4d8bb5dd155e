package generate

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/safetensors"
	"github.com/zipnode/zipnode/testmodels"
)

// A look is what the weights of a class look like.
type look struct {
	scales curve // the root mean square of a row
	values curve // weights, in that of their row
}

// The looks of genuine embeddings and matrices.
type looks struct{ embedding, matrix look }

func (l *looks) of(c class) look {
	if c == embedding || c == head {
		return l.embedding
	}
	return l.matrix
}

// genuine measures the base of testmodels.
var genuine = sync.OnceValues(func() (*looks, error) {
	raw, err := testmodels.FS.ReadFile("base/model.safetensors")
	if err != nil {
		return nil, err
	}
	lay, err := safetensors.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("the base of testmodels: %w", err)
	}
	var e, m looker
	for x := range lay.Extents.All() {
		if len(x.Shape) != 2 || x.DType != tensor.BF16 {
			continue
		}
		to := &m
		if strings.Contains(x.Name, "embedding") {
			to = &e
		}
		to.add(raw[x.Offset:x.Offset+x.Size], x.Shape.Row())
	}
	return &looks{e.look(), m.look()}, nil
})

// A looker gathers rows.
type looker struct{ scales, values []float64 }

func (l *looker) add(p []byte, cols int) {
	row := make([]float32, cols)
	for ; len(p) > 0; p = p[2*cols:] {
		decode(row, p)
		sum := 0.0
		for _, x := range row {
			sum += float64(float64(x) * float64(x))
		}
		scale := math.Sqrt(sum / float64(cols))
		l.scales = append(l.scales, scale)
		for _, x := range row {
			l.values = append(l.values, float64(x)/scale)
		}
	}
}

func (l *looker) look() look { return look{quantiles(l.scales, 256), quantiles(l.values, 4096)} }

// quantiles returns n + 1 of them, from the least of list to its greatest.
func quantiles(list []float64, n int) curve {
	slices.Sort(list)
	c := make(curve, n+1)
	for i := range c {
		c[i] = list[i*(len(list)-1)/n]
	}
	return c
}
