// Package wire encodes and decodes the dqlite wire protocol: every message, in both directions and
// in every schema version.
//
// It is bytes in and bytes out: no socket, no goroutine, no clock. Nothing that can be in a body
// makes it panic or allocate more than a small multiple of the body. What it writes has zeros for
// padding; what it reads may have anything there, as real servers leave stale bytes.
//
// All integers are little endian. A word is 8 bytes; every body is a whole number of words.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The first word that a client sends.
const (
	Version       uint64 = 1
	LegacyVersion uint64 = 0x86104dd760433fe5 // before 1.0; the answer to LEADER is an address only
)

const (
	wordBytes = 8
	// HeaderBytes is the size of what precedes every body.
	HeaderBytes = 8
	// BodyBytesMax is the largest body that is written: servers of this project accept no more.
	BodyBytesMax = 64 << 20
)

// ErrMalformed is wrapped by every error of decoding.
var ErrMalformed = errors.New("malformed message")

func malformed(format string, arguments ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, arguments...))
}

// WantsClusterID is the bit in Header.Extra of Leader and Client that asks a Quorlite node to end
// its answer with the id of its cluster. dqlite ignores it.
const WantsClusterID uint16 = 1

// Header is what precedes a body.
type Header struct {
	Words  uint32 // size of the body
	Type   uint8
	Schema uint8  // layout of the body, for its type
	Extra  uint16 // WantsClusterID; other bits have no meaning
}

// ClusterID names a cluster for as long as it lives. Zero: not known.
type ClusterID struct{ High, Low uint64 }

func (id ClusterID) String() string { return fmt.Sprintf("%016x%016x", id.High, id.Low) }

// BodyBytes is the size of the body that follows.
func (h Header) BodyBytes() int64 { return int64(h.Words) * wordBytes }

// ParseHeader reads a header.
func ParseHeader(b [HeaderBytes]byte) Header {
	return Header{Words: binary.LittleEndian.Uint32(b[:]), Type: b[4], Schema: b[5],
		Extra: binary.LittleEndian.Uint16(b[6:])}
}

// AppendHandshake appends the word that opens a connection.
func AppendHandshake(b []byte, version uint64) []byte {
	return binary.LittleEndian.AppendUint64(b, version)
}

// writer appends one message to a buffer. The first error sticks; finish reports it.
type writer struct {
	b     []byte
	start int
	err   error
}

func beginMessage(b []byte, kind, schema uint8) writer {
	return writer{b: append(b, 0, 0, 0, 0, kind, schema, 0, 0), start: len(b)}
}

// finish fills in the size. On an error the buffer is returned as it was before the message.
func (w *writer) finish() ([]byte, error) {
	body := len(w.b) - w.start - HeaderBytes
	if w.err == nil && body > BodyBytesMax {
		w.err = fmt.Errorf("a message of %d bytes is too large; at most %d", body, BodyBytesMax)
	}
	if w.err != nil {
		return w.b[:w.start], w.err
	}
	binary.LittleEndian.PutUint32(w.b[w.start:], uint32(body/wordBytes))
	return w.b, nil
}

func (w *writer) u32(v uint32) { w.b = binary.LittleEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }

func (w *writer) pad() {
	const zeros = "\x00\x00\x00\x00\x00\x00\x00"
	if over := (len(w.b) - w.start) % wordBytes; over != 0 {
		w.b = append(w.b, zeros[:wordBytes-over]...)
	}
}

func (w *writer) text(s string) {
	if at := strings.IndexByte(s, 0); at >= 0 && w.err == nil {
		w.err = fmt.Errorf("a text has a NUL at byte %d, which the protocol cannot carry: "+
			"pass it as a blob", at)
	}
	w.b = append(w.b, s...)
	w.b = append(w.b, 0)
	w.pad()
}

func (w *writer) blob(blob []byte) {
	w.u64(uint64(len(blob)))
	w.b = append(w.b, blob...)
	w.pad()
}

// reader takes fields from a body. After an error everything reads as zero; err says what was wrong.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, arguments ...any) {
	if r.err == nil {
		r.err = malformed(format, arguments...)
	}
	r.rest = nil
}

func (r *reader) take(size int) []byte {
	if size > len(r.rest) {
		r.fail("%d bytes wanted, %d left", size, len(r.rest))
		return nil
	}
	taken := r.rest[:size]
	r.rest = r.rest[size:]
	return taken
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(wordBytes); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// skip drops `size` bytes and what pads them to whole words.
func (r *reader) skip(size int) {
	r.take((size + wordBytes - 1) / wordBytes * wordBytes)
}

// textBytes aliases the body.
func (r *reader) textBytes() []byte {
	end := bytes.IndexByte(r.rest, 0)
	if end < 0 {
		r.fail("a text does not end")
		return nil
	}
	text := r.rest[:end]
	r.skip(end + 1)
	return text
}

// clusterID is what may end a message: zero if it is not there.
func (r *reader) clusterID() ClusterID {
	if len(r.rest) < 2*wordBytes {
		return ClusterID{}
	}
	return ClusterID{High: r.u64(), Low: r.u64()}
}

// clusterID ends a message, unless it is not known.
func (w *writer) clusterID(id ClusterID) {
	if id != (ClusterID{}) {
		w.u64(id.High)
		w.u64(id.Low)
	}
}

func (r *reader) text() string { return string(r.textBytes()) }

// blob aliases the body.
func (r *reader) blob() []byte {
	size := r.u64()
	if size > uint64(len(r.rest)) {
		r.fail("a blob of %d bytes, %d left", size, len(r.rest))
		return nil
	}
	blob := r.rest[:size:size]
	r.skip(int(size))
	return blob
}
