package generate

// train returns the rows of t in m, that begin as from.
func (m *model) train(from rows, t spec) rows {
	tune := tunings[m.Kind]
	tune.rate *= spread[m.number%len(spread)]
	switch m.Kind {
	case Base, Scratch, Copy, Resharded:
		return from
	case Frozen:
		if t.layer < m.arch.layers/2 && t.name != "model.norm.weight" && t.class != head {
			return from
		}
	case Adapter:
		if t.class != adapted {
			return from
		}
		return newAdapter(from, m.seed, t, tune)
	case AdapterAll:
		if t.class != matrix && t.class != adapted {
			return from
		}
		return newAdapter(from, m.seed, t, tune)
	case Checkpoint:
		tune = tunings[m.Kind] // the run's, whichever checkpoint
		tune.words *= float64(m.number)
		return newRun(from, m.seed, t, tune, m.number)
	}
	return newMoved(from, m.seed, t, tune)
}
