// Package testmodels holds a base model and two of its fine-tunes, cut to a few
// tensors each: less than 4 MB of genuine weights for tests and for the demo.
//
//   - base: bf16, the root of the family; one of its tensors has two leaves.
//   - finetune: every tensor moved a little, but for rows of words not seen.
//   - lora-merged: query moved by a merged LoRA, key identical to base's.
//
// They come from all-MiniLM-L6-v2 (Apache-2.0); each folder's README.md tells
// its licence and what was changed.
package testmodels

import (
	"embed"
	"os"
)

// FS holds the model directories base, finetune and lora-merged.
//
//go:embed base finetune lora-merged
var FS embed.FS

// Write writes the model directories under dir, which it makes if it must. It
// replaces no file.
func Write(dir string) error { return os.CopyFS(dir, FS) }
