package family

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ErrHints is wrapped by the errors of [Hints.ReadCard] and [Hints.ReadConfig]
// that the text caused. A model whose hints cannot be read has none.
var ErrHints = errors.New("family: unreadable hints")

const (
	maxFrontMatter = 64 << 10 // bytes
	maxConfig      = 1 << 20  // bytes
	maxHints       = 64       // of a list
	maxHint        = 256      // bytes
)

// Hints are what a model's own files say of its origin. Anyone may have written
// them: they tell where to look first, and nothing is believed.
type Hints struct {
	Bases         []string // as the files name them: "org/name", or a path on someone's disk
	Relation      string   // to them: "finetune", "adapter", "merge", "quantized", or anything
	Architectures []string
}

// ReadCard adds what the front matter of a README.md says: base_model, a string
// or a list, and base_model_relation. A card without front matter adds nothing.
// It reads at most 64 KiB; longer front matter is an error wrapping ErrHints.
func (h *Hints) ReadCard(r io.Reader) error {
	front, err := frontMatter(r)
	if err != nil || front == nil {
		return err
	}
	var doc yaml.Node // a node, for decoding would expand aliases
	if err := yaml.Unmarshal(front, &doc); err != nil {
		return fmt.Errorf("%w: front matter: %w", ErrHints, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil
	}
	for pair := range slices.Chunk(doc.Content[0].Content, 2) {
		key := scalars(pair[0])
		if len(key) != 1 {
			continue // an alias, or no string
		}
		switch key[0] {
		case "base_model":
			h.Bases = addAll(h.Bases, scalars(pair[1])...)
		case "base_model_relation":
			if relation := scalars(pair[1]); len(relation) > 0 && sound(relation[0]) {
				h.Relation = relation[0]
			}
		}
	}
	return nil
}

// ReadConfig adds what a config.json says: _name_or_path and architectures. It
// reads at most 1 MiB; a longer one is an error wrapping ErrHints.
func (h *Hints) ReadConfig(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return err
	}
	if len(text) > maxConfig {
		return fmt.Errorf("%w: config.json is longer than %d bytes", ErrHints, maxConfig)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return fmt.Errorf("%w: config.json: %w", ErrHints, err)
	}
	var path string
	if json.Unmarshal(fields["_name_or_path"], &path) == nil {
		h.Bases = addAll(h.Bases, path)
	}
	var architectures []string
	if json.Unmarshal(fields["architectures"], &architectures) == nil {
		h.Architectures = addAll(h.Architectures, architectures...)
	}
	return nil
}

// frontMatter returns the lines between the first line of r and the next that
// is "---" as well, or nil if there are none.
func frontMatter(r io.Reader) ([]byte, error) {
	in := bufio.NewScanner(io.LimitReader(r, maxFrontMatter+1))
	in.Buffer(nil, maxFrontMatter+1)
	var front []byte
	for n := 0; in.Scan(); n++ {
		line := bytes.TrimRight(in.Bytes(), " \t\r")
		fence := string(line) == "---"
		switch {
		case n == 0 && !fence:
			return nil, nil
		case n > 0 && fence:
			return front, nil
		case n > 0:
			front = append(append(front, line...), '\n')
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, err
	}
	if len(front) == 0 {
		return nil, nil
	}
	return nil, fmt.Errorf("%w: front matter does not end within %d bytes", ErrHints, maxFrontMatter)
}

// scalars returns the string that n is, or those in the list that it is.
func scalars(n *yaml.Node) []string {
	switch n.Kind {
	case yaml.ScalarNode:
		return []string{n.Value}
	case yaml.SequenceNode:
		var list []string
		for _, item := range n.Content {
			if item.Kind == yaml.ScalarNode {
				list = append(list, item.Value)
			}
		}
		return list
	}
	return nil
}

// addAll appends those of more that are sound and not yet in list.
func addAll(list []string, more ...string) []string {
	for _, s := range more {
		if sound(s) && !slices.Contains(list, s) && len(list) < maxHints {
			list = append(list, s)
		}
	}
	return list
}

// sound reports whether s may be looked up and shown on a screen.
func sound(s string) bool {
	return s != "" && len(s) <= maxHint && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
