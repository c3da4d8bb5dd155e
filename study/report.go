package study

// A Report is what was found out about a collection of models. Its JSON is what
// 'zipnode analyze --json' prints.
type Report struct {
	Roots []string `json:"roots"` // the directories, as given
	Exact bool     `json:"exact"` // everything was really encoded

	Files   int64 `json:"files"`   // regular files; what several names lead to counts once
	Bytes   int64 `json:"bytes"`   // of these
	Models  int   `json:"models"`  // directories with tensors
	Tensors int64 `json:"tensors"` // of all models
	Held    int64 `json:"held"`    // bytes of these

	DTypes  []Share `json:"dtypes"`  // of tensors, the most bytes first
	Formats []Share `json:"formats"` // of files

	Duplicates []Duplicates `json:"duplicates"` // by file, by tensor, by chunk
	Ways       []Way        `json:"ways"`       // of storing, the published ones first, zipnode last
	Fields     []Field      `json:"fields"`     // where the bits of deltas sit, by dtype
	Families   []Family     `json:"families"`   // the most bytes first
	Layers     []Layer      `json:"layers"`     // share of changed weights, in order of the layers
	Matrix     Matrix       `json:"matrix"`

	Sampled  int64     `json:"sampled"`  // bytes that were encoded for the estimates; 0 if exact
	Seconds  float64   `json:"seconds"`  // the whole took
	Hashing  float64   `json:"hashing"`  // of these, reading and hashing
	Cached   int64     `json:"cached"`   // bytes whose hashes an earlier run had left
	Partial  bool      `json:"partial"`  // something could not be read
	Problems []Problem `json:"problems"` // at most maxProblems of them
	More     int       `json:"more"`     // problems beyond those
}

// A Share is a part of the collection.
type Share struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
	Bytes int64  `json:"bytes"`
}

// Duplicates says what is there more than once, cut one way.
type Duplicates struct {
	By       string `json:"by"`       // "file", "tensor" or "chunk"
	Count    int64  `json:"count"`    // files, tensors or chunks
	Unique   int64  `json:"unique"`   // of these
	Bytes    int64  `json:"bytes"`    // that are there again
	Metadata int64  `json:"metadata"` // bytes of an index of the unique ones, EntryBytes each
	// Share is the part of chunks that were counted, where there were too many to
	// hold: what is said of all is then an estimate.
	Share float64 `json:"share"`
}

// A Way is one way of storing the collection.
type Way struct {
	Name   string  `json:"name"`   // "file dedup", "chunk dedup", "tensor dedup", "zstd", "ZipNN", "BitX", "ZipLLM", "zipnode"
	Stored int64   `json:"stored"` // bytes that it takes
	Error  float64 `json:"error"`  // expected, as a part of Stored: two standard errors; 0 if exact
}

// A Field says which bits differ between tensors of a dtype and their bases.
type Field struct {
	DType    string  `json:"dtype"`
	Leaves   int64   `json:"leaves"`   // that were compared
	Changed  float64 `json:"changed"`  // part of the elements that differ at all
	Sign     float64 `json:"sign"`     // differing bits of an element, on average
	Exponent float64 `json:"exponent"` // the same
	Mantissa float64 `json:"mantissa"` // the same
}

// A Family is models that are related by their bits.
type Family struct {
	Bytes   int64    `json:"bytes"`
	Members []Member `json:"members"` // the root first, then each after the one that it is under
}

// A Member is a model in its family.
type Member struct {
	Name     string  `json:"name"`
	Bytes    int64   `json:"bytes"`
	Under    int     `json:"under"` // index in Members; -1 for the root
	Depth    int     `json:"depth"` // models above it
	Distance float64 `json:"distance"`
	Claim    string  `json:"claim,omitempty"` // the base that its card names
	// Contradiction says why the claim cannot be, and is empty where it can.
	Contradiction string `json:"contradiction,omitempty"`
}

// A Layer is the tensors of one place in their models.
type Layer struct {
	Name    string  `json:"name"`
	Tensors int64   `json:"tensors"` // that have a base
	Changed float64 `json:"changed"` // part of their elements that differ from the base's
}

// A Matrix has the bit distances between some models.
type Matrix struct {
	Names []string    `json:"names"`
	Bits  [][]float64 `json:"bits"` // of each pair; -1 where they cannot be compared
}

// A Problem is a file that could not be read, or not be understood.
type Problem struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

const (
	// EntryBytes is what an index is reckoned to take for each thing that is
	// found by its hash, as in Wang et al. (arXiv:2505.06252).
	EntryBytes = 64

	maxProblems = 100
	maxMatrix   = 40  // models in the matrix
	maxLayers   = 128 // layers that are told apart
)
