//go:build never

// Package zipnode holds the modules that rooms still to come need.
package zipnode

import (
	_ "github.com/BurntSushi/toml"
	_ "github.com/ipfs/boxo/bitswap"
	_ "github.com/ipfs/boxo/blockstore"
	_ "github.com/ipfs/boxo/ipld/unixfs/hamt"
	_ "github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	_ "github.com/ipfs/boxo/ipld/unixfs/file"
	_ "github.com/ipfs/boxo/blockservice"
	_ "github.com/ipld/go-ipld-prime/codec/dagcbor"
	_ "github.com/libp2p/go-libp2p/x/simlibp2p"
	_ "github.com/ipfs/boxo/bitswap/network/bsnet"
	_ "github.com/libp2p/go-libp2p-kad-dht/provider/keystore"
	_ "github.com/ipfs/go-block-format"
	_ "github.com/gofrs/flock"
	_ "github.com/ipfs/go-ds-leveldb"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/libp2p/go-libp2p-kad-dht"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/syndtr/goleveldb/leveldb"
	_ "github.com/vbauerster/mpb/v8"
	_ "golang.org/x/sync/errgroup"
	_ "gopkg.in/yaml.v3"
)
