package node

import "time"

// The requests and results of a node's operations. They are what the control
// API carries as JSON, so field names are frozen within /api/v1.

// A Progress tells how far a running operation is.
type Progress struct {
	Stage string `json:"stage"`           // "read", "plan", "fetch", "write", "verify", ...
	Name  string `json:"name,omitempty"`  // the file or tensor at hand
	Done  int64  `json:"done"`            // bytes, or items where Unit says so
	Total int64  `json:"total,omitempty"` // 0 when unknown
	Unit  string `json:"unit,omitempty"`  // "" is bytes
}

// AddRequest asks to store the model at Path, a directory or a file.
type AddRequest struct {
	Path  string `json:"path"`           // absolute
	Name  string `json:"name,omitempty"` // default: the base name of Path
	Base  string `json:"base,omitempty"` // CID, NAME, "none"; "" lets the planner choose
	NoPin bool   `json:"no_pin,omitempty"`
}

// AddResult says what an add stored.
type AddResult struct {
	CID          string  `json:"cid"`
	Packing      string  `json:"packing"`
	Name         string  `json:"name"`
	Files        int     `json:"files"`
	Bytes        int64   `json:"bytes"`
	Tensors      int     `json:"tensors"`       // tensors of the model
	TensorsNew   int     `json:"tensors_new"`   // of these, not in the store before
	TensorsDelta int     `json:"tensors_delta"` // of the new ones, stored against a base
	StoredNew    int64   `json:"stored_new"`    // bytes this add wrote to packs
	Seconds      float64 `json:"seconds"`
	Replaced     string  `json:"replaced,omitempty"` // the model that Name meant before: still kept, by CID only

	Odd []OddFile `json:"odd,omitempty"` // 100 at most
}

// OddFile is a file that is kept as it is, and is not what its name says.
type OddFile struct {
	Path string `json:"path"`
	What string `json:"what"` // "no whole safetensors file"
}

// GetRequest asks to write the model Ref to the directory Out.
type GetRequest struct {
	Ref     string   `json:"ref"`           // model CID, packing CID or name
	Out     string   `json:"out,omitempty"` // absolute; "" only with DryRun
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	Force   bool     `json:"force,omitempty"` // replace files that differ
	DryRun  bool     `json:"dry_run,omitempty"`
}

// GetResult says what a get moved.
type GetResult struct {
	CID     string    `json:"cid"`
	Name    string    `json:"name,omitempty"`
	Out     string    `json:"out,omitempty"`
	Bytes   int64     `json:"bytes"`   // of the files asked for
	Fetched int64     `json:"fetched"` // bytes of blocks that came from peers; with DryRun: to fetch
	Reused  int64     `json:"reused"`  // bytes of the files that needed no fetch
	Peers   int       `json:"peers"`   // that sent something
	Seconds float64   `json:"seconds"`
	Files   []GetFile `json:"files,omitempty"` // with DryRun
}

// GetFile is one file of a dry run's plan.
type GetFile struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Fetch int64  `json:"fetch"`
	Why   string `json:"why"` // "here", "delta: 6 of 50 tensors", ...
}

// SeedRequest asks to fetch, pin and keep announcing Ref.
type SeedRequest struct {
	Ref  string `json:"ref"`
	Name string `json:"name,omitempty"`
}

// SeedResult says what is seeded now.
type SeedResult struct {
	CID     string  `json:"cid"`
	Name    string  `json:"name,omitempty"`
	Bytes   int64   `json:"bytes"`
	Fetched int64   `json:"fetched"`
	Peers   int     `json:"peers"`
	Seconds float64 `json:"seconds"`

	Replaced string `json:"replaced,omitempty"` // the model that Name meant before
}

// RefRequest names a model: by model CID, packing CID or name. "" is all where
// an operation allows it.
type RefRequest struct {
	Ref string `json:"ref"`
}

// LsResult lists the models of the store.
type LsResult struct {
	Models []ModelLine `json:"models"`
}

// ModelLine is a model in a list.
type ModelLine struct {
	Name    string    `json:"name,omitempty"`
	CID     string    `json:"cid"`
	Packing string    `json:"packing,omitempty"`
	Bytes   int64     `json:"bytes"`
	Stored  int64     `json:"stored"` // chunk bytes of its tensors, shared ones counted in full
	Files   int       `json:"files"`
	Pinned  bool      `json:"pinned"`
	Partial bool      `json:"partial,omitempty"` // only some files are here
	Added   time.Time `json:"added"`
	Damaged bool      `json:"damaged,omitempty"` // a verify or a read found so, and nothing mended it since
}

