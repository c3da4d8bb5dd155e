package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
)

func (a *app) idCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "id",
		Short: "Print this node's ID and addresses",
		Long:  "Prints this node's ID, and the addresses by which others reach it while a daemon\n('zipnode serve') runs.",
		Args:  exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.IDResult
			if err := a.call(ctx, "id", nil, &r); err != nil {
				return err
			}
			return a.print(r, []string{r.ID}, func(w io.Writer) {
				fmt.Fprintln(w, r.ID)
				for _, addr := range r.Addrs {
					fmt.Fprintln(w, addr)
				}
			})
		}),
	}
}

func (a *app) peersCmd() *cobra.Command {
	return a.group("peers", "See and make connections", a.peersLs(), a.peersConnect())
}

// callDaemon runs op at a zipnode that has the network up.
func (a *app) callDaemon(ctx context.Context, op string, args, result any) error {
	c, err := gateway.Dial(ctx, a.dir)
	if errors.Is(err, gateway.ErrNoServer) {
		return node.WithCode(node.CodeNoStore, fmt.Errorf("no daemon runs for %s: start 'zipnode serve'", a.dir))
	}
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Call(ctx, op, args, a.wait, result, nil)
}

func (a *app) peersLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the peers the daemon is connected to",
		Args:  exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.PeersResult
			if err := a.callDaemon(ctx, "peers.ls", nil, &r); err != nil {
				return err
			}
			var ids []string
			t := table{right: "  r rr"}
			t.add("PEER", "ADDRESS", "RTT", "ZIPNODE", "SENT", "RECEIVED")
			for _, p := range r.Peers {
				ids = append(ids, p.ID)
				t.add(p.ID, p.Addr, cmpName(p.RTT, "-"), yes(p.Zipnode), size(p.Sent), size(p.Recv))
			}
			return a.print(r, ids, func(w io.Writer) {
				if len(r.Peers) == 0 {
					fmt.Fprintln(w, "no peer is connected yet: 'zipnode peers connect MULTIADDR' connects one")
					return
				}
				t.write(w)
			})
		}),
	}
}

func (a *app) peersConnect() *cobra.Command {
	return &cobra.Command{
		Use:     "connect MULTIADDR",
		Short:   "Connect the daemon to a peer",
		Example: "  zipnode peers connect /ip4/192.168.1.7/tcp/4011/p2p/12D3KooW...",
		Args:    exactly("the address of a peer, as 'zipnode id' prints it there"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := checkAddrs(args, true); err != nil {
				return usagef("%w", err)
			}
			var r node.PeersResult
			if err := a.callDaemon(ctx, "peers.connect", node.ConnectRequest{Addr: args[0]}, &r); err != nil {
				return err
			}
			id := args[0][strings.LastIndex(args[0], "/")+1:]
			return a.print(r, []string{id}, func(w io.Writer) { fmt.Fprintf(w, "connected to %s\n", id) })
		}),
	}
}

func (a *app) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell how the store and the daemon are",
		Long: `Tells what the store holds and takes, and what room is left; of a daemon also its
addresses, its peers, which models it seeds, and what went wrong lately: peers
banned, blocks damaged, operations failed. PROVIDERS counts the nodes found that
announce a model, this one too. DAMAGED is what a verify or a read found, until
it is mended.`,
		Args: exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.StatusResult
			if err := a.call(ctx, "status", nil, &r); err != nil {
				return err
			}
			return a.print(r, []string{r.ID}, func(w io.Writer) { printStatus(w, &r) })
		}),
	}
}

func printStatus(w io.Writer, r *node.StatusResult) {
	t := table{}
	t.add("store", r.Dir)
	t.add("daemon", "no ('zipnode serve' starts one)")
	if r.Serving {
		up := time.Duration(r.Uptime * float64(time.Second)).Round(time.Second)
		t.rows[1][1] = fmt.Sprintf("process %d, version %s, up %v", r.PID, r.Version, up)
	}
	t.add("id", r.ID)
	for _, addr := range r.Addrs {
		t.add("", addr)
	}
	if r.Serving {
		peers := fmt.Sprint(r.Peers)
		if r.Banned > 0 {
			peers += fmt.Sprintf(", and %d banned for what they sent", r.Banned)
		}
		t.add("peers", peers)
	}
	stored := fmt.Sprintf("%s in %s", size(r.Stored), count(r.Blocks, "block"))
	if more := compared(r.Stored, r.Bytes); more != "" {
		stored += ", " + more
	}
	t.add("models", fmt.Sprintf("%d, %s, %s as files", r.Models, count(r.Tensors, "tensor"), size(r.Bytes)))
	t.add("stored", stored)
	if r.Quota > 0 {
		t.add("quota", fmt.Sprintf("%s, %s used", size(r.Quota), percent(r.Stored, r.Quota)))
	}
	t.add("disk", size(r.Free)+" free")
	if r.Writing != "" {
		t.add("writing", r.Writing)
	}
	t.write(w)
	printDamaged(w, r.Damaged)
	printSeeding(w, r.Seeding)
	printLately(w, r.Lately)
}

// shownDamage is how many damages are listed; --json has them all.
const shownDamage = 10

// printDamaged lists the damage that was found and that nothing mended.
func printDamaged(w io.Writer, list []node.KnownDamage) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := table{}
	t.add("DAMAGED", "FOUND", "WHERE", "REASON")
	for i, d := range list {
		if i == shownDamage {
			t.add(fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		t.add(d.CID, d.Found.Local().Format(time.DateTime), d.Where, oneLine(d.Reason))
		for _, m := range d.Models {
			t.add("  needed by " + m)
		}
	}
	t.write(w)
	fmt.Fprintln(w, "'zipnode verify --bootstrap ADDR' fetches it from a peer that has it; adding the model again after a verify mends it too")
}

// printLately lists the warnings since the daemon started.
func printLately(w io.Writer, events []node.Event) {
	if len(events) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := table{right: " r"}
	t.add("LATELY", "TIMES", "LAST", "WHICH WAS")
	for _, e := range events {
		t.add(e.What, fmt.Sprint(e.Times), e.Last.Local().Format(time.DateTime), oneLine(e.Details))
	}
	t.write(w)
}

func printSeeding(w io.Writer, list []node.SeedingLine) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	seeds := table{right: "  r"}
	seeds.add("SEEDING", "CID", "PROVIDERS")
	for _, s := range list {
		n := "not counted yet"
		if s.Providers >= 0 {
			n = fmt.Sprint(s.Providers)
		}
		seeds.add(cmpName(s.Name, "-"), s.CID, n)
	}
	seeds.write(w)
}

func percent(part, whole int64) string {
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(whole))
}
