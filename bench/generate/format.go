package generate

import (
	"encoding/binary"
	"math"
)

// A format writes numbers as elements, and reads them back rounded.
type format interface {
	width() int
	put(p []byte, x float64) // to the first width bytes of p
	get(p []byte) float64
}

// mini is a minifloat of one or two bytes.
type mini struct{ minifloat }

func (f mini) width() int { return (1 + f.exponent + f.mantissa) / 8 }

func (f mini) put(p []byte, x float64) {
	b := f.bits(x)
	p[0] = byte(b)
	if f.width() == 2 {
		p[1] = byte(b >> 8)
	}
}

func (f mini) get(p []byte) float64 {
	b := uint16(p[0])
	if f.width() == 2 {
		b |= uint16(p[1]) << 8
	}
	return f.value(b)
}

// times is a format of numbers times a factor.
type times struct {
	format
	factor float64
}

func (f times) put(p []byte, x float64) { f.format.put(p, x*f.factor) }
func (f times) get(p []byte) float64    { return f.format.get(p) / f.factor }

// scaled is a format of fp8, whose tensors are scaled to its range.
func scaled(f minifloat) format { return times{mini{f}, 1024} }

// full is fp32, double fp64.
type (
	full   struct{}
	double struct{}
)

func (full) width() int { return 4 }

func (full) put(p []byte, x float64) {
	binary.LittleEndian.PutUint32(p, math.Float32bits(float32(x)))
}

func (full) get(p []byte) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(p)))
}

func (double) width() int { return 8 }

func (double) put(p []byte, x float64) { binary.LittleEndian.PutUint64(p, math.Float64bits(x)) }

func (double) get(p []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(p)) }

// widened is fp32 whose numbers fit a shorter format.
type widened struct{ short format }

func (widened) width() int { return 4 }

func (f widened) put(p []byte, x float64) {
	var q [8]byte
	f.short.put(q[:], x)
	full{}.put(p, f.short.get(q[:]))
}

func (f widened) get(p []byte) float64 { return full{}.get(p) }