// ShowResult tells what a model is made of.
type ShowResult struct {
	ModelLine
	FileList []ShowFile `json:"file_list"`
}

// ShowFile is one file of a model.
type ShowFile struct {
	Path    string       `json:"path"`
	CID     string       `json:"cid"`
	Bytes   int64        `json:"bytes"`
	Stored  int64        `json:"stored"`
	Format  string       `json:"format,omitempty"`
	SHA256  string       `json:"sha256,omitempty"`
	Tensors []ShowTensor `json:"tensors,omitempty"`
}

// ShowTensor is one extent of a file that is a tensor.
type ShowTensor struct {
	Name   string   `json:"name"`
	CID    string   `json:"cid"`
	DType  string   `json:"dtype"`
	Shape  []uint64 `json:"shape"`
	Bytes  int64    `json:"bytes"`
	Stored int64    `json:"stored"`
	Base   string   `json:"base,omitempty"`       // tensor CID of its base
	BaseOf string   `json:"base_name,omitempty"`  // "model/tensor" of the base, where known
	More   int      `json:"more_bases,omitempty"` // bases beside that one
	Reads  int64    `json:"reads"`                // stored bytes that rebuilding it reads: its own, its base's, and so on
	Deltas int      `json:"deltas,omitempty"`     // tensors stored as deltas of it, 1000 at most
}

// DiffRequest asks what B has otherwise than A: both names, model CIDs or packing
// CIDs of models that are here.
type DiffRequest struct {
	A string `json:"a"`
	B string `json:"b"`
}

// DiffResult compares two models.
type DiffResult struct {
	A          DiffModel    `json:"a"`
	B          DiffModel    `json:"b"`
	Same       int          `json:"same"`  // tensors of the same bytes
	Delta      int          `json:"delta"` // of one shape and dtype, and other bytes
	Shape      int          `json:"shape"` // of another shape or dtype
	OnlyA      int          `json:"only_a"`
	OnlyB      int          `json:"only_b"`
	SameBytes  int64        `json:"same_bytes"`
	DeltaBytes int64        `json:"delta_bytes"`
	Encoded    int64        `json:"encoded"`  // bytes of B's tensors as deltas of A's
	Elements   int64        `json:"elements"` // of those tensors
	Changed    int64        `json:"changed"`  // of these elements, those that differ
	Tensors    []DiffTensor `json:"tensors"`
	Files      []DiffFile   `json:"files"` // without tensors, that differ or are in one model only
}

// DiffModel is one of two models compared.
type DiffModel struct {
	Name string `json:"name,omitempty"`
	CID  string `json:"cid"`
}

// DiffTensor compares two tensors of one name. Dtype, shape and bytes are those
// of B, or of A where only that has it.
type DiffTensor struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // "same", "delta", "shape", "only_a", "only_b"
	DType    string   `json:"dtype"`
	Shape    []uint64 `json:"shape"`
	Bytes    int64    `json:"bytes"`
	WasDType string   `json:"was_dtype,omitempty"` // of A, with "shape"
	WasShape []uint64 `json:"was_shape,omitempty"`
	Elements int64    `json:"elements,omitempty"` // with "delta"; of a block type blocks
	Changed  int64    `json:"changed,omitempty"`  // of these
	Share    float64  `json:"share,omitempty"`    // changed of elements, 0 to 1
	Encoded  int64    `json:"encoded,omitempty"`  // bytes as a delta of A's
	Bits     float64  `json:"bits,omitempty"`     // of these, for each element
}

// DiffFile is a file without tensors that is not the same in both models.
type DiffFile struct {
	Path string `json:"path"`
	Kind string `json:"kind"` // "differs", "only_a", "only_b"
}

// FamilyResult lists the families of the models that are here.
type FamilyResult struct {
	Families []FamilyTree `json:"families"` // one of a single model has no kin here
}

// FamilyTree is the models of one family, the root first, each after the one
// that it is under. Which of two came first no distance tells.
type FamilyTree struct {
	Members []FamilyMember `json:"members"`
}

