//go:build race

package codec

// raceDetector tells that sync.Pool drops some of what it is given.
const raceDetector = true
