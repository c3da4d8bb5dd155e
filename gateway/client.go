package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

const dialTimeout = 5 * time.Second

var errSilent = fmt.Errorf("the zipnode that owns this directory has not answered for %v: look at its process", dialTimeout)

// A Client calls the operations of the node that answers for a directory.
type Client struct {
	http *http.Client
	info Info
}

// Dial finds who answers for dir. It returns an error wrapping ErrNoServer when
// nobody does; a socket that a dead process left is nobody.
func Dial(ctx context.Context, dir string) (*Client, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	path, err := findSocket(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%s)", ErrNoServer, dir)
	}
	if err != nil {
		return nil, err
	}
	c := &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableCompression: true,
	}}}
	if err := c.greet(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// greet learns who answers.
func (c *Client) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, errSilent)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, "version", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxRequest)
	if err := json.NewDecoder(body).Decode(&c.info); err != nil || c.info.API != 1 {
		return fmt.Errorf("the zipnode that answers speaks another API than v1: stop it, or use its own version of the command (%w)", err)
	}
	return nil
}

// Info tells who answers.
func (c *Client) Info() Info { return c.info }

// Close frees the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call runs op with args and decodes its result into result, unless that is
// nil. It calls progress, unless nil, from its own goroutine. A writer waits at
// most wait for its turn. When ctx ends, the operation is cancelled.
//
// It returns an *Error when the operation failed, ErrNoServer when it did not
// begin since nobody answers any more, and ErrGone when the server ended while
// it ran.
func (c *Client) Call(ctx context.Context, op string, args any, wait time.Duration, result any, progress func(json.RawMessage)) error {
	body, err := encode(args, wait)
	if err != nil {
		return err
	}
	resp, err := c.do(ctx, http.MethodPost, op, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = readAnswer(resp.Body, result, progress)
	if resp.StatusCode == http.StatusServiceUnavailable && errors.Is(err, ErrGone) {
		return ErrNoServer // it had not begun
	}
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	return err
}

func encode(args any, wait time.Duration) ([]byte, error) {
	req := request{Wait: max(0, min(wait, maxWait)).Milliseconds()}
	if args != nil {
		data, err := json.Marshal(args)
		if err != nil {
			return nil, err
		}
		req.Args = data
	}
	return json.Marshal(req)
}

// do sends one request. Without an answer's head the call did not begin.
func (c *Client) do(ctx context.Context, method, op string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://zipnode"+prefix+op, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %v", ErrNoServer, err)
}

func readAnswer(r io.Reader, result any, progress func(json.RawMessage)) error {
	d := json.NewDecoder(r)
	for {
		var l struct {
			Progress json.RawMessage `json:"progress"`
			Result   json.RawMessage `json:"result"`
			Error    *wireError      `json:"error"`
		}
		if err := d.Decode(&l); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return ErrGone
			}
			return fmt.Errorf("%w (%v)", ErrGone, err)
		}
		switch {
		case l.Error != nil && l.Error.Code == codeStopping:
			return ErrGone
		case l.Error != nil:
			return &Error{l.Error.Message, l.Error.Code}
		case l.Result != nil && result == nil:
			return nil
		case l.Result != nil:
			return json.Unmarshal(l.Result, result)
		case l.Progress != nil && progress != nil:
			progress(l.Progress)
		}
	}
}
