package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
)

// An owner is an open node.
type owner interface {
	gateway.Service
	Close() error
}

// An app is one run of the command.
type app struct {
	stdout, stderr io.Writer
	open           func(context.Context, node.Config) (owner, error)
	init           func(dir string) error

	dir      string
	json     bool
	quiet    bool
	progress string
	wait     time.Duration
	timeout  time.Duration
	verbose  int
	network  network

	unasked  *pflag.FlagSet     // network's flags, for the environment of a command without them
	given    map[string]string  // by flag's name, the variable that gave it
	cancel   context.CancelFunc // of the timeout
	ctx      context.Context    // of the command, with the timeout
	ran      bool               // flags and arguments were fine
	embedded bool               // this process owned the directory itself
}

// suggestions makes one line of cobra's, which has one for each command.
var suggestions = strings.NewReplacer("\n\nDid you mean this?\n\t", ": did you mean ", "\n\t", ", ")

// main runs the command line args and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	a.ctx = ctx
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.ran {
		err = fmt.Errorf("%s (see '%s --help')", suggestions.Replace(strings.TrimSpace(err.Error())), cmd.CommandPath())
	}
	if a.cancel != nil {
		defer a.cancel()
	}
	return a.end(a.ctx, err)
}

const rootHelp = `zipnode keeps machine-learning models in little space and moves them between
peers by content ID.

  zipnode add ./my-model            store a model, print its CID
  zipnode serve                     offer it to others
  zipnode get CID -o ./my-model     fetch it elsewhere, every byte checked
  zipnode demo                      see it work, on this machine`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "zipnode",
		Short:             "A peer-to-peer store for machine-learning models",
		Long:              rootHelp,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:           buildVersion(),
	}
	root.SetVersionTemplate(versionLine())
	root.Flags().Bool("version", false, "print the version")
	f := root.PersistentFlags()
	f.StringVar(&a.dir, "dir", "", "directory of the store (default ~/.zipnode)")
	f.BoolVar(&a.json, "json", false, "print one JSON object")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print IDs only")
	f.StringVar(&a.progress, "progress", "auto", "progress on stderr: auto, plain, json or none")
	f.DurationVar(&a.wait, "wait", 10*time.Second, "wait this long for another writer")
	f.DurationVar(&a.timeout, "timeout", 0, "give up after this long (default never)")
	f.CountVarP(&a.verbose, "verbose", "v", "log to stderr; twice for more")
	a.unasked = pflag.NewFlagSet("network", pflag.ContinueOnError)
	a.network.flags(a.unasked)
	root.AddCommand(
		a.initCmd(), a.serveCmd(), a.statusCmd(), a.configCmd(), a.demoCmd(), a.versionCmd(),
		a.addCmd(), a.getCmd(), a.seedCmd(), a.lsCmd(), a.showCmd(), a.familyCmd(), a.diffCmd(), a.rmCmd(),
		a.verifyCmd(), a.exportCmd(), a.importCmd(), a.analyzeCmd(),
		a.pinCmd(), a.gcCmd(), a.repackCmd(),
		a.idCmd(), a.peersCmd(), a.benchCmd(),
	)
	a.helpCmd(root)
	return root
}

// helpCmd makes cobra's command fail where it knows no such topic: it would
// print the whole usage, and be content.
func (a *app) helpCmd(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		help := cmd.Run
		cmd.Run = nil
		cmd.RunE = a.run(func(_ context.Context, args []string) error {
			if found, rest, err := root.Find(args); err != nil || found == nil || len(rest) > 0 {
				return usagef("there is no command %q: 'zipnode help' lists them", strings.Join(args, " "))
			}
			help(cmd, args)
			return nil
		})
	}
}

// fromEnv are the flags that the environment may give.
var fromEnv = []string{"dir", "json", "quiet", "progress", "wait", "timeout", "verbose",
	"listen", "bootstrap", "no-mdns", "public", "quota"}

// storeless are the commands that need no store, nor a home to look for it in.
var storeless = []string{"analyze", "bench", "demo", "help", "version"}

// prepare completes the flags, and begins the time of --timeout.
func (a *app) prepare(cmd *cobra.Command) error {
	if err := a.environment(cmd.Flags()); err != nil {
		return err
	}
	if !slices.Contains([]string{"auto", "plain", "json", "none"}, a.progress) {
		return usagef("%s %q is none of auto, plain, json, none", a.source("progress"), a.progress)
	}
	if a.wait < 0 {
		return usagef("%s must not be negative", a.source("wait"))
	}
	if a.timeout < 0 {
		return usagef("%s must not be negative", a.source("timeout"))
	}
	if err := a.findDir(); err != nil && !slices.Contains(storeless, cmd.Name()) {
		return err
	}
	if a.timeout > 0 {
		a.ctx, a.cancel = context.WithTimeoutCause(cmd.Context(), a.timeout, timeoutError{a.timeout.String()})
		cmd.SetContext(a.ctx)
	}
	return nil
}

func (a *app) environment(flags *pflag.FlagSet) error {
	a.given = map[string]string{}
	for _, name := range fromEnv {
		key := variable(name)
		value, in := os.Getenv(key), flags
		if flags.Lookup(name) == nil {
			in = a.unasked
		}
		if value == "" || in.Changed(name) {
			continue
		}
		if err := in.Set(name, value); err != nil {
			return usagef("%s=%q is not %s", key, value, flagKind(in.Lookup(name)))
		}
		a.given[name] = key
	}
	return nil
}

// flagKind says what a flag takes; its own error speaks of strconv.
func flagKind(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "duration":
		return "a time, as 90s or 5m"
	case "count":
		return "a number"
	}
	return "what --" + f.Name + " takes"
}

// variable returns the name of the environment's variable for a flag.
func variable(name string) string {
	return "ZIPNODE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// source returns what gave a flag its value: "--wait", or "ZIPNODE_WAIT".
func (a *app) source(name string) string {
	return cmp.Or(a.given[name], "--"+name)
}

func (a *app) findDir() error {
	if a.dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return errors.Join(usagef("give --dir or ZIPNODE_DIR"), err)
		}
		a.dir = filepath.Join(home, ".zipnode")
	}
	dir, err := filepath.Abs(a.dir)
	a.dir = dir
	return err
}

// run makes fn a command's RunE. What fn returns is not about usage, unless it
// says so.
func (a *app) run(fn func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.ran = true
		return fn(cmd.Context(), args)
	}
}

// group returns a command that only holds others.
func (a *app) group(use, short string, sub ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	var names []string
	for _, s := range sub {
		names = append(names, s.Name())
	}
	cmd.RunE = a.run(func(context.Context, []string) error {
		return usagef("%s needs one of: %s", cmd.CommandPath(), strings.Join(names, ", "))
	})
	cmd.AddCommand(sub...)
	return cmd
}
