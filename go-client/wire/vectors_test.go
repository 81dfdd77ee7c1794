package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// captured is one message of a conversation with a real dqlite server.
type captured struct {
	Dir          string
	Hex          string
	Kind         string
	Note         string
	Decoded      map[string]any
	DirtyPadding any `json:"_dirty_padding"`
}

func (c captured) split(t *testing.T) (Header, []byte) {
	t.Helper()
	message, err := hex.DecodeString(c.Hex)
	if err != nil || len(message) < HeaderBytes {
		t.Fatalf("not a message: %q", c.Hex)
	}
	h := ParseHeader(*(*[HeaderBytes]byte)(message))
	if h.BodyBytes() != int64(len(message)-HeaderBytes) {
		t.Fatalf("%d words announced, %d bytes there", h.Words, len(message)-HeaderBytes)
	}
	return h, message[HeaderBytes:]
}

// messages gives every captured message of all files, with the name of its file.
func messages(t testing.TB, visit func(file string, c captured)) {
	t.Helper()
	files, _ := filepath.Glob("../../spec/vectors/[0-9]*.json")
	if len(files) == 0 {
		t.Fatal("the captures of spec/vectors are missing")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var capture struct{ Messages []captured }
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&capture); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range capture.Messages {
			if c.Kind == "" && c.Dir != "event" {
				visit(filepath.Base(file), c)
			}
		}
	}
}

func number(v any) uint64 {
	digits, ok := v.(json.Number)
	if !ok {
		return 0
	}
	if signed, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
		return uint64(signed)
	}
	unsigned, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic(err)
	}
	return unsigned
}

// text of a capture. Bytes that are not UTF-8 have become U+FFFD.
func text(v any) string { s, _ := v.(string); return s }

func value(v any) Value {
	fields := v.(map[string]any)
	switch fields["t"] {
	case "INTEGER":
		return IntegerValue(int64(number(fields["v"])))
	case "FLOAT":
		bits, _ := hex.DecodeString(fields["bits"].(string))
		return FloatValue(math.Float64frombits(binary.LittleEndian.Uint64(bits)))
	case "TEXT":
		return TextValue(text(fields["v"]))
	case "BLOB":
		blob, _ := hex.DecodeString(fields["v"].(string))
		return BlobValue(blob)
	case "NULL":
		return NullValue()
	case "ISO8601":
		return ISO8601Value(text(fields["v"]))
	case "UNIXTIME":
		return UnixTimeValue(int64(number(fields["v"])))
	case "BOOLEAN":
		return Value{Type: Boolean, Bits: number(fields["v"])}
	}
	panic(fields["t"])
}

func list(v any) []any { l, _ := v.([]any); return l }

func values(v any) []Value {
	if v == nil {
		return nil
	}
	out := []Value{}
	for _, each := range list(v) {
		out = append(out, value(each))
	}
	return out
}

func wantedRequest(d map[string]any) Request {
	schema := uint8(number(d["schema"]))
	db, stmt := number(d["db_id"]), uint32(number(d["stmt_id"]))
	id, address := number(d["id"]), text(d["address"])
	switch d["type"] {
	case "LEADER":
		return Leader{Unused: number(d["unused"])}
	case "CLIENT":
		return Client{ID: id}
	case "OPEN":
		return Open{text(d["filename"]), number(d["flags"]), text(d["vfs"])}
	case "PREPARE":
		return Prepare{schema, db, text(d["sql"])}
	case "EXEC":
		return Exec{schema, uint32(db), stmt, values(d["params"])}
	case "QUERY":
		return Query{schema, uint32(db), stmt, values(d["params"])}
	case "FINALIZE":
		return Finalize{uint32(db), stmt}
	case "EXEC_SQL":
		return ExecSQL{schema, db, text(d["sql"]), values(d["params"])}
	case "QUERY_SQL":
		return QuerySQL{schema, db, text(d["sql"]), values(d["params"])}
	case "INTERRUPT":
		return Interrupt{db}
	case "CONNECT":
		return Connect{id, address}
	case "ADD":
		return Add{id, address}
	case "ASSIGN":
		return Assign{id, number(d["role"]), d["role"] == nil}
	case "REMOVE":
		return Remove{id}
	case "DUMP":
		return Dump{text(d["filename"])}
	case "CLUSTER":
		return Cluster{number(d["format"])}
	case "TRANSFER":
		return Transfer{id}
	case "DESCRIBE":
		return Describe{number(d["format"])}
	case "WEIGHT":
		return Weight{number(d["weight"])}
	}
	panic(d["type"])
}

