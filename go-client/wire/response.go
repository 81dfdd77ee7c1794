package wire

import "fmt"

// ResponseType numbers what a server may answer.
type ResponseType uint8

const (
	TypeFailure  ResponseType = 0
	TypeServer   ResponseType = 1
	TypeWelcome  ResponseType = 2
	TypeServers  ResponseType = 3
	TypeDB       ResponseType = 4
	TypeStmt     ResponseType = 5
	TypeResult   ResponseType = 6
	TypeRows     ResponseType = 7
	TypeEmpty    ResponseType = 8
	TypeFiles    ResponseType = 9
	TypeMetadata ResponseType = 10
)

// Response is one of the structs below.
type Response interface {
	head() (ResponseType, uint8)
	write(w *writer)
}

type (
	// Failure is the answer to any request that did not succeed.
	Failure struct {
		Code    uint64
		Message string
	}
	// Server is the leader; its address is empty while there is none.
	Server struct {
		ID      uint64
		Address string
		Cluster ClusterID // if it was asked for and the node says it
	}
	// LegacyServer is the leader, for a connection of the legacy version.
	LegacyServer struct{ Address string }
	// Welcome answers Client.
	Welcome struct {
		HeartbeatTimeoutMS uint64
		Cluster            ClusterID // as in Server
	}
	// Servers are the members. Format says whether they have roles; it is not on the wire.
	Servers struct {
		Format uint64
		Nodes  []Node
	}
	// Node is one of the members.
	Node struct {
		ID      uint64
		Address string
		Role    uint64 // in format 1
	}
	// DB is the opened database.
	DB struct{ ID uint32 }
	// Stmt is a prepared statement. In schema 1 it says at which byte the next statement begins.
	Stmt struct {
		Schema     uint8
		DB, ID     uint32
		Parameters uint64
		Offset     uint64
	}
	// Result is what an execution changed.
	Result struct{ LastInsertID, RowsAffected uint64 }
	// Rows is a batch of a result set.
	Rows struct {
		Columns []string
		Rows    [][]Value
		More    bool // another batch follows
	}
	// Empty is success without any data.
	Empty struct{}
	// Files is a dump.
	Files struct{ Files []File }
	// File is one file of a dump. Its data aliases the message.
	File struct {
		Name string
		Data []byte
	}
	// Metadata describes a node.
	Metadata struct{ FailureDomain, Weight uint64 }
)

func (Failure) head() (ResponseType, uint8)      { return TypeFailure, 0 }
func (Server) head() (ResponseType, uint8)       { return TypeServer, 0 }
func (LegacyServer) head() (ResponseType, uint8) { return TypeServer, 0 }
func (Welcome) head() (ResponseType, uint8)      { return TypeWelcome, 0 }
func (Servers) head() (ResponseType, uint8)      { return TypeServers, 0 }
func (DB) head() (ResponseType, uint8)           { return TypeDB, 0 }
func (a Stmt) head() (ResponseType, uint8)       { return TypeStmt, a.Schema }
func (Result) head() (ResponseType, uint8)       { return TypeResult, 0 }
func (Rows) head() (ResponseType, uint8)         { return TypeRows, 0 }
func (Empty) head() (ResponseType, uint8)        { return TypeEmpty, 0 }
func (Files) head() (ResponseType, uint8)        { return TypeFiles, 0 }
func (Metadata) head() (ResponseType, uint8)     { return TypeMetadata, 0 }

func (a Failure) write(w *writer)      { w.u64(a.Code); w.text(a.Message) }
func (a Server) write(w *writer)       { w.u64(a.ID); w.text(a.Address); w.clusterID(a.Cluster) }
func (a LegacyServer) write(w *writer) { w.text(a.Address) }
func (a Welcome) write(w *writer)      { w.u64(a.HeartbeatTimeoutMS); w.clusterID(a.Cluster) }
func (a DB) write(w *writer)           { w.u32(a.ID); w.u32(0) }
func (a Result) write(w *writer)       { w.u64(a.LastInsertID); w.u64(a.RowsAffected) }
func (Empty) write(w *writer)          { w.u64(0) }
func (a Metadata) write(w *writer)     { w.u64(a.FailureDomain); w.u64(a.Weight) }

