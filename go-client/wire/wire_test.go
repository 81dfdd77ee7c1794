package wire

import (
	"math"
	"math/rand"
	"reflect"
	"strings"
	"testing"
)

func randomText(r *rand.Rand) string {
	b := make([]byte, r.Intn(40))
	for i := range b {
		b[i] = byte(1 + r.Intn(255))
	}
	return string(b)
}

func randomValue(r *rand.Rand, parameter bool) Value {
	switch Type(1 + r.Intn(11)) {
	case Float:
		return FloatValue(r.NormFloat64())
	case Text:
		return TextValue(strings.Repeat(randomText(r), r.Intn(60)))
	case Blob:
		blob := make([]byte, r.Intn(40))
		r.Read(blob)
		return BlobValue(blob)
	case Null:
		return NullValue()
	case UnixTime:
		if !parameter {
			return UnixTimeValue(r.Int63())
		}
	case ISO8601:
		return ISO8601Value(randomText(r))
	case Boolean:
		return BooleanValue(r.Intn(2) == 0)
	}
	return IntegerValue(int64(r.Uint64()))
}

func randomParameters(r *rand.Rand, schema uint8) []Value {
	if r.Intn(4) == 0 {
		return nil
	}
	count := r.Intn(20)
	if schema == 1 && r.Intn(4) == 0 {
		count = 250 + r.Intn(20)
	}
	values := make([]Value, 0, count)
	for len(values) < count {
		values = append(values, randomValue(r, true))
	}
	return values
}

func randomRequest(r *rand.Rand) Request {
	id, text, schema := r.Uint64(), randomText(r), uint8(r.Intn(2))
	all := []Request{
		Leader{0, schema == 1}, Client{id, schema == 1}, Open{text, id, randomText(r)}, Prepare{schema, id, text},
		Exec{schema, uint32(id), r.Uint32(), randomParameters(r, schema)},
		Query{schema, uint32(id), r.Uint32(), randomParameters(r, schema)},
		Finalize{uint32(id), r.Uint32()},
		ExecSQL{schema, id, text, randomParameters(r, schema)},
		QuerySQL{schema, id, text, randomParameters(r, schema)},
		Interrupt{id}, Connect{id, text}, Add{id, text}, Assign{id, r.Uint64(), false},
		Assign{ID: id, Promote: true}, Remove{id}, Dump{text}, Cluster{id}, Transfer{id},
		Describe{id}, Weight{id},
	}
	return all[r.Intn(len(all))]
}

func randomResponse(r *rand.Rand) Response {
	id, text, schema := r.Uint64(), randomText(r), uint8(r.Intn(2))
	stmt := Stmt{Schema: schema, DB: uint32(id), ID: r.Uint32(), Parameters: r.Uint64()}
	if schema == 1 {
		stmt.Offset = r.Uint64()
	}
	rows := Rows{Columns: []string{}, Rows: [][]Value{}, More: r.Intn(2) == 0}
	for i := r.Intn(40); i > 0; i-- {
		rows.Columns = append(rows.Columns, randomText(r))
	}
	for i := r.Intn(10); i > 0 && len(rows.Columns) > 0; i-- {
		row := make([]Value, len(rows.Columns))
		for j := range row {
			row[j] = randomValue(r, false)
		}
		rows.Rows = append(rows.Rows, row)
	}
	all := []Response{
		Failure{id, text}, Server{ID: id, Address: text}, Server{id, text, ClusterID{id, r.Uint64()}},
		Welcome{HeartbeatTimeoutMS: id}, Welcome{id, ClusterID{0, id | 1}}, DB{uint32(id)}, stmt,
		Servers{1, []Node{{id, text, r.Uint64()}, {1, "", 2}}}, Result{id, r.Uint64()}, rows, rows,
		Empty{}, Metadata{id, r.Uint64()},
		Files{[]File{{text, make([]byte, 8*r.Intn(100))}, {"", []byte{}}}},
	}
	return all[r.Intn(len(all))]
}

func split(message []byte) (Header, []byte) {
	return ParseHeader(*(*[HeaderBytes]byte)(message)), message[HeaderBytes:]
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for i := 0; i < 1000; i++ {
		request, response := randomRequest(r), randomResponse(r)
		message, err := AppendRequest([]byte("before"), request)
		if err != nil {
			t.Fatalf("%+v: %v", request, err)
		}
		h, body := split(message[len("before"):])
		got, err := DecodeRequest(h, body)
		if err != nil || !reflect.DeepEqual(got, request) {
			t.Fatalf("wrote %+v\nread %+v, %v", request, got, err)
		}
		if message, err = AppendResponse(message[:0], response); err != nil {
			t.Fatalf("%+v: %v", response, err)
		}
		h, body = split(message)
		answer, err := DecodeResponse(h, body, Asked{ClusterFormat: 1})
		if err != nil || !reflect.DeepEqual(answer, response) {
			t.Fatalf("wrote %+v\nread %+v, %v", response, answer, err)
		}
	}
}

