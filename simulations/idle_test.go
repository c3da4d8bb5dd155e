package simulations

import (
	"testing"
	"time"
)

// A pause of exactly the time after which a stream is closed for idleness once
// made about one get in fifty fetch plain leaves: its first call met the stream
// as it ended, and nobody was asked for recipes.
func TestPauseOfIdleTime(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs")
	}
	base, fineTune := pair(t)
	for range 20 {
		c := Crowd{
			Fetchers: 1, Base: base, FineTune: fineTune, Settle: time.Minute,
			Link: Link{BitsPerSecond: 100_000_000, Latency: 10 * time.Millisecond},
		}
		dir := t.TempDir()
		bubble(t, func(t *testing.T) {
			res, err := c.Run(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "fine-tune", res.FineTune)
		})
	}
}
