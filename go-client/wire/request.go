package wire

import (
	"encoding/binary"
	"fmt"
)

// RequestType numbers what a client may ask.
type RequestType uint8

// Number 2 was a heartbeat, which no server answers any more.
const (
	TypeLeader    RequestType = 0
	TypeClient    RequestType = 1
	TypeOpen      RequestType = 3
	TypePrepare   RequestType = 4
	TypeExec      RequestType = 5
	TypeQuery     RequestType = 6
	TypeFinalize  RequestType = 7
	TypeExecSQL   RequestType = 8
	TypeQuerySQL  RequestType = 9
	TypeInterrupt RequestType = 10
	TypeConnect   RequestType = 11
	TypeAdd       RequestType = 12
	TypeAssign    RequestType = 13
	TypeRemove    RequestType = 14
	TypeDump      RequestType = 15
	TypeCluster   RequestType = 16
	TypeTransfer  RequestType = 17
	TypeDescribe  RequestType = 18
	TypeWeight    RequestType = 19
)

// Request is one of the structs below.
type Request interface {
	head() (RequestType, uint8)
	write(w *writer)
}

type (
	// Leader asks who leads.
	Leader struct {
		Unused         uint64
		WantsClusterID bool // in the header
	}
	// Client says who asks; servers do nothing with it.
	Client struct {
		ID             uint64
		WantsClusterID bool // in the header
	}
	// Open opens the one database of a connection.
	Open struct {
		Name  string
		Flags uint64 // ignored by servers
		VFS   string // ignored by servers
	}
	// Prepare prepares the first statement of a text. In schema 1 the answer says where the next
	// one begins; in schema 0 there must not be one.
	Prepare struct {
		Schema uint8
		DB     uint64
		SQL    string
	}
	// Exec executes a prepared statement that yields no rows.
	Exec struct {
		Schema     uint8 // of the parameters
		DB, Stmt   uint32
		Parameters []Value // nil: no tuple
	}
	// Query executes a prepared statement that yields rows.
	Query struct {
		Schema     uint8
		DB, Stmt   uint32
		Parameters []Value
	}
	// Finalize drops a prepared statement.
	Finalize struct{ DB, Stmt uint32 }
	// ExecSQL executes all statements of a text.
	ExecSQL struct {
		Schema     uint8
		DB         uint64
		SQL        string
		Parameters []Value
	}
	// QuerySQL executes the one statement of a text.
	QuerySQL struct {
		Schema     uint8
		DB         uint64
		SQL        string
		Parameters []Value
	}
	// Interrupt stops what runs. Whatever else is still answered, one Empty ends it.
	Interrupt struct{ DB uint64 }
	// Connect turns the connection into a stream between nodes. Clients do not send it.
	Connect struct {
		ID      uint64
		Address string
	}
	// Add makes a node a member, as a spare.
	Add struct {
		ID      uint64
		Address string
	}
	// Assign gives a member a role; without one (Promote) the role of a voter.
	Assign struct {
		ID      uint64
		Role    uint64
		Promote bool
	}
	// Remove ends a membership.
	Remove struct{ ID uint64 }
	// Dump asks for a database as files.
	Dump struct{ Name string }
	// Cluster asks for the members; format 1 has their roles.
	Cluster struct{ Format uint64 }
	// Transfer makes another node lead; 0 lets the server choose one.
	Transfer struct{ ID uint64 }
	// Describe asks for the failure domain and the weight of the node.
	Describe struct{ Format uint64 }
	// Weight sets the weight of the node.
	Weight struct{ Weight uint64 }
)

func (Leader) head() (RequestType, uint8)     { return TypeLeader, 0 }
func (Client) head() (RequestType, uint8)     { return TypeClient, 0 }
func (Open) head() (RequestType, uint8)       { return TypeOpen, 0 }
func (q Prepare) head() (RequestType, uint8)  { return TypePrepare, q.Schema }
func (q Exec) head() (RequestType, uint8)     { return TypeExec, q.Schema }
func (q Query) head() (RequestType, uint8)    { return TypeQuery, q.Schema }
func (Finalize) head() (RequestType, uint8)   { return TypeFinalize, 0 }
func (q ExecSQL) head() (RequestType, uint8)  { return TypeExecSQL, q.Schema }
func (q QuerySQL) head() (RequestType, uint8) { return TypeQuerySQL, q.Schema }
func (Interrupt) head() (RequestType, uint8)  { return TypeInterrupt, 0 }
func (Connect) head() (RequestType, uint8)    { return TypeConnect, 0 }
func (Add) head() (RequestType, uint8)        { return TypeAdd, 0 }
func (Assign) head() (RequestType, uint8)     { return TypeAssign, 0 }
func (Remove) head() (RequestType, uint8)     { return TypeRemove, 0 }
func (Dump) head() (RequestType, uint8)       { return TypeDump, 0 }
func (Cluster) head() (RequestType, uint8)    { return TypeCluster, 0 }
func (Transfer) head() (RequestType, uint8)   { return TypeTransfer, 0 }
func (Describe) head() (RequestType, uint8)   { return TypeDescribe, 0 }
func (Weight) head() (RequestType, uint8)     { return TypeWeight, 0 }

