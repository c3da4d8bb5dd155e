package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) configCmd() *cobra.Command {
	var help strings.Builder
	help.WriteString("The settings are in config.toml in the store's directory; a daemon reads them when\nit starts. Flags and ZIPNODE_* win over them.\n")
	for _, k := range settingKeys {
		fmt.Fprintf(&help, "\n  %-9s  %s", k.key, k.help)
	}
	cmd := a.group("config", "Read and change the settings", a.configGet(), a.configSet())
	cmd.Long = help.String()
	return cmd
}

// loadStoreSettings returns the settings of a directory that exists.
func (a *app) loadStoreSettings() (*settings, error) {
	if _, err := os.Stat(a.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, a.noStore()
	}
	return loadSettings(a.dir)
}

func (a *app) configGet() *cobra.Command {
	return &cobra.Command{
		Use:       "get [KEY]",
		Short:     "Print the settings, or one",
		Example:   "  zipnode config get listen",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: settingNames(),
		RunE: a.run(func(_ context.Context, args []string) error {
			s, err := a.loadStoreSettings()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return a.printSetting(s, args[0])
			}
			t := table{}
			for _, k := range settingKeys {
				t.add(k.key, strings.Join(k.get(s), ", "))
			}
			return a.print(s, nil, t.write)
		}),
	}
}

func (a *app) printSetting(s *settings, key string) error {
	k, err := findSetting(key)
	if err != nil {
		return err
	}
	values := k.get(s)
	if values == nil {
		values = []string{}
	}
	return a.print(map[string][]string{key: values}, values, func(w io.Writer) {
		for _, v := range values {
			fmt.Fprintln(w, plain(v))
		}
	})
}

func (a *app) configSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set KEY [VALUE]...",
		Short: "Change a setting; without a value, back to none",
		Example: `  zipnode config set listen /ip4/0.0.0.0/tcp/4011 /ip4/0.0.0.0/udp/4011/quic-v1
  zipnode config set quota 500GiB`,
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: settingNames(),
		RunE: a.run(func(_ context.Context, args []string) error {
			k, err := findSetting(args[0])
			if err != nil {
				return err
			}
			s, err := a.loadStoreSettings()
			if err != nil {
				return err
			}
			if err := k.set(s, args[1:]); err != nil {
				return usagef("%s: %w", k.key, err)
			}
			if err := s.save(a.dir); err != nil {
				return err
			}
			return a.print(s, nil, func(w io.Writer) {
				fmt.Fprintf(w, "%s = %s\n", k.key, plain(strings.Join(k.get(s), ", ")))
			})
		}),
	}
}
