package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	socketName  = "api.sock"
	addressName = "api.addr"

	// maxSocket is the longest path of a socket, in bytes: Linux takes 107,
	// Darwin 103, and some room is left.
	maxSocket = 100
)

// socketFor returns the path at which to listen for dir, and whether it is a
// fallback that clients find by dir's address file. It makes the fallback's
// directory.
func socketFor(dir string) (path string, fallback bool, err error) {
	if path = filepath.Join(dir, socketName); len(path) <= maxSocket {
		return path, false, nil
	}
	sum := sha256.Sum256([]byte(dir))
	name := hex.EncodeToString(sum[:8]) + ".sock"
	var errs []error
	for _, parent := range shortPlaces() {
		room := filepath.Join(parent, fmt.Sprintf("zipnode-%d", os.Getuid()))
		if path = filepath.Join(room, name); len(path) > maxSocket {
			continue
		}
		if err := makePrivate(room); err != nil {
			errs = append(errs, err)
			continue
		}
		return path, true, nil
	}
	return "", false, fmt.Errorf("no place for a socket: the path of %s is longer than %d bytes, and no temporary directory will do: %w",
		dir, maxSocket-len(socketName)-1, errors.Join(errs...))
}

// shortPlaces returns the directories that may hold a fallback's.
func shortPlaces() []string {
	places := []string{os.TempDir()}
	if run := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		places = append([]string{run}, places...)
	}
	if os.PathSeparator == '/' {
		places = append(places, "/tmp")
	}
	return places
}

// makePrivate makes the directory room, or checks the one that is there:
// anyone may have made it in a shared temporary directory.
func makePrivate(room string) error {
	if err := os.Mkdir(room, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkPrivate(room, fs.ModeDir)
}

// checkPrivate returns an error unless path is a file of the given type that
// belongs to this user and that no other may use.
func checkPrivate(path string, kind fs.FileMode) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != kind {
		return fmt.Errorf("%s is not what it should be: a file of mode %v", path, info.Mode())
	}
	return checkOwner(path, info)
}

// writeAddress records socket as the one for dir.
func writeAddress(dir, socket string) error {
	tmp, err := os.CreateTemp(dir, addressName+".*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(socket + "\n")
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, addressName))
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// findSocket returns the path of the socket for dir. It returns an error
// wrapping fs.ErrNotExist if there is none, and refuses an address that another
// user could have written.
func findSocket(dir string) (string, error) {
	path := filepath.Join(dir, socketName)
	if len(path) <= maxSocket {
		return path, nil
	}
	file := filepath.Join(dir, addressName)
	if err := checkPrivate(file, 0); err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	path = strings.TrimSuffix(string(data), "\n")
	if !filepath.IsAbs(path) || len(path) > maxSocket {
		return "", fmt.Errorf("%s holds no address of a socket", file)
	}
	return path, checkPrivate(filepath.Dir(path), fs.ModeDir)
}
