package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// pass does what o.pass names, and prints the outcome.
func pass(ctx context.Context, o options, stdout io.Writer) error {
	list, err := chosen(o.pass)
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("-pass takes one method")
	}
	models, err := modelDirs(o.models)
	if err != nil {
		return err
	}
	x, err := list[0].run(ctx, models, o.dir)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(x)
}

// measure runs m in a process of its own.
func measure(ctx context.Context, o options, m method) (outcome, error) {
	var x outcome
	self, err := os.Executable()
	if err != nil {
		return x, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-pass", m.name, "-dir", o.dir, "-models", o.models)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return x, err
	}
	wall := time.Since(start)
	if err := json.Unmarshal(out.Bytes(), &x); err != nil {
		return x, err
	}
	x.Method, x.Wall = m.name, wall
	x.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	x.Peak = peak(cmd.ProcessState)
	return x, nil
}
