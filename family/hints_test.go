package family_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zipnode/zipnode/family"
)

func TestReadCard(t *testing.T) {
	var many strings.Builder
	many.WriteString("base_model:\n")
	for i := range 100 {
		many.WriteString(fmt.Sprintf("- a/m%d\n", i))
	}
	for _, tc := range []struct {
		what, text string
		bases      []string
		relation   string
	}{
		{"a string", "---\nbase_model: org/name\nbase_model_relation: finetune\n---\n# x\n", []string{"org/name"}, "finetune"},
		{"a list", "---\nlicense: mit\nbase_model:\n- org/a\n- org/b\n- org/a\n---\n", []string{"org/a", "org/b"}, ""},
		{"CRLF and spaces", "---\r\nbase_model: org/name\r\n---  \r\n", []string{"org/name"}, ""},
		{"no front matter", "# base_model: x\n", nil, ""},
		{"front matter further down", "\n---\nbase_model: x\n---\n", nil, ""},
		{"empty", "", nil, ""},
		{"empty front matter", "---\n---\n", nil, ""},
		{"no mapping", "---\n- base_model\n---\n", nil, ""},
		{"a mapping", "---\nbase_model: {a: b}\n---\n", nil, ""},
		{"a list of lists", "---\nbase_model: [[a], b, {c: d}]\n---\n", []string{"b"}, ""},
		{"control characters", "---\nbase_model: \"a\\e[31m\"\n---\n", nil, ""},
		{"too long a name", "---\nbase_model: " + strings.Repeat("x", 257) + "\n---\n", nil, ""},
		{"an alias is not followed", "---\na: &a [x, x]\nbase_model: *a\n---\n", nil, ""},
		{"an alias as a key", "---\na: &base_model x\n*base_model : y\n---\n", nil, ""},
	} {
		var h family.Hints
		if err := h.ReadCard(strings.NewReader(tc.text)); err != nil {
			t.Errorf("%s: %v", tc.what, err)
		}
		if !reflect.DeepEqual(h.Bases, tc.bases) || h.Relation != tc.relation {
			t.Errorf("%s: %q, %q, want %q, %q", tc.what, h.Bases, h.Relation, tc.bases, tc.relation)
		}
	}
	var h family.Hints
	if err := h.ReadCard(strings.NewReader("---\n" + many.String() + "---\n")); err != nil || len(h.Bases) != 64 {
		t.Errorf("100 bases: %d kept, %v, want 64", len(h.Bases), err)
	}
}

// bomb is aliases of aliases: 10^9 scalars if they are followed.
func bomb() string {
	var b strings.Builder
	b.WriteString("---\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i+1, i+1, i, i, i, i, i, i, i, i, i, i)
	}
	return b.String() + "base_model: *a9\n---\n"
}

func TestReadCardBad(t *testing.T) {
	var h family.Hints
	if err := h.ReadCard(strings.NewReader(bomb())); err != nil || h.Bases != nil {
		t.Errorf("alias bomb: %d bases, %v", len(h.Bases), err)
	}
	for what, text := range map[string]string{
		"no end":          "---\nbase_model: x\n",
		"longer than 64K": "---\nx: " + strings.Repeat("x\n  ", 20_000) + "\n---\n",
		"one long line":   "---\n" + strings.Repeat("x", 100_000),
		"no YAML":         "---\n\t: [\n---\n",
	} {
		if err := h.ReadCard(strings.NewReader(text)); !errors.Is(err, family.ErrHints) {
			t.Errorf("%s: %v, want ErrHints", what, err)
		}
	}
	if err := h.ReadCard(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader that fails: %v", err)
	}
}

func TestReadConfig(t *testing.T) {
	h := family.Hints{Bases: []string{"org/card"}}
	err := h.ReadConfig(strings.NewReader(`{"_name_or_path":"org/name","architectures":["BertModel"],"x":{}}`))
	want := family.Hints{Bases: []string{"org/card", "org/name"}, Architectures: []string{"BertModel"}}
	if err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("ReadConfig: %+v, %v, want %+v", h, err, want)
	}
	for what, text := range map[string]string{"other types": `{"_name_or_path":7,"architectures":"x"}`, "empty": `{}`, "null": `null`} {
		var h family.Hints
		if err := h.ReadConfig(strings.NewReader(text)); err != nil || !reflect.DeepEqual(h, family.Hints{}) {
			t.Errorf("%s: %+v, %v", what, h, err)
		}
	}
	for what, text := range map[string]string{"no JSON": "x", "an array": "[]", "too long": `{"x":"` + strings.Repeat("x", 1<<20) + `"}`} {
		if err := h.ReadConfig(strings.NewReader(text)); !errors.Is(err, family.ErrHints) {
			t.Errorf("%s: %v, want ErrHints", what, err)
		}
	}
}

func FuzzReadCard(f *testing.F) {
	f.Add("---\nbase_model: org/name\nbase_model_relation: finetune\n---\n# x\n")
	f.Add("---\nbase_model:\n- org/a\n---\n")
	f.Add("---\na: &a [x]\nbase_model: *a\n---\n")
	f.Add("---\n? [base_model]\n: !!binary x\n<<: {base_model: |-\n  x}\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		var h family.Hints
		if err := h.ReadCard(strings.NewReader(text)); err != nil && !errors.Is(err, family.ErrHints) {
			t.Fatalf("%v, want ErrHints", err)
		}
		if len(h.Bases) > 64 {
			t.Fatalf("%d bases", len(h.Bases))
		}
	})
}
