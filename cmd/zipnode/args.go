package main

import (
	"fmt"
	"path/filepath"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// exactly wants one argument for each of what, the words for it.
func exactly(what ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(what) {
			return fmt.Errorf("'%s' needs %s", cmd.CommandPath(), what[len(args)])
		}
		return tooMany(cmd, args, len(what))
	}
}

// atLeast is exactly, and takes any number more.
func atLeast(what ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return exactly(what...)(cmd, args[:min(len(args), len(what))])
	}
}

func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return tooMany(cmd, args, n) }
}

// tooMany returns an error that names the first argument after the nth: most
// often it is the second half of a path with a space in it.
func tooMany(cmd *cobra.Command, args []string, n int) error {
	switch {
	case len(args) <= n:
		return nil
	case n == 0:
		return fmt.Errorf("'%s' takes no arguments, but %q was given", cmd.CommandPath(), args[0])
	}
	return fmt.Errorf("'%s' does not know what to do with %q after %q", cmd.CommandPath(), args[n], args[n-1])
}

const refWords = "the CID or name of a model"

// absPath returns the absolute path of a file that the user named. It must be
// UTF-8: it goes to the daemon as JSON, which would make another name of it.
func absPath(path string) (string, error) {
	if path == "" {
		return "", usagef("an empty path was given: name a file or directory")
	}
	abs, err := filepath.Abs(path)
	if err == nil && !utf8.ValidString(abs) {
		return "", usagef("the path %q is not UTF-8: rename it, or what part of it is not", abs)
	}
	return abs, err
}
