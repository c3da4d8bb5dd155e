package node

// tell adds to the result what k has now in another way than it was.
func (r *repacking) tell(k *kin, was replan) error {
	r.res.Gain -= k.total(k.now)
	for i, need := range k.needed(was) {
		if need {
			r.res.Gain += k.list[i].t.Stored
		}
	}
	r.res.Spared += max(0, len(k.spare(was))-len(k.spare(k.now)))
	for i := range k.list {
		if was[i] == k.now[i] {
			continue
		}
		r.res.Changed++
		if k.now[i] < 0 {
			r.res.Alone++
		}
		if !r.req.Explain {
			continue
		}
		if len(r.res.Plan) == maxPlanLines {
			r.res.PlanCut++
			continue
		}
		line, err := r.line(k, was, int32(i))
		if err != nil {
			return err
		}
		r.res.Plan = append(r.res.Plan, line)
	}
	return nil
}

func (r *repacking) line(k *kin, was replan, i int32) (RepackLine, error) {
	name, err := r.n.label(k.list[i].c)
	line := RepackLine{
		Name: name, CID: k.list[i].c.String(), Bytes: k.p.Size[i],
		Before: k.list[i].t.Stored, After: k.stored(k.now, i),
	}
	base := func(e int32) string {
		if e < 0 || err != nil {
			return ""
		}
		var label string
		label, err = r.n.label(k.list[k.p.Edges[e].Base].c)
		return label
	}
	line.From, line.To = base(was[i]), base(k.now[i])
	return line, err
}
