package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

func (a *app) familyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "family",
		Short: "Tell which models are related",
		Long: `Parts the models that are here into families by how many bits of an element
differ between them, each under the one that it is nearest to, whatever their
cards say; and says where a card claims what cannot be. Which of two models was
made from the other, no distance tells.`,
		Example: "  zipnode family\n  zipnode family --json | jq '.families[].members[] | select(.contradiction).name'",
		Args:    exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.FamilyResult
			if err := a.call(ctx, "family", nil, &r); err != nil {
				return err
			}
			var ids []string
			for _, f := range r.Families {
				for _, m := range f.Members {
					ids = append(ids, m.CID)
				}
			}
			return a.print(r, ids, func(w io.Writer) { printFamilies(w, &r) })
		}),
	}
}

func printFamilies(w io.Writer, r *node.FamilyResult) {
	if len(r.Families) == 0 {
		fmt.Fprintln(w, "no models here yet: 'zipnode add DIR' or 'zipnode get CID'")
		return
	}
	names := map[string]string{}
	for _, f := range r.Families {
		for _, m := range f.Members {
			names[m.CID] = cmpName(m.Name, m.CID)
		}
	}
	t := table{right: " rr"}
	t.add("MODEL", "SIZE", "BITS APART", "CARD SAYS")
	var wrong []string
	for _, f := range r.Families {
		for _, m := range f.Members {
			bits := "-"
			if m.Under != "" {
				bits = fmt.Sprintf("%.2f", m.Bits)
			}
			t.add(strings.Repeat("  ", m.Depth)+names[m.CID], size(m.Bytes), bits, claim(&m))
			if m.Contradiction != "" {
				wrong = append(wrong, names[m.CID]+": "+m.Contradiction)
			}
		}
	}
	t.write(w)
	if len(wrong) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range wrong {
		fmt.Fprintln(w, plain(line))
	}
}

// claim says what a model's card says, and whether it can be.
func claim(m *node.FamilyMember) string {
	switch {
	case m.Claim == "":
		return "-"
	case m.ClaimCID == "":
		return m.Claim + ", not here"
	case m.Contradiction != "":
		return m.Claim + ", CONTRADICTED"
	}
	return m.Claim
}
