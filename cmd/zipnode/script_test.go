package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/testmodels"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"zipnode": main})
}

// TestScripts runs the command as its users do: testdata/script/*.txt.
func TestScripts(t *testing.T) {
	// What a process ignores those that it starts ignore: under nohup, no daemon would
	// end when it is hung up.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hup) })
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ZIPNODE_DIR", filepath.Join(e.WorkDir, "a"))
			e.Setenv("ZIPNODE_NO_MDNS", "true")
			return testmodels.Write(filepath.Join(e.WorkDir, "models"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exitsCmd,
			"jsonenv":  jsonenvCmd,
			"ready":    readyCmd,
			"sametree": sametreeCmd,
			"flip":     flipCmd,
			"latin1":   latin1Cmd,
		},
	})
}

// exits CODE COMMAND [ARG]... runs a command that must end with this code.
func exitsCmd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// jsonenv [VAR KEY]... sets variables from the object that the last command
// printed.
func jsonenvCmd(ts *testscript.TestScript, _ bool, args []string) {
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	for i := 0; i < len(args); i += 2 {
		value, ok := object[args[i+1]]
		if !ok {
			ts.Fatalf("the object has no %q", args[i+1])
		}
		if f, ok := value.(float64); ok {
			value = strconv.FormatFloat(f, 'f', -1, 64)
		}
		ts.Setenv(args[i], fmt.Sprint(value))
	}
}

// ready DIR VAR waits for the daemon of DIR, and sets VAR to its first address.
func readyCmd(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ; ; time.Sleep(20 * time.Millisecond) {
		c, err := gateway.Dial(ctx, ts.MkAbs(args[0]))
		if err == nil && c.Info().Daemon {
			var id node.IDResult
			ts.Check(c.Call(ctx, "id", nil, 0, &id, nil))
			c.Close()
			if len(id.Addrs) == 0 {
				ts.Fatalf("the daemon of %s has no address", args[0])
			}
			ts.Setenv(args[1], id.Addrs[0])
			return
		}
		if ctx.Err() != nil {
			ts.Fatalf("no daemon for %s after a minute: %v", args[0], err)
		}
	}
}

// sametree A B compares two directories, byte by byte.
func sametreeCmd(ts *testscript.TestScript, neg bool, args []string) {
	a, b := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	n, _, errA := compareTrees(a, b)
	m, _, errB := compareTrees(b, a)
	err := errors.Join(errA, errB)
	if err == nil && (n == 0 || n != m) {
		err = fmt.Errorf("%d and %d files", n, m)
	}
	if neg != (err != nil) {
		ts.Fatalf("sametree %v: %v", args, err)
	}
}

// flip FILE OFFSET flips a bit of the byte at OFFSET; a negative one counts
// from the end.
func flipCmd(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	off, err := strconv.Atoi(args[1])
	ts.Check(err)
	if off < 0 {
		off += len(data)
	}
	data[off] ^= 0x10
	ts.Check(os.WriteFile(path, data, 0o600))
}

// latin1 DIR makes a file whose name is not UTF-8.
func latin1Cmd(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), "caf\xe9.txt"), []byte("x"), 0o600))
}