// FamilyMember is a model in its family.
type FamilyMember struct {
	Name  string  `json:"name,omitempty"`
	CID   string  `json:"cid"`
	Bytes int64   `json:"bytes"`
	Depth int     `json:"depth"`           // 0 for the root
	Under string  `json:"under,omitempty"` // CID of the model above: the nearest on the way to the root
	Bits  float64 `json:"bits"`            // of an element that differ from that one, on average: the bit distance

	Claim         string  `json:"claim,omitempty"`     // the base that its own files name
	Relation      string  `json:"relation,omitempty"`  // to it, as they call it
	ClaimCID      string  `json:"claim_cid,omitempty"` // of that base, if it is here
	ClaimBits     float64 `json:"claim_bits,omitempty"`
	Contradiction string  `json:"contradiction,omitempty"` // why the claim cannot be
}

// RmResult says which name went, and what of the model stays although no pin
// keeps it: the bases of what other models have.
type RmResult struct {
	Name      string `json:"name,omitempty"`
	CID       string `json:"cid"`
	Bases     int    `json:"bases"`      // its tensors, and bases of these, that stay for others' deltas
	BaseBytes int64  `json:"base_bytes"` // that they take
	Without   int64  `json:"without"`    // bytes that those others would take more without them, by estimate
	Reencode  bool   `json:"reencode"`   // that is less: a repack encodes the others anew, and a gc frees the bases
}

// PinResult lists pins.
type PinResult struct {
	Pins []PinLine `json:"pins"`
}

// PinLine is one pin.
type PinLine struct {
	CID  string `json:"cid"`
	Kind string `json:"kind"` // "model" or "partial"
	Name string `json:"name,omitempty"`
}

// GCRequest asks to collect what nothing keeps.
type GCRequest struct {
	DryRun bool `json:"dry_run,omitempty"`
	All    bool `json:"all,omitempty"` // also what interrupted operations left, which is else kept for a day
}

// GCResult says what was collected.
type GCResult struct {
	Blocks    int   `json:"blocks"` // removed
	Kept      int   `json:"kept"`
	Freed     int64 `json:"freed"`      // bytes of packs
	Bases     int   `json:"bases"`      // tensors of no pinned model that stay, for deltas against them do
	BaseBytes int64 `json:"base_bytes"` // that these take
	Leased    int64 `json:"leased"`     // bytes kept only because an operation that was interrupted in the last day may be tried again
}

// RepackRequest asks to choose anew how each tensor is stored.
type RepackRequest struct {
	DryRun  bool `json:"dry_run,omitempty"` // plan, and change nothing
	Explain bool `json:"explain,omitempty"` // tell each change
}

// RepackResult says what a repack won.
type RepackResult struct {
	DryRun   bool    `json:"dry_run,omitempty"` // then Changed, Alone and Gain are of the plan, estimated
	Tensors  int     `json:"tensors"`           // looked at
	Changed  int     `json:"changed"`           // stored in another way now
	Alone    int     `json:"alone"`             // of these, stand-alone now
	Gain     int64   `json:"gain"`              // by so many bytes what pinned models need is smaller
	Before   int64   `json:"before"`            // bytes of packs
	After    int64   `json:"after"`
	Written  int64   `json:"written"`  // bytes written on the way
	Packs    int     `json:"packs"`    // written anew without what was replaced, or gone
	Packings int     `json:"packings"` // of models, made anew
	Spared   int     `json:"spared"`   // bases of removed models that nothing needs any more
	Freeable int64   `json:"freeable"` // bytes that a gc would free now
	Leased   int64   `json:"leased"`   // bytes kept for a day for interrupted work
	NoRoom   int     `json:"no_room"`  // tensors left as they are for want of space
	Damaged  int     `json:"damaged"`  // tensors left as they are because they, or a base, do not read
	Refused  int     `json:"refused"`  // tensors left as they are because too much would stand behind one
	Seconds  float64 `json:"seconds"`

	Plan    []RepackLine `json:"plan,omitempty"`     // with Explain
	PlanCut int          `json:"plan_cut,omitempty"` // changes beyond those in Plan
}

// RepackLine is one tensor that is stored in another way.
type RepackLine struct {
	Name   string `json:"name"` // "model/tensor", or its CID
	CID    string `json:"cid"`
	Bytes  int64  `json:"bytes"`
	Before int64  `json:"before"` // stored
	After  int64  `json:"after"`
	From   string `json:"from,omitempty"` // the base that it had; "" for stand-alone
	To     string `json:"to,omitempty"`   // the base that it has
}

