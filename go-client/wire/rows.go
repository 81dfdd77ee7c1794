package wire

import (
	"bytes"
	"encoding/binary"
)

const (
	rowsDone uint64 = 0xffffffffffffffff
	rowsPart uint64 = 0xeeeeeeeeeeeeeeee
	// Texts are cut from strings of about this size: one allocation serves several of them, and a
	// text that the program keeps holds not much more than itself.
	textChunkBytes = 1 << 10
	columnsMax     = 32767 // SQLite's SQLITE_MAX_COLUMN
)

// RowReader reads the rows of one Rows message after the other without building a Rows.
type RowReader struct {
	Columns []string
	// MoreBatches, once Next has returned false without an error: another message follows.
	MoreBatches bool

	r         reader
	first     []byte // the rows, from the first on
	codeBytes int
	chunk     string // of the body, ending where `chunkLeft` bytes are left of it
	chunkLeft int
	names     []byte // of the columns, as they were on the wire
}

// Reset starts with the body of a Rows message. The column names of the message before are kept if
// they are the same, as they are in all messages of one result set.
func (rows *RowReader) Reset(body []byte) error {
	rows.r = reader{rest: body}
	rows.chunk, rows.MoreBatches = "", false
	count := rows.r.u64()
	if count > columnsMax || count > uint64(len(rows.r.rest)/wordBytes) {
		rows.r.fail("%d columns in %d bytes", count, len(body))
	}
	if rows.r.err != nil {
		return rows.r.err
	}
	known := len(rows.Columns) == int(count) && bytes.HasPrefix(rows.r.rest, rows.names)
	if known && rows.names != nil {
		rows.r.take(len(rows.names))
	} else {
		before := rows.r.rest
		rows.Columns = make([]string, 0, count)
		for ; count > 0 && rows.r.err == nil; count-- {
			rows.Columns = append(rows.Columns, rows.r.text())
		}
		if rows.r.err != nil {
			return rows.r.err
		}
		rows.names = append([]byte{}, before[:len(before)-len(rows.r.rest)]...)
	}
	rows.codeBytes = ((len(rows.Columns)+1)/2 + wordBytes - 1) / wordBytes * wordBytes
	rows.first = rows.r.rest
	return nil
}

// Rewind goes back to the first row of the message.
func (rows *RowReader) Rewind() {
	rows.r = reader{rest: rows.first}
	rows.chunk, rows.MoreBatches = "", false
}

// Next reads a row into dest, which has a place for each column. It returns false at the end of the
// message and on an error. Blobs alias the message.
func (rows *RowReader) Next(dest []Value) (bool, error) {
	if rows.atMarker() {
		return false, nil
	}
	if len(rows.Columns) == 0 {
		rows.r.fail("rows without columns")
		return false, rows.r.err
	}
	codes := rows.r.take(rows.codeBytes)
	if codes == nil {
		return false, rows.r.err
	}
	for i := range dest {
		kind := Type(codes[i/2] >> (4 * (i % 2)) & 0xf)
		if kind == Text || kind == ISO8601 {
			dest[i] = Value{Type: kind, Text: rows.text()}
		} else {
			dest[i] = rows.r.value(kind)
		}
	}
	return rows.r.err == nil, rows.r.err
}

func (rows *RowReader) atMarker() bool {
	if len(rows.r.rest) < wordBytes {
		return false
	}
	word := binary.LittleEndian.Uint64(rows.r.rest)
	rows.MoreBatches = word == rowsPart
	return word == rowsPart || word == rowsDone
}

// text cuts the next text from the chunk that holds it.
func (rows *RowReader) text() string {
	left := len(rows.r.rest)
	text := rows.r.textBytes()
	start := len(rows.chunk) - (left - rows.chunkLeft)
	if rows.chunk == "" || start < 0 || start+len(text) > len(rows.chunk) {
		if len(text) >= textChunkBytes {
			return string(text)
		}
		size := textChunkBytes
		if size > left {
			size = left
		}
		if cap(text) < size {
			size = cap(text)
		}
		rows.chunk, rows.chunkLeft, start = string(text[:size]), left-size, 0
	}
	return rows.chunk[start : start+len(text)]
}

func (rows *RowReader) width() int { return len(rows.Columns) }

func (r *reader) rows() Rows {
	var reader RowReader
	if r.err = reader.Reset(r.rest); r.err != nil {
		return Rows{}
	}
	rows := Rows{Columns: reader.Columns, Rows: [][]Value{}}
	for {
		row := make([]Value, reader.width())
		more, err := reader.Next(row)
		if r.err = err; err != nil || !more {
			break
		}
		rows.Rows = append(rows.Rows, row)
	}
	rows.More = reader.MoreBatches
	return rows
}

// failureBehind looks for a failure after rows, which ends the body exactly.
func (rows *RowReader) failureBehind() (Failure, bool) {
	row := make([]Value, rows.width())
	for {
		tail := reader{rest: rows.r.rest}
		failure := Failure{tail.u64(), tail.text()}
		if tail.err == nil && len(tail.rest) == 0 {
			return failure, true
		}
		if more, err := rows.Next(row); err != nil || !more {
			return Failure{}, false
		}
	}
}

func (a Rows) write(w *writer) {
	w.u64(uint64(len(a.Columns)))
	for _, column := range a.Columns {
		w.text(column)
	}
	for _, row := range a.Rows {
		w.row(row)
	}
	if a.More {
		w.u64(rowsPart)
	} else {
		w.u64(rowsDone)
	}
}

func (w *writer) row(row []Value) {
	for i := 0; i < len(row); i += 2 {
		code := uint8(row[i].Type)
		if i+1 < len(row) {
			code |= uint8(row[i+1].Type) << 4
		}
		w.b = append(w.b, code)
	}
	w.pad()
	for _, v := range row {
		w.value(v)
	}
}

// MoreFollows tells whether a Rows message has another one behind it, without reading the rows.
func MoreFollows(body []byte) bool {
	return len(body) >= wordBytes &&
		binary.LittleEndian.Uint64(body[len(body)-wordBytes:]) == rowsPart
}
