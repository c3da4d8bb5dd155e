package models

import (
	"bytes"

	"gopkg.in/yaml.v3"
)

// declared returns base_model of a model card's front matter, which may be a
// name or a list of them; none if the card has no such thing.
func declared(card []byte) []string {
	rest, ok := bytes.CutPrefix(card, []byte("---\n"))
	if !ok {
		return nil
	}
	front, _, ok := bytes.Cut(rest, []byte("\n---"))
	if !ok {
		return nil
	}
	var one struct {
		Base string `yaml:"base_model"`
	}
	if yaml.Unmarshal(front, &one) == nil {
		if one.Base == "" {
			return nil
		}
		return []string{one.Base}
	}
	var many struct {
		Base []string `yaml:"base_model"`
	}
	if yaml.Unmarshal(front, &many) != nil {
		return nil
	}
	return many.Base
}