// VerifyResult says what a verify read.
type VerifyResult struct {
	Blocks   int      `json:"blocks"`
	Bytes    int64    `json:"bytes"`
	Leaves   int      `json:"leaves"` // decoded and checked
	Corrupt  []Damage `json:"corrupt"`
	Repaired int      `json:"repaired"` // of these, fetched again from a peer
	Seconds  float64  `json:"seconds"`
}

// Damage is one corrupt or missing block and what needs it.
type Damage struct {
	CID      string   `json:"cid"`
	Where    string   `json:"where"` // "packs/000001.car offset 1234"
	Reason   string   `json:"reason"`
	Models   []string `json:"models,omitempty"` // names or CIDs of pinned models that need it
	Repaired bool     `json:"repaired"`
}

// ExportRequest asks to write the closure of Ref's packing to Path as CAR.
type ExportRequest struct {
	Ref  string `json:"ref"`
	Path string `json:"path"` // absolute

	Force bool `json:"force,omitempty"` // replace a file that is there
}

// ExportResult says what was written.
type ExportResult struct {
	CID     string `json:"cid"`
	Packing string `json:"packing"`
	Path    string `json:"path"`
	Blocks  int    `json:"blocks"`
	Bytes   int64  `json:"bytes"`
}

// ImportRequest asks to take the models of the CAR file at Path.
type ImportRequest struct {
	Path string `json:"path"` // absolute
	Name string `json:"name,omitempty"`
}

// ImportResult says what was taken.
type ImportResult struct {
	CID     string `json:"cid"`
	Packing string `json:"packing"`
	Name    string `json:"name,omitempty"`
	Blocks  int    `json:"blocks"` // that were new here
	Bytes   int64  `json:"bytes"`  // of these

	Replaced string `json:"replaced,omitempty"` // the model that Name meant before
}

// IDResult is this node's identity.
type IDResult struct {
	ID    string   `json:"id"`
	Addrs []string `json:"addrs"` // with /p2p/ID; empty without a daemon
}

// PeersResult lists connected peers.
type PeersResult struct {
	Peers []PeerLine `json:"peers"`
}

// PeerLine is one connected peer.
type PeerLine struct {
	ID      string `json:"id"`
	Addr    string `json:"addr"`
	RTT     string `json:"rtt,omitempty"`
	Zipnode bool   `json:"zipnode"` // speaks our exchange
	Sent    int64  `json:"sent"`
	Recv    int64  `json:"received"`
}

// ConnectRequest names a peer by multiaddr ending in /p2p/ID.
type ConnectRequest struct {
	Addr string `json:"addr"`
}

// StatusResult is what an operator looks at first.
type StatusResult struct {
	Version string        `json:"version"`
	Dir     string        `json:"dir"`
	Serving bool          `json:"serving"` // a daemon, with the network up
	PID     int           `json:"pid"`
	ID      string        `json:"id"`
	Addrs   []string      `json:"addrs"`
	Peers   int           `json:"peers"`
	Banned  int           `json:"banned"` // peers, for what they sent
	Uptime  float64       `json:"uptime_seconds"`
	Models  int           `json:"models"`
	Tensors int           `json:"tensors"`
	Blocks  int           `json:"blocks"`
	Bytes   int64         `json:"bytes"`             // of the models, as files
	Stored  int64         `json:"stored"`            // of the packs
	Quota   int64         `json:"quota"`             // 0: none
	Free    int64         `json:"free"`              // of the disk
	Writing string        `json:"writing,omitempty"` // the operation that writes now
	Seeding []SeedingLine `json:"seeding,omitempty"`
	Lately  []Event       `json:"lately,omitempty"` // the latest first

	// What a verify or a read found and nothing mended since: 256 at most.
	Damaged []KnownDamage `json:"damaged,omitempty"`
}

// KnownDamage is a block that is corrupt or missing, as it was found.
type KnownDamage struct {
	CID    string    `json:"cid"`
	Where  string    `json:"where"`
	Reason string    `json:"reason"`
	Models []string  `json:"models,omitempty"`
	Found  time.Time `json:"found"`
}

// Event is a kind of warning, since the process started.
type Event struct {
	What    string    `json:"what"`
	Times   int       `json:"times"`
	Last    time.Time `json:"last"`
	Details string    `json:"details"` // of the last
}

// SeedingLine is one root this node keeps announcing.
type SeedingLine struct {
	Name      string `json:"name,omitempty"`
	CID       string `json:"cid"`
	Providers int    `json:"providers"` // nodes found that announce it, this one too; -1 when not looked up yet
}