func (a Stmt) write(w *writer) {
	w.u32(a.DB)
	w.u32(a.ID)
	w.u64(a.Parameters)
	if a.Schema == 1 {
		w.u64(a.Offset)
	}
}

func (a Servers) write(w *writer) {
	w.u64(uint64(len(a.Nodes)))
	for _, node := range a.Nodes {
		w.u64(node.ID)
		w.text(node.Address)
		if a.Format == 1 {
			w.u64(node.Role)
		}
	}
}

func (a Files) write(w *writer) {
	w.u64(uint64(len(a.Files)))
	for _, file := range a.Files {
		if len(file.Data)%wordBytes != 0 && w.err == nil {
			w.err = fmt.Errorf("the size of file %q, %d bytes, is not a multiple of %d",
				file.Name, len(file.Data), wordBytes)
		}
		w.text(file.Name)
		w.blob(file.Data)
	}
}

// AppendResponse appends a whole message. On an error nothing was appended.
func AppendResponse(b []byte, response Response) ([]byte, error) {
	kind, schema := response.head()
	w := beginMessage(b, uint8(kind), schema)
	response.write(&w)
	return w.finish()
}

// Asked is what the layout of an answer depends on and the answer itself does not say.
type Asked struct {
	Legacy        bool   // the connection is of the legacy version
	ClusterFormat uint64 // of the Cluster request
}

// DecodeResponse reads what a server answers. Blobs and files alias the body.
func DecodeResponse(h Header, body []byte, asked Asked) (Response, error) {
	r := reader{rest: body}
	if h.Schema > 1 || (h.Schema == 1 && ResponseType(h.Type) != TypeStmt) {
		return nil, malformed("a response of type %d has schema %d", h.Type, h.Schema)
	}
	response := r.response(h, asked)
	if r.err != nil {
		return nil, r.err
	}
	return response, nil
}

func (r *reader) response(h Header, asked Asked) Response {
	switch ResponseType(h.Type) {
	case TypeFailure:
		return r.failure()
	case TypeServer:
		if asked.Legacy {
			return LegacyServer{r.text()}
		}
		return Server{r.u64(), r.text(), r.clusterID()}
	case TypeWelcome:
		return Welcome{r.u64(), r.clusterID()}
	case TypeServers:
		return r.servers(asked.ClusterFormat)
	case TypeDB:
		return DB{r.u32()}
	case TypeStmt:
		stmt := Stmt{Schema: h.Schema, DB: r.u32(), ID: r.u32(), Parameters: r.u64()}
		if h.Schema == 1 {
			stmt.Offset = r.u64()
		}
		return stmt
	case TypeResult:
		return r.result()
	case TypeRows:
		return r.rows()
	case TypeEmpty:
		r.u64()
		return Empty{}
	case TypeFiles:
		return r.files()
	case TypeMetadata:
		return Metadata{r.u64(), r.u64()}
	}
	r.fail("there is no response of type %d", h.Type)
	return nil
}

func (r *reader) result() Result { return Result{r.u64(), r.u64()} }

// DecodeResult reads a Result without allocating.
func DecodeResult(body []byte) (Result, error) {
	r := reader{rest: body}
	result := r.result()
	return result, r.err
}

// failure reads code and message. Servers up to 1.18 forget to clear what they had written of a
// result set when it fails: columns and rows then come first.
func (r *reader) failure() Failure {
	plain := reader{rest: r.rest}
	failure := Failure{plain.u64(), plain.text()}
	if plain.err == nil && len(plain.rest) == 0 {
		return failure
	}
	var rows RowReader
	if rows.Reset(r.rest) == nil {
		if polluted, ok := rows.failureBehind(); ok {
			return polluted
		}
	}
	r.err = plain.err
	return failure
}

func (r *reader) servers(format uint64) Servers {
	count := r.u64()
	servers := Servers{Format: format, Nodes: []Node{}}
	for ; count > 0 && r.err == nil; count-- {
		node := Node{ID: r.u64(), Address: r.text()}
		if format == 1 {
			node.Role = r.u64()
		}
		servers.Nodes = append(servers.Nodes, node)
	}
	return servers
}

func (r *reader) files() Files {
	count := r.u64()
	files := Files{Files: []File{}}
	for ; count > 0 && r.err == nil; count-- {
		files.Files = append(files.Files, File{r.text(), r.blob()})
	}
	return files
}