func wantedResponse(d map[string]any) Response {
	switch d["type"] {
	case "FAILURE":
		return Failure{number(d["code"]), text(d["message"])}
	case "SERVER":
		if d["legacy"] == true {
			return LegacyServer{text(d["address"])}
		}
		return Server{ID: number(d["id"]), Address: text(d["address"])}
	case "WELCOME":
		return Welcome{HeartbeatTimeoutMS: number(d["heartbeat_timeout"])}
	case "SERVERS":
		servers := Servers{Format: number(d["format"]), Nodes: []Node{}}
		for _, each := range list(d["servers"]) {
			node := each.(map[string]any)
			servers.Nodes = append(servers.Nodes,
				Node{number(node["id"]), text(node["address"]), number(node["role"])})
		}
		return servers
	case "DB":
		return DB{uint32(number(d["id"]))}
	case "STMT":
		return Stmt{uint8(number(d["schema"])), uint32(number(d["db_id"])),
			uint32(number(d["id"])), number(d["params"]), number(d["offset"])}
	case "RESULT":
		return Result{number(d["last_insert_id"]), number(d["rows_affected"])}
	case "EMPTY":
		return Empty{}
	case "METADATA":
		return Metadata{number(d["failure_domain"]), number(d["weight"])}
	case "FILES":
		files := Files{Files: []File{}}
		for _, each := range list(d["files"]) {
			file := each.(map[string]any)
			data, _ := hex.DecodeString(text(file["data"]))
			files.Files = append(files.Files, File{text(file["name"]), data})
		}
		return files
	case "ROWS":
		rows := Rows{Columns: []string{}, Rows: [][]Value{}, More: d["eof"] == "PART"}
		for _, column := range list(d["columns"]) {
			rows.Columns = append(rows.Columns, text(column))
		}
		for _, row := range list(d["rows"]) {
			rows.Rows = append(rows.Rows, values(row))
		}
		return rows
	}
	panic(d["type"])
}

// plain brings empty blobs, and bytes that are not UTF-8, to one form.
func plain(message any) string {
	text, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return strings.NewReplacer(`"Blob":""`, `"Blob":null`, `\ufffd`, "\ufffd").Replace(string(text))
}

func asked(d map[string]any) Asked {
	return Asked{Legacy: d["legacy"] == true, ClusterFormat: number(d["format"])}
}

func expectVector(t *testing.T, file string, c captured, got, want any, again []byte) {
	t.Helper()
	if plain(got) != plain(want) {
		t.Errorf("%s, %s:\n got %.300s\nwant %.300s", file, c.Note, plain(got), plain(want))
	}
	original, _ := hex.DecodeString(c.Hex)
	if c.DirtyPadding == nil && c.Decoded["_dirty_padding"] == nil && !bytes.Equal(again, original) {
		t.Errorf("%s, %s:\nagain %x\n want %x", file, c.Note, again, original)
	}
}

func TestCapturedRequests(t *testing.T) {
	count := 0
	messages(t, func(file string, c captured) {
		if c.Dir != "c2s" || c.Decoded == nil {
			return
		}
		h, body := c.split(t)
		got, err := DecodeRequest(h, body)
		var unsupported *UnsupportedError
		madeUp := errors.As(err, &unsupported) && h.Schema > 1
		if madeUp || strings.Contains(c.Note, "UNIXTIME (9) is not accepted") {
			if err == nil {
				t.Errorf("%s, %s: accepted", file, c.Note)
			}
			return
		}
		if err != nil {
			t.Errorf("%s, %s: %v", file, c.Note, err)
			return
		}
		again, err := AppendRequest(nil, got)
		if err != nil {
			t.Errorf("%s, %s: %v", file, c.Note, err)
		}
		expectVector(t, file, c, got, wantedRequest(c.Decoded), again)
		count++
	})
	if count < 700 {
		t.Errorf("only %d requests", count)
	}
}

func TestCapturedResponses(t *testing.T) {
	count := 0
	messages(t, func(file string, c captured) {
		if c.Dir != "s2c" || c.Decoded == nil {
			return
		}
		h, body := c.split(t)
		got, err := DecodeResponse(h, body, asked(c.Decoded))
		if err != nil {
			t.Errorf("%s, %s: %v", file, c.Note, err)
			return
		}
		again, err := AppendResponse(nil, got)
		if err != nil {
			t.Errorf("%s, %s: %v", file, c.Note, err)
		}
		expectVector(t, file, c, got, wantedResponse(c.Decoded), again)
		count++
	})
	if count < 800 {
		t.Errorf("only %d responses", count)
	}
}

// Failures that follow rows: the code and the message are at the end of what was left over.
func TestCapturedPollutedFailures(t *testing.T) {
	count := 0
	messages(t, func(file string, c captured) {
		if c.Dir != "s2c" || c.Decoded != nil {
			return
		}
		h, body := c.split(t)
		if ResponseType(h.Type) != TypeFailure {
			return
		}
		got, err := DecodeResponse(h, body, Asked{})
		if err != nil {
			t.Errorf("%s, %s: %v", file, c.Note, err)
			return
		}
		failure := got.(Failure)
		message := strings.TrimRight(string(body[len(body)-8:]), "\x00")
		if failure.Code == 0 || !strings.HasSuffix(failure.Message, message) {
			t.Errorf("%s, %s: %+v", file, c.Note, failure)
		}
		count++
	})
	if count == 0 {
		t.Error("no such failure among the captures")
	}
}
