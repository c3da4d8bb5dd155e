// Command zipnode keeps machine-learning models in little space and moves them
// between peers by content ID.
//
// A command uses the zipnode that owns the directory, if one runs; else it
// opens the directory itself, for as long as it needs, and answers others'
// reads meanwhile.
//
// # Exit codes
//
//	  0 ok
//	  1 error, or --timeout was over
//	  2 usage, or a bad config.toml
//	  3 partial
//	  4 not found
//	  5 no peer has it
//	  6 integrity: damaged data
//	  7 denied
//	  8 disk or quota full
//	 10 no store, or no daemon where one is needed
//	 11 locked: another process owns the directory or writes
//	130 interrupted
//
// A daemon (serve) that is asked to end, ends with 0.
//
// # Environment
//
// ZIPNODE_DIR, ZIPNODE_JSON, ZIPNODE_QUIET, ZIPNODE_PROGRESS, ZIPNODE_WAIT,
// ZIPNODE_TIMEOUT, ZIPNODE_VERBOSE, ZIPNODE_LISTEN, ZIPNODE_BOOTSTRAP,
// ZIPNODE_NO_MDNS, ZIPNODE_PUBLIC and ZIPNODE_QUOTA stand for the flags of that
// name. A flag wins over the environment, the environment over config.toml.
// NO_COLOR is honoured, and GOMEMLIMIT, without which a node keeps memory under
// 224 MiB where that can be done by collecting sooner.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := interruptible()
	a := &app{stdout: os.Stdout, stderr: os.Stderr, open: openRelaxed, init: initStore}
	code := a.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

var errInterrupted = errors.New("interrupted")

// interruptible returns a context that ends at the first interrupt, termination
// or hang-up signal. The second one ends the process at once.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signal.Notify(signals, syscall.SIGHUP) // the terminal is gone
	}
	go func() {
		<-signals
		cancel(errInterrupted)
		<-signals
		os.Exit(exitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals) }
}
