package node

import (
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A distrust is what the attempts of one get learned about recipes and about
// who offered them.
type distrust struct {
	recipes map[cid.Cid]bool
	peers   map[peer.ID]int // recipes that each offered, and nobody could provide
	lied    map[peer.ID]bool
}

// maxUnprovided is how many recipes of one peer may turn out to be of chunks, or
// of tensors, that nobody has. One that was collected meanwhile is no crime;
// after the second, what the peer offers is passed over: each costs the time
// that it takes to find out.
const maxUnprovided = 2

func newDistrust() *distrust {
	return &distrust{recipes: map[cid.Cid]bool{}, peers: map[peer.ID]int{}, lied: map[peer.ID]bool{}}
}

// not reports whether a recipe that a peer offered is to be passed over.
func (d *distrust) not(recipe cid.Cid, from peer.ID) bool {
	return d.recipes[recipe] || d.peers[from] >= maxUnprovided
}

func (d *distrust) ban(recipe cid.Cid)    { d.recipes[recipe] = true }
func (d *distrust) acquit(recipe cid.Cid) { delete(d.recipes, recipe) }

// blame notes that p offered what is wrong.
func (d *distrust) blame(p peer.ID) { d.lied[p] = true }

// unprovided notes that nobody has the chunks of a recipe.
func (d *distrust) unprovided(w *wrongRecipe) {
	d.ban(w.block())
	if from, ok := w.u.from(); ok {
		d.peers[from]++
	}
}

// withheld notes that nobody has the nodes of a tensor that peers offered
// recipes of.
func (d *distrust) withheld(offers []offer) {
	seen := map[peer.ID]bool{}
	for _, o := range offers {
		if !seen[o.from] {
			seen[o.from] = true
			d.peers[o.from]++
		}
	}
}

// offenders is how many peers taught something.
func (d *distrust) offenders() int { return len(d.peers) + len(d.lied) }