func (q Leader) write(w *writer)    { w.u64(q.Unused) }
func (q Client) write(w *writer)    { w.u64(q.ID) }
func (q Open) write(w *writer)      { w.text(q.Name); w.u64(q.Flags); w.text(q.VFS) }
func (q Prepare) write(w *writer)   { w.u64(q.DB); w.text(q.SQL) }
func (q Finalize) write(w *writer)  { w.u32(q.DB); w.u32(q.Stmt) }
func (q Interrupt) write(w *writer) { w.u64(q.DB) }
func (q Connect) write(w *writer)   { w.u64(q.ID); w.text(q.Address) }
func (q Add) write(w *writer)       { w.u64(q.ID); w.text(q.Address) }
func (q Remove) write(w *writer)    { w.u64(q.ID) }
func (q Dump) write(w *writer)      { w.text(q.Name) }
func (q Cluster) write(w *writer)   { w.u64(q.Format) }
func (q Transfer) write(w *writer)  { w.u64(q.ID) }
func (q Describe) write(w *writer)  { w.u64(q.Format) }
func (q Weight) write(w *writer)    { w.u64(q.Weight) }

func (q Exec) write(w *writer) {
	w.u32(q.DB)
	w.u32(q.Stmt)
	w.parameters(q.Schema, q.Parameters)
}

func (q Query) write(w *writer) { Exec(q).write(w) }

func (q ExecSQL) write(w *writer) {
	w.u64(q.DB)
	w.text(q.SQL)
	w.parameters(q.Schema, q.Parameters)
}

func (q QuerySQL) write(w *writer) { ExecSQL(q).write(w) }

func (q Assign) write(w *writer) {
	w.u64(q.ID)
	if !q.Promote {
		w.u64(q.Role)
	}
}

func wantsClusterID(request Request) bool {
	switch request := request.(type) {
	case Leader:
		return request.WantsClusterID
	case Client:
		return request.WantsClusterID
	}
	return false
}

// AppendRequest appends a whole message. On an error nothing was appended.
func AppendRequest(b []byte, request Request) ([]byte, error) {
	kind, schema := request.head()
	w := beginMessage(b, uint8(kind), schema)
	request.write(&w)
	if wantsClusterID(request) {
		binary.LittleEndian.PutUint16(w.b[w.start+HeaderBytes-2:], WantsClusterID)
	}
	return w.finish()
}

// UnsupportedError is a request, or a schema of it, that does not exist. It says nothing against
// the rest of the stream.
type UnsupportedError struct{ Header Header }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("no request has type %d and schema %d", e.Header.Type, e.Header.Schema)
}

// schemaMax is the newest schema of a type.
func (t RequestType) schemaMax() uint8 {
	switch t {
	case TypePrepare, TypeExec, TypeQuery, TypeExecSQL, TypeQuerySQL:
		return 1
	}
	return 0
}

// DecodeRequest reads what a client asks, as a server does: words after the last field mean nothing.
// Blobs alias the body.
func DecodeRequest(h Header, body []byte) (Request, error) {
	kind := RequestType(h.Type)
	if kind != TypeConnect && h.Schema > kind.schemaMax() {
		return nil, &UnsupportedError{h}
	}
	r := reader{rest: body}
	request := r.request(kind, h)
	if request == nil {
		return nil, &UnsupportedError{h}
	}
	if r.err != nil {
		return nil, r.err
	}
	return request, nil
}

func (r *reader) request(kind RequestType, h Header) Request {
	switch kind {
	case TypeLeader:
		return Leader{r.u64(), h.Extra&WantsClusterID != 0}
	case TypeClient:
		return Client{r.u64(), h.Extra&WantsClusterID != 0}
	case TypeOpen:
		return Open{r.text(), r.u64(), r.text()}
	case TypePrepare:
		return Prepare{h.Schema, r.u64(), r.text()}
	case TypeExec:
		return Exec{h.Schema, r.u32(), r.u32(), r.parameters(h.Schema)}
	case TypeQuery:
		return Query{h.Schema, r.u32(), r.u32(), r.parameters(h.Schema)}
	case TypeFinalize:
		return Finalize{r.u32(), r.u32()}
	case TypeExecSQL:
		return ExecSQL{h.Schema, r.u64(), r.text(), r.parameters(h.Schema)}
	case TypeQuerySQL:
		return QuerySQL{h.Schema, r.u64(), r.text(), r.parameters(h.Schema)}
	case TypeInterrupt:
		return Interrupt{r.u64()}
	case TypeConnect:
		return Connect{r.u64(), r.text()}
	case TypeAdd:
		return Add{r.u64(), r.text()}
	case TypeAssign:
		id := r.u64()
		if len(r.rest) == 0 {
			return Assign{ID: id, Promote: true}
		}
		return Assign{ID: id, Role: r.u64()}
	case TypeRemove:
		return Remove{r.u64()}
	case TypeDump:
		return Dump{r.text()}
	case TypeCluster:
		return Cluster{r.u64()}
	case TypeTransfer:
		return Transfer{r.u64()}
	case TypeDescribe:
		return Describe{r.u64()}
	case TypeWeight:
		return Weight{r.u64()}
	}
	return nil
}
