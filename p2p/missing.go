package p2p

import (
	"fmt"

	"github.com/ipfs/go-cid"
)

// failed is the error of a want that nobody has.
func (w *want) failed() error { return &MissingError{Block: w.c, Asked: len(w.whom), Liar: w.liar} }

// A MissingError says that no peer that could be found has a block. It wraps
// ErrNoProvider.
type MissingError struct {
	Block cid.Cid
	Asked int   // peers, in vain
	Liar  error // the last wrong bytes in its place; nil: there were none
}

func (e *MissingError) Error() string {
	asked := fmt.Sprintf("%d peers were asked", e.Asked)
	switch e.Asked {
	case 0:
		asked = "there was no peer to ask"
	case 1:
		asked = "one peer was asked"
	}
	s := fmt.Sprintf("block %s: %v: %s", e.Block, ErrNoProvider, asked)
	if e.Liar != nil {
		s += "; " + e.Liar.Error()
	}
	return s
}

// Unwrap returns ErrNoProvider, and Liar if there is one.
func (e *MissingError) Unwrap() []error {
	if e.Liar == nil {
		return []error{ErrNoProvider}
	}
	return []error{ErrNoProvider, e.Liar}
}
