package wire

import (
	"fmt"
	"math"
)

// Type is how a value is written on the wire.
type Type uint8

// The last three say something about a column: a result has them if the column was declared as a
// time or as BOOLEAN. UnixTime cannot be a parameter.
const (
	Integer  Type = 1
	Float    Type = 2
	Text     Type = 3
	Blob     Type = 4
	Null     Type = 5
	UnixTime Type = 9  // seconds since 1970
	ISO8601  Type = 10 // a text; empty if the value is NULL
	Boolean  Type = 11
)

func (t Type) String() string {
	switch t {
	case Integer:
		return "INTEGER"
	case Float:
		return "FLOAT"
	case Text:
		return "TEXT"
	case Blob:
		return "BLOB"
	case Null:
		return "NULL"
	case UnixTime:
		return "UNIXTIME"
	case ISO8601:
		return "ISO8601"
	case Boolean:
		return "BOOLEAN"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Value is a parameter, or a column of a row.
type Value struct {
	Type Type
	Bits uint64 // of an Integer, UnixTime or Boolean; the IEEE 754 bits of a Float
	Text string // of a Text or ISO8601
	Blob []byte // of a Blob; in a row that was read it aliases the message
}

// The values of every type that a program writes.
func IntegerValue(v int64) Value  { return Value{Type: Integer, Bits: uint64(v)} }
func FloatValue(v float64) Value  { return Value{Type: Float, Bits: math.Float64bits(v)} }
func TextValue(v string) Value    { return Value{Type: Text, Text: v} }
func BlobValue(v []byte) Value    { return Value{Type: Blob, Blob: v} }
func NullValue() Value            { return Value{Type: Null} }
func ISO8601Value(v string) Value { return Value{Type: ISO8601, Text: v} }
func UnixTimeValue(v int64) Value { return Value{Type: UnixTime, Bits: uint64(v)} }
func BooleanValue(v bool) Value {
	if v {
		return Value{Type: Boolean, Bits: 1}
	}
	return Value{Type: Boolean}
}

// Int is an Integer, a UnixTime or a Boolean as a number.
func (v Value) Int() int64 { return int64(v.Bits) }

// Float is a Float as a number.
func (v Value) Float() float64 { return math.Float64frombits(v.Bits) }

func (w *writer) value(v Value) {
	switch v.Type {
	case Text, ISO8601:
		w.text(v.Text)
	case Blob:
		w.blob(v.Blob)
	case Integer, Float, UnixTime, Boolean:
		w.u64(v.Bits)
	case Null:
		w.u64(0)
	default:
		if w.err == nil {
			w.err = fmt.Errorf("a value has no valid type: %v", v.Type)
		}
	}
}

func (r *reader) value(kind Type) Value {
	v := Value{Type: kind}
	switch kind {
	case Text, ISO8601:
		v.Text = r.text()
	case Blob:
		v.Blob = r.blob()
	case Integer, Float, UnixTime, Boolean:
		v.Bits = r.u64()
	case Null:
		r.u64()
	default:
		r.fail("a value has no valid type: %v", kind)
	}
	return v
}

// Parameters in one statement: SQLite's SQLITE_MAX_VARIABLE_NUMBER.
const ParametersMax = 250_000

// ParameterSchema is the oldest schema that can carry so many parameters. Servers older than 1.15
// know schema 0 only, and take a tuple of schema 1 for one of schema 0.
func ParameterSchema(count int) uint8 {
	if count > math.MaxUint8 {
		return 1
	}
	return 0
}

// parameters writes a tuple; nothing at all for nil, which means that there are none.
func (w *writer) parameters(schema uint8, values []Value) {
	if values == nil {
		return
	}
	switch {
	case schema == 0 && len(values) <= math.MaxUint8:
		w.b = append(w.b, uint8(len(values)))
	case schema == 1 && len(values) <= ParametersMax:
		w.u32(uint32(len(values)))
	default:
		if w.err == nil {
			w.err = fmt.Errorf("%d parameters are too many for schema %d", len(values), schema)
		}
		return
	}
	for _, v := range values {
		w.b = append(w.b, uint8(v.Type))
	}
	w.pad()
	for _, v := range values {
		if v.Type == UnixTime && w.err == nil {
			w.err = fmt.Errorf("%v cannot be a parameter", UnixTime)
		}
		w.value(v)
	}
}

func (r *reader) parameters(schema uint8) []Value {
	if r.err != nil || len(r.rest) == 0 {
		return nil
	}
	tuple := r.rest
	count, prefix := uint64(tuple[0]), 1
	if schema == 1 {
		count, prefix = uint64(r.u32()), 4
		r.rest = tuple
	}
	if count > uint64(len(tuple)-prefix) {
		r.fail("a tuple of %d values in %d bytes", count, len(tuple))
		return nil
	}
	codes := tuple[prefix : prefix+int(count)]
	r.skip(prefix + int(count))
	values := make([]Value, 0, count)
	for _, code := range codes {
		if Type(code) == UnixTime {
			r.fail("%v cannot be a parameter", UnixTime)
		}
		if values = append(values, r.value(Type(code))); r.err != nil {
			return nil
		}
	}
	return values
}
