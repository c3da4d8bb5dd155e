//go:build unix

package gateway

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func checkOwner(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not this user's alone (mode %v): remove it", path, info.Mode())
	}
	return nil
}

// restrict lets only its owner use the socket at path.
func restrict(path string) error { return os.Chmod(path, 0o600) }
