package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A child is a daemon in a process of its own: this program, once more.
type child struct {
	ready
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// startNode starts a daemon on a new store in dir, and waits until it is ready.
func startNode(ctx context.Context, dir string, flags ...string) (*child, error) {
	c := &child{ready: ready{Dir: dir}}
	args := append([]string{"serve", "--json", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"}, flags...)
	var err error
	if c.cmd, err = c.command(context.WithoutCancel(ctx), args...); err != nil {
		return nil, err
	}
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line := make(chan error, 1)
	go func() { line <- json.NewDecoder(out).Decode(&c.ready) }()
	select {
	case err = <-line:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-time.After(nodeStart):
		err = fmt.Errorf("it is not ready after %v", nodeStart)
	}
	if err == nil && len(c.Addrs) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		stopped := c.stop()
		return nil, fmt.Errorf("%w %s", errors.Join(err, stopped), oneLine(c.stderr.String()))
	}
	return c, nil
}

// command returns this program, to be run with args on the child's directory.
func (c *child) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "ZIPNODE_") })
	cmd.Env = append(cmd.Env, "ZIPNODE_DIR="+c.Dir)
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = nodeStop
	return cmd, nil
}

const nodeStop = 15 * time.Second

// interrupt asks a process to end.
func interrupt(p *os.Process) error {
	if runtime.GOOS == "windows" { // which has no signal to ask with
		return p.Kill()
	}
	return p.Signal(os.Interrupt)
}

// run runs a command at the child and decodes what it prints.
func (c *child) run(ctx context.Context, result any, args ...string) error {
	cmd, err := c.command(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(oneLine(stderr.String()), "zipnode: "))
	}
	return json.Unmarshal(out, result)
}

// stop ends the daemon and waits for it.
func (c *child) stop() error {
	if err := interrupt(c.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.AfterFunc(nodeStop, func() { c.cmd.Process.Kill() })
	defer timer.Stop()
	err := c.cmd.Wait()
	if runtime.GOOS == "windows" {
		return nil // it was killed
	}
	return err
}
