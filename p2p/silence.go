package p2p

import (
	"log/slog"
	"os"
	"sync"

	golog "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/gologshim"
)

// silence keeps the libraries from writing to stderr, which they do for every
// peer that goes away. GOLOG_LOG_LEVEL brings their words back.
var silence = sync.OnceFunc(func() {
	if os.Getenv("GOLOG_LOG_LEVEL") != "" {
		return
	}
	golog.SetupLogging(golog.Config{Level: golog.LevelFatal, Stderr: false})
	gologshim.SetDefaultHandler(slog.DiscardHandler)
	// quic-go writes by the log package when the kernel's buffers are small.
	_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
})
