package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
)

// Verify reads everything, or what the model req.Ref needs, and mends from peers
// what is damaged: by the same block where a peer has it, else by fetching again
// whatever needs it. What cannot be mended is set aside, so that adding the
// model again, or a later get, does.
func (n *Node) Verify(ctx context.Context, req RefRequest, progress func(Progress)) (VerifyResult, error) {
	start := time.Now()
	var only []cid.Cid
	if req.Ref != "" {
		c, err := n.resolve(ctx, req.Ref)
		if err != nil {
			return VerifyResult{}, err
		}
		if _, ok, err := n.store.Model(c); err != nil || !ok {
			return VerifyResult{}, errors.Join(err, WithCode(CodeNotFound, fmt.Errorf("%s is not here", req.Ref)))
		}
		only = []cid.Cid{c}
	}
	v, err := n.store.Verify(ctx, only, func(done, total int64) {
		progress(Progress{Stage: "verify", Done: done, Total: total})
	})
	// It was set aside: should this end before it is known who needs it, and whether
	// it can be mended, status says what it is.
	if err = errors.Join(err, n.remember(unmended(v.Damage), false)); err != nil {
		return VerifyResult{}, err
	}
	res := VerifyResult{Blocks: v.Blocks, Bytes: v.Bytes, Leaves: v.Leaves, Corrupt: []Damage{}}
	r, err := n.newRepairer(ctx, v.Damage, progress)
	if err != nil {
		return res, err
	}
	if err := r.run(ctx); err != nil {
		return res, err
	}
	if res.Corrupt, err = r.lines(v.Damage); err != nil {
		return res, err
	}
	for _, line := range res.Corrupt {
		if line.Repaired {
			res.Repaired++
		}
	}
	if len(res.Corrupt) > 0 {
		n.log.Warn("damage was found", "blocks", len(res.Corrupt), "repaired", res.Repaired, "first", res.Corrupt[0].CID, "where", res.Corrupt[0].Where)
	}
	if err := n.remember(res.Corrupt, len(only) == 0); err != nil {
		return res, err
	}
	res.Seconds = time.Since(start).Seconds()
	return res, ctx.Err()
}
