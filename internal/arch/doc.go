// Package arch holds the tests that keep the shape of the module: which room
// may import which, and that each says what it is for.
package arch
