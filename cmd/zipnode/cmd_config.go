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

	"github.com/zipnode/zipnode/gateway"
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
		Args:      atMost(1),
		ValidArgs: settingNames(),
		RunE: a.run(func(_ context.Context, args []string) error {
			s, err := a.loadStoreSettings()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return a.printSetting(s, args[0])
			}
			for _, k := range settingKeys {
				a.noteVariable(k.key)
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
	a.noteVariable(key)
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

// noteVariable says that the environment wins over a setting.
func (a *app) noteVariable(key string) {
	flag := key
	if key == "mdns" {
		flag = "no-mdns"
	}
	if name := a.given[flag]; name != "" {
		a.note("%s=%q wins over %s of config.toml", name, os.Getenv(name), key)
	}
}

// noteDaemon says that a daemon goes on with the settings it began with.
func (a *app) noteDaemon(ctx context.Context) {
	c, err := gateway.Dial(ctx, a.dir)
	if err != nil {
		return
	}
	defer c.Close()
	if info := c.Info(); info.Daemon {
		a.note("a daemon runs, process %d: this takes effect when it starts next", info.PID)
	}
}

func (a *app) configSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set KEY [VALUE]...",
		Short: "Change a setting; without a value, back to none",
		Example: `  zipnode config set listen /ip4/0.0.0.0/tcp/4011 /ip4/0.0.0.0/udp/4011/quic-v1
  zipnode config set quota 500GiB`,
		Args:      atLeast("the setting to change: " + strings.Join(settingNames(), ", ")),
		ValidArgs: settingNames(),
		RunE: a.run(func(ctx context.Context, args []string) error {
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
			a.noteVariable(k.key)
			a.noteDaemon(ctx)
			return a.print(s, nil, func(w io.Writer) {
				fmt.Fprintf(w, "%s = %s\n", k.key, plain(strings.Join(k.get(s), ", ")))
			})
		}),
	}
}