// Every body that is cut short at a word is either refused or read as something shorter.
func TestCutBodies(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	for i := 0; i < 40; i++ {
		message, _ := AppendResponse(nil, randomResponse(r))
		h, body := split(message)
		for cut := 0; cut < len(body); cut += wordBytes {
			answer, err := DecodeResponse(h, body[:cut], Asked{ClusterFormat: 1})
			if (answer == nil) == (err == nil) {
				t.Fatalf("%d of %d bytes: %v, %v", cut, len(body), answer, err)
			}
		}
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	before := []byte("before")
	for name, request := range map[string]Request{
		"NUL in a text":        ExecSQL{SQL: "SELECT '\x00'"},
		"NUL in a parameter":   Exec{Parameters: []Value{TextValue("a\x00")}},
		"too many":             Exec{Parameters: make([]Value, 256)},
		"far too many":         Exec{Schema: 1, Parameters: make([]Value, ParametersMax+1)},
		"a time as a number":   Exec{Parameters: []Value{UnixTimeValue(1)}},
		"a value without type": Exec{Parameters: make([]Value, 1)},
		"no such schema":       Exec{Schema: 2, Parameters: []Value{}},
		"too large":            Exec{Parameters: []Value{BlobValue(make([]byte, BodyBytesMax))}},
	} {
		after, err := AppendRequest(before, request)
		if err == nil || string(after) != "before" {
			t.Errorf("%s: %v, %d bytes", name, err, len(after))
		}
	}
	if _, err := AppendResponse(nil, Files{[]File{{"f", make([]byte, 3)}}}); err == nil {
		t.Error("a file of 3 bytes was written")
	}
}

func TestParameterSchema(t *testing.T) {
	for count, want := range map[int]uint8{0: 0, 255: 0, 256: 1} {
		if got := ParameterSchema(count); got != want {
			t.Errorf("%d parameters: schema %d, want %d", count, got, want)
		}
	}
}

// The same rows through a RowReader, batch by batch, with texts that live longer than the message.
func TestRowReader(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	var reader RowReader
	for i := 0; i < 200; i++ {
		columns := []string{"a", "bcdefghij", ""}[:1+r.Intn(3)]
		want := Rows{Columns: columns, More: r.Intn(2) == 0}
		for n := r.Intn(50); n > 0; n-- {
			row := make([]Value, len(columns))
			for j := range row {
				row[j] = randomValue(r, false)
			}
			want.Rows = append(want.Rows, row)
		}
		message, err := AppendResponse(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		_, body := split(message)
		if err := reader.Reset(body); err != nil {
			t.Fatal(err)
		}
		for pass := 0; pass < 2; pass++ {
			var got [][]Value
			for {
				row := make([]Value, len(columns))
				more, err := reader.Next(row)
				if err != nil {
					t.Fatal(err)
				}
				if !more {
					break
				}
				for j := range row {
					row[j].Blob = append([]byte(nil), row[j].Blob...)
				}
				got = append(got, row)
			}
			read := Rows{Columns: reader.Columns, Rows: got, More: reader.MoreBatches}
			if pass == 1 {
				for i := range body {
					body[i] = 0xff
				}
			}
			if plain(read) != plain(want) {
				t.Fatalf("got %s\nwant %s", plain(read), plain(want))
			}
			reader.Rewind()
		}
	}
}

func TestReadingIsCheap(t *testing.T) {
	rows := Rows{Columns: []string{"n", "t"}}
	for i := 0; i < 1000; i++ {
		rows.Rows = append(rows.Rows, []Value{IntegerValue(math.MaxInt64), TextValue("some text")})
	}
	message, _ := AppendResponse(nil, rows)
	_, body := split(message)
	var reader RowReader
	dest := make([]Value, 2)
	perRow := testing.AllocsPerRun(10, func() {
		if err := reader.Reset(body); err != nil {
			t.Fatal(err)
		}
		for {
			if more, _ := reader.Next(dest); !more {
				return
			}
		}
	}) / 1000
	if perRow > 0.1 {
		t.Errorf("%.3f allocations for each row", perRow)
	}
}
