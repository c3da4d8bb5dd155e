// Package generate writes a model hub in small: directories of safetensors with
// their cards, in the proportions of a published study of the hub that most
// models come from, and the same bytes on every run.
//
// # The proportions
//
// Of Wang et al., "ZipLLM", NSDI 2026 (arXiv:2505.06252), who sampled 3,048
// models of 43.19 TB: a few bases, over 99 % of the bytes in what was made from
// them; without files that are there already 41.80 TB (3.2 % less), without
// tensors that are there already 39.61 TB (8.3 % less, the files included). The
// paper's words are read so, of bytes, and [Plan] is held to them by a test that
// measures what was written. A quarter of the cards name a base, as in the trace
// that docs/planner.md speaks of; how many lie is not known: one in twenty here.
//
// How the rest is shared out among [Kind]s is not published either. The table
// in mix.go is a guess at what people upload, made before any method was run on
// it.
//
// # The weights
//
// A base is drawn from what genuine weights look like: a weight is the scale of
// its row times a value, and both have the distribution that the base of
// testmodels/ has, by quantiles, embeddings and matrices apart. So tails are as
// heavy as real ones.
//
// A fine-tune begins at the stored numbers of what it was made from, as training
// does, moves in full precision, and is rounded. AdamW's steps are as large as
// the learning rate whatever the gradient, and mostly forget their direction:
// after n of them a weight has moved by about 0.6 · lr · √n, normally
// distributed and whatever the weight, rows and columns a little apart in speed.
// So it is in the genuine pairs beside this repository (a learning rate of 1e-4
// and 250 steps moved weights by 8.9e-4, 2e-5 and 50 by 1.2e-4; kurtosis 3.0 to
// 3.9), which also say how much of its direction a run keeps from checkpoint to
// checkpoint: a correlation of 0.2. Of an embedding only the rows move whose
// words were seen, which Zipf's law says; of the head all do. An adapter is
// really W + BA.
//
// # What it does not say
//
// Models are a thousand times smaller than real ones, and there is no noise of
// people: no odd layouts, no quantised files, no repositories of datasets. What
// is measured on such a hub shows an order and why it is so, never the numbers
// of a real one.
package generate
