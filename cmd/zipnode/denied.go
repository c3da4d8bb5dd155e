package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/zipnode/zipnode/node"
)

// denied returns err, or, where the system denies this user the store, the
// sentence that says so: err names a socket or a lock, which tell little.
func (a *app) denied(err error) error {
	readOnly := errors.Is(err, syscall.EROFS)
	if !readOnly && !errors.Is(err, fs.ErrPermission) || !a.aboutStore(err) {
		return err
	}
	says := "this user may not write to the store at %s"
	switch _, lookErr := os.ReadDir(a.dir); {
	case readOnly:
		says = "the store at %s is on a read-only file system"
	case ofOther(a.dir):
		says = "the store at %s belongs to another user"
	case errors.Is(lookErr, fs.ErrPermission):
		says = "this user may not open the store at %s"
	}
	return node.WithCode(node.CodeDenied, fmt.Errorf(says, a.dir))
}

// aboutStore reports whether err is about a file of the store, or its socket.
func (a *app) aboutStore(err error) bool {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	path, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return false
	}
	rel, relErr := filepath.Rel(a.dir, path.Path)
	return relErr == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
