package store

import "fmt"

// An unreadBlock is a block that the disk fails to read, and how.
type unreadBlock struct {
	located
	err error
}

const (
	// readTries is how often a disk must fail to read a block before it counts as
	// damaged: what fails once may be a cable.
	readTries = 3
	// mostUnread is how many blocks of a pack may be so. Where a disk fails at more,
	// it is the disk that is ill, and no block is given up.
	mostUnread = 16

	unreadable = "the disk fails to read it"
)

// readTried is p.readAt, again where that fails as at a bad sector.
func readTried(p *pack, b []byte, off int64) (err error) {
	for range readTries {
		if err = p.readAt(b, off); !badSector(err) {
			break
		}
	}
	return err
}

// setUnreadAside sets aside the blocks of the pack at hand that the disk fails to read.
func (v *verifier) setUnreadAside() error {
	if k := len(v.unread); k > mostUnread {
		return fmt.Errorf("the disk fails to read %d blocks, and no more are given up than %d: copy the store to another disk first: %w", k, mostUnread, v.unread[0].err)
	}
	for _, b := range v.unread {
		v.setAside(b.d, Damage{CID: b.d.cid(b.at.codec), Where: b.at.name(), Reason: unreadable})
	}
	return nil
}
