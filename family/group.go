package family

import (
	"fmt"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/tensor"
)

// GroupOf names the tensors that line up with that of e, and may be bases of each
// other: of one name and row length, and of dtypes that can be cast to each other.
func GroupOf(e tensor.Extent) string {
	row := tensor.Shape{}
	if len(e.Shape) > 1 {
		row = e.Shape[1:]
	}
	dtype := string(e.DType)
	if codec.Castable(e.DType, tensor.F32) {
		dtype = "float"
	}
	return fmt.Sprintf("%s\x00%s\x00%v", e.Name, dtype, row)
}
