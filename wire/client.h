// The dqlite client protocol: every request and response, both directions, every schema version.
//
// spec/wire-protocol.md Part 1. A message is a header of one word and a body of whole words.
// Requests and responses are plain structs; each says its fields once (fields()), and encoder and
// decoder both follow that table. What is decoded is borrowed: texts, blobs and tuples point into
// the body and live as long as it does. Decoding a request and writing rows allocate nothing once
// the buffers have grown.
//
// The pieces, from bytes to meaning:
//   MessageReader    bytes as they arrive -> whole messages (header and body)
//   decode_request   header and body -> Request, or what to answer instead, or "close"
//   decode_response  header and body -> Response
//   encode           Request or Response -> bytes appended to a buffer
//   RowsWriter, RowsReader    the batches of a result set, server and client side
//   begin_files, begin_file, FilesReader    a dump whose files do not fit in memory
//
// No input can make any of this read outside the bytes it was given or allocate what a peer
// announced but did not send. There is no I/O, and there are no exceptions. Meaning (leadership,
// ids, formats, limits of names) is not checked here.
//
// Units: a word is 8 bytes; sizes are bytes unless the name says words. Integers are little endian.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "wire/base/bytes.h"
#include "wire/base/ids.h"
#include "wire/base/result.h"
#include "wire/value.h"

namespace quorlite::wire {

// The first word that a client sends. It is never answered; any other word closes the connection.
inline constexpr std::uint64_t kProtocolVersion = 1;
inline constexpr std::uint64_t kLegacyProtocolVersion = 0x86104dd760433fe5;

inline constexpr std::size_t kHeaderBytes = 8;
// The longest body that dqlite's own ends accept, and the longest that encode() makes.
inline constexpr std::uint64_t kBodyWordsMax = 0x1fffffff;
inline constexpr std::uint64_t kBodyBytesMax = kBodyWordsMax * kWordBytes;
// What a server should accept of one request unless it is configured otherwise.
inline constexpr std::uint64_t kRequestBodyBytesMax = 256ull << 20;
// Longest name that OPEN accepts; a longer one closes the connection (section 6.3).
inline constexpr std::size_t kDatabaseNameBytesMax = 504;
// Advertised in WELCOME, never enforced.
inline constexpr std::uint64_t kHeartbeatTimeoutMs = 15000;

// In the header of LEADER and CLIENT, where dqlite ignores it: the answer is to end with the id of
// the cluster (section 6.20).
inline constexpr std::uint16_t kWantsClusterId = 1;

struct Header {
    std::uint32_t words = 0;  // of the body; never 0 in a valid message
    std::uint8_t type = 0;
    std::uint8_t schema = 0;
    std::uint16_t extra = 0;  // 0 but for kWantsClusterId; other bits are ignored

    std::uint64_t body_bytes() const { return std::uint64_t{words} * kWordBytes; }
    static Header parse(std::span<const std::uint8_t, kHeaderBytes> bytes);
    void append_to(Bytes& out) const;
    friend bool operator==(const Header&, const Header&) = default;
};

enum class RequestType : std::uint8_t {
    kLeader = 0,
    kClient = 1,
    kOpen = 3,
    kPrepare = 4,
    kExec = 5,
    kQuery = 6,
    kFinalize = 7,
    kExecSql = 8,
    kQuerySql = 9,
    kInterrupt = 10,
    kConnect = 11,
    kAdd = 12,
    kAssign = 13,
    kRemove = 14,
    kDump = 15,
    kCluster = 16,
    kTransfer = 17,
    kDescribe = 18,
    kWeight = 19,
    kStatus = 128,  // Quorlite's own: dqlite's numbers stay below
    kRun = 129,
};

enum class ResponseType : std::uint8_t {
    kFailure = 0,
    kServer = 1,
    kWelcome = 2,
    kServers = 3,
    kDb = 4,
    kStmt = 5,
    kResult = 6,
    kRows = 7,
    kEmpty = 8,
    kFiles = 9,
    kMetadata = 10,
    kStatus = 128,
    kColumns = 129,
    kRan = 130,
};

// Roles as clients name them (raft has other numbers). A decoded role may hold any number.
enum class Role : std::uint64_t { kVoter = 0, kStandby = 1, kSpare = 2 };

// Formats of the answer to CLUSTER. A decoded format may hold any number.
enum class ServersFormat : std::uint64_t { kAddresses = 0, kRoles = 1 };

// What a table of fields may hold besides members: a number without meaning, sent as 0; a member
// that is there only from schema 1 on; a last member of whole words that may be missing; parameters
// that are a wide tuple whatever the schema.
template <class Number>
struct Unused {};
template <class Member>
struct FromSchema1 {
    Member member;
};
template <class Member>
struct MaybeMissing {
    Member member;
};
template <class Member>
struct WideTuple {
    Member member;
};

// A counted list of texts: to be sent, or received and known to be all there. Cheap to copy;
// borrows.
class Texts {
public:
    Texts() = default;
    explicit Texts(std::span<const std::string_view> texts) : count_(texts.size()), sent_(texts) {}

    // Fails the reader if they are not all there.
    static Texts decode(ByteReader& in);
    void encode(Bytes& out) const;

    std::size_t count() const { return count_; }

private:
    friend class TextsReader;

    std::size_t count_ = 0;
    std::span<const std::string_view> sent_;
    ByteView received_;  // from the first of them
};

// Reads a list of texts in order.
class TextsReader {
public:
    TextsReader() : TextsReader(Texts()) {}
    explicit TextsReader(const Texts& texts) : texts_(texts), received_(texts.received_) {}

    std::size_t remaining() const { return texts_.count() - position_; }
    // Precondition: remaining() > 0.
    std::string_view next();

private:
    Texts texts_;
    ByteReader received_;
    std::size_t position_ = 0;
};

// ---- Requests. A `schema` member is the message's schema byte, for those that have more than one.
// ----

struct LeaderRequest {
    static constexpr auto kType = RequestType::kLeader;
    static constexpr std::string_view kName = "LEADER";
    bool wants_cluster_id = false;  // in the header
    static constexpr auto fields() { return std::tuple(Unused<std::uint64_t>()); }
};

struct ClientRequest {
    static constexpr auto kType = RequestType::kClient;
    static constexpr std::string_view kName = "CLIENT";
    std::uint64_t id = 0;
    bool wants_cluster_id = false;  // in the header
    static constexpr auto fields() { return std::tuple(&ClientRequest::id); }
};

// Flags and vfs are ignored by servers; the database is created if missing.
struct OpenRequest {
    static constexpr auto kType = RequestType::kOpen;
    static constexpr std::string_view kName = "OPEN";
    std::string_view name = {};
    std::uint64_t flags = 0;
    std::string_view vfs = {};
    static constexpr auto fields() {
        return std::tuple(&OpenRequest::name, &OpenRequest::flags, &OpenRequest::vfs);
    }
};

// Schema 0 takes exactly one statement; schema 1 takes the first of several and learns where it
// ends.
struct PrepareRequest {
    static constexpr auto kType = RequestType::kPrepare;
    static constexpr std::string_view kName = "PREPARE";
    std::uint8_t schema = 0;
    std::uint64_t db = 0;
    std::string_view sql = {};
    static constexpr auto fields() { return std::tuple(&PrepareRequest::db, &PrepareRequest::sql); }
};

// In this and the next three the schema is that of the parameter tuple; encode() raises it to
// kWideTuple by itself when there are too many values for kNarrowTuple.
struct ExecRequest {
    static constexpr auto kType = RequestType::kExec;
    static constexpr std::string_view kName = "EXEC";
    std::uint8_t schema = kNarrowTuple;
    std::uint32_t db = 0;
    std::uint32_t statement = 0;
    Parameters parameters = {};
    static constexpr auto fields() {
        return std::tuple(&ExecRequest::db, &ExecRequest::statement, &ExecRequest::parameters);
    }
};

struct QueryRequest {
    static constexpr auto kType = RequestType::kQuery;
    static constexpr std::string_view kName = "QUERY";
    std::uint8_t schema = kNarrowTuple;
    std::uint32_t db = 0;
    std::uint32_t statement = 0;
    Parameters parameters = {};
    static constexpr auto fields() {
        return std::tuple(&QueryRequest::db, &QueryRequest::statement, &QueryRequest::parameters);
    }
};

struct FinalizeRequest {
    static constexpr auto kType = RequestType::kFinalize;
    static constexpr std::string_view kName = "FINALIZE";
    std::uint32_t db = 0;
    std::uint32_t statement = 0;
    static constexpr auto fields() {
        return std::tuple(&FinalizeRequest::db, &FinalizeRequest::statement);
    }
};

struct ExecSqlRequest {
    static constexpr auto kType = RequestType::kExecSql;
    static constexpr std::string_view kName = "EXEC_SQL";
    std::uint8_t schema = kNarrowTuple;
    std::uint64_t db = 0;
    std::string_view sql = {};
    Parameters parameters = {};
    static constexpr auto fields() {
        return std::tuple(&ExecSqlRequest::db, &ExecSqlRequest::sql, &ExecSqlRequest::parameters);
    }
};

struct QuerySqlRequest {
    static constexpr auto kType = RequestType::kQuerySql;
    static constexpr std::string_view kName = "QUERY_SQL";
    std::uint8_t schema = kNarrowTuple;
    std::uint64_t db = 0;
    std::string_view sql = {};
    Parameters parameters = {};
    static constexpr auto fields() {
        return std::tuple(&QuerySqlRequest::db, &QuerySqlRequest::sql,
                          &QuerySqlRequest::parameters);
    }
};

struct InterruptRequest {
    static constexpr auto kType = RequestType::kInterrupt;
    static constexpr std::string_view kName = "INTERRUPT";
    std::uint64_t db = 0;
    static constexpr auto fields() { return std::tuple(&InterruptRequest::db); }
};

// Turns the connection into a peer's stream: the bytes after it are no messages
// (MessageReader::unread).
struct ConnectRequest {
    static constexpr auto kType = RequestType::kConnect;
    static constexpr std::string_view kName = "CONNECT";
    NodeId id = {};  // of the sending node
    std::string_view address = {};
    static constexpr auto fields() {
        return std::tuple(&ConnectRequest::id, &ConnectRequest::address);
    }
};

struct AddRequest {
    static constexpr auto kType = RequestType::kAdd;
    static constexpr std::string_view kName = "ADD";
    NodeId id = {};
    std::string_view address = {};
    static constexpr auto fields() { return std::tuple(&AddRequest::id, &AddRequest::address); }
};

// Without a role this is the one-word form PROMOTE, meaning voter.
struct AssignRequest {
    static constexpr auto kType = RequestType::kAssign;
    static constexpr std::string_view kName = "ASSIGN";
    NodeId id = {};
    std::optional<Role> role = {};
    static constexpr auto fields() {
        return std::tuple(&AssignRequest::id, MaybeMissing{&AssignRequest::role});
    }
};

struct RemoveRequest {
    static constexpr auto kType = RequestType::kRemove;
    static constexpr std::string_view kName = "REMOVE";
    NodeId id = {};
    static constexpr auto fields() { return std::tuple(&RemoveRequest::id); }
};

struct DumpRequest {
    static constexpr auto kType = RequestType::kDump;
    static constexpr std::string_view kName = "DUMP";
    std::string_view name = {};
    static constexpr auto fields() { return std::tuple(&DumpRequest::name); }
};

struct ClusterRequest {
    static constexpr auto kType = RequestType::kCluster;
    static constexpr std::string_view kName = "CLUSTER";
    ServersFormat format = ServersFormat::kRoles;
    static constexpr auto fields() { return std::tuple(&ClusterRequest::format); }
};

// Id 0 lets the server choose.
struct TransferRequest {
    static constexpr auto kType = RequestType::kTransfer;
    static constexpr std::string_view kName = "TRANSFER";
    NodeId id = {};
    static constexpr auto fields() { return std::tuple(&TransferRequest::id); }
};

struct DescribeRequest {
    static constexpr auto kType = RequestType::kDescribe;
    static constexpr std::string_view kName = "DESCRIBE";
    std::uint64_t format = 0;
    static constexpr auto fields() { return std::tuple(&DescribeRequest::format); }
};

struct WeightRequest {
    static constexpr auto kType = RequestType::kWeight;
    static constexpr std::string_view kName = "WEIGHT";
    std::uint64_t weight = 0;
    static constexpr auto fields() { return std::tuple(&WeightRequest::weight); }
};

// Quorlite's own (section 6.19): how this node stands.
struct StatusRequest {
    static constexpr auto kType = RequestType::kStatus;
    static constexpr std::string_view kName = "STATUS";
    std::uint64_t format = 0;
    static constexpr auto fields() { return std::tuple(&StatusRequest::format); }
};

// Quorlite's own (section 6.21): runs a statement, and learns what it is.
namespace run {
inline constexpr std::uint64_t kDescribe = 1;     // COLUMNS before the rows
inline constexpr std::uint64_t kPrepareOnly = 2;  // do not run it
inline constexpr std::uint64_t kKeep = 4;         // in the table of statements
inline constexpr std::uint64_t kReadOnly = 8;     // refuse what writes
inline constexpr std::uint64_t kScript = 16;      // every statement of the text
inline constexpr std::uint64_t kSingle = 32;      // refuse a text of several statements
inline constexpr std::uint64_t kAll = 63;
}  // namespace run

struct RunRequest {
    static constexpr auto kType = RequestType::kRun;
    static constexpr std::string_view kName = "RUN";
    std::uint64_t flags = 0;
    std::uint64_t statement = 0;   // the number of a kept one, plus 1; 0: the text
    std::uint64_t timeout_ms = 0;  // 0: none
    std::string_view sql = {};
    Texts names = {};  // of the first values; an empty one leaves its value to its position
    Parameters parameters = {};
    static constexpr auto fields() {
        return std::tuple(&RunRequest::flags, &RunRequest::statement, &RunRequest::timeout_ms,
                          &RunRequest::sql, &RunRequest::names, WideTuple{&RunRequest::parameters});
    }
};

using Request = std::variant<LeaderRequest, ClientRequest, OpenRequest, PrepareRequest, ExecRequest,
                             QueryRequest, FinalizeRequest, ExecSqlRequest, QuerySqlRequest,
                             InterruptRequest, ConnectRequest, AddRequest, AssignRequest,
                             RemoveRequest, DumpRequest, ClusterRequest, TransferRequest,
                             DescribeRequest, WeightRequest, StatusRequest, RunRequest>;

// ---- Responses ----

// What RAN says of a statement, and a FAILURE that answers RUN.
namespace ran {
inline constexpr std::uint64_t kReadOnly = 1;
inline constexpr std::uint64_t kInTransaction = 2;  // one is open now
inline constexpr std::uint64_t kMore = 4;  // behind it the text has more than blanks and comments
inline constexpr std::uint64_t kStatement = 8;  // there was one
inline constexpr std::uint64_t kExplain = 16;
}  // namespace ran

// Schema 1 answers RUN.
struct FailureResponse {
    static constexpr auto kType = ResponseType::kFailure;
    static constexpr std::string_view kName = "FAILURE";
    std::uint64_t code = 0;
    std::string_view message = {};
    std::uint8_t schema = 0;
    std::uint64_t flags = 0;   // schema 1: of ran, as far as they are known
    std::uint64_t offset = 0;  // schema 1: where the first statement without a RAN begins
    static constexpr auto fields() {
        return std::tuple(&FailureResponse::code, &FailureResponse::message,
                          FromSchema1{&FailureResponse::flags},
                          FromSchema1{&FailureResponse::offset});
    }
};

// Id 0 and an empty address: no leader known. The cluster's id is there if it was asked for and the
// server is a Quorlite node that knows the question.
struct ServerResponse {
    static constexpr auto kType = ResponseType::kServer;
    static constexpr std::string_view kName = "SERVER";
    NodeId id = {};
    std::string_view address = {};
    std::optional<ClusterId> cluster = {};
    static constexpr auto fields() {
        return std::tuple(&ServerResponse::id, &ServerResponse::address,
                          MaybeMissing{&ServerResponse::cluster});
    }
};

// The same on a connection that began with kLegacyProtocolVersion.
struct LegacyServerResponse {
    static constexpr auto kType = ResponseType::kServer;
    static constexpr std::string_view kName = "SERVER";
    std::string_view address = {};
    static constexpr auto fields() { return std::tuple(&LegacyServerResponse::address); }
};

struct WelcomeResponse {
    static constexpr auto kType = ResponseType::kWelcome;
    static constexpr std::string_view kName = "WELCOME";
    std::uint64_t heartbeat_timeout_ms = kHeartbeatTimeoutMs;
    std::optional<ClusterId> cluster = {};  // as in ServerResponse
    static constexpr auto fields() {
        return std::tuple(&WelcomeResponse::heartbeat_timeout_ms,
                          MaybeMissing{&WelcomeResponse::cluster});
    }
};

struct Server {
    NodeId id = {};
    std::string_view address = {};
    Role role = Role::kVoter;  // not sent in ServersFormat::kAddresses
};

struct ServersResponse {
    static constexpr auto kType = ResponseType::kServers;
    static constexpr std::string_view kName = "SERVERS";
    ServersFormat format = ServersFormat::kRoles;  // not in the message: the client must know
    std::vector<Server> servers = {};
};

struct DbResponse {
    static constexpr auto kType = ResponseType::kDb;
    static constexpr std::string_view kName = "DB";
    std::uint32_t db = 0;  // servers have one per connection, and its id is 0
    static constexpr auto fields() { return std::tuple(&DbResponse::db, Unused<std::uint32_t>()); }
};

// Has the schema of the PREPARE that it answers.
struct StmtResponse {
    static constexpr auto kType = ResponseType::kStmt;
    static constexpr std::string_view kName = "STMT";
    std::uint8_t schema = 0;
    std::uint32_t db = 0;
    std::uint32_t statement = 0;
    std::uint64_t parameter_count = 0;
    std::uint64_t tail_offset = 0;  // schema 1: where the text after the first statement begins
    static constexpr auto fields() {
        return std::tuple(&StmtResponse::db, &StmtResponse::statement,
                          &StmtResponse::parameter_count, FromSchema1{&StmtResponse::tail_offset});
    }
};

struct ResultResponse {
    static constexpr auto kType = ResponseType::kResult;
    static constexpr std::string_view kName = "RESULT";
    std::int64_t last_insert_id = 0;
    std::uint64_t rows_affected = 0;
    static constexpr auto fields() {
        return std::tuple(&ResultResponse::last_insert_id, &ResultResponse::rows_affected);
    }
};

// One batch of a result set as it lies in the message: read with RowsReader, written with
// RowsWriter.
struct RowsResponse {
    static constexpr auto kType = ResponseType::kRows;
    static constexpr std::string_view kName = "ROWS";
    ByteView content = {};
};

struct EmptyResponse {
    static constexpr auto kType = ResponseType::kEmpty;
    static constexpr std::string_view kName = "EMPTY";
    static constexpr auto fields() { return std::tuple(Unused<std::uint64_t>()); }
};

// Invariant: the size of the content is a multiple of 8, since it is neither counted nor padded.
struct File {
    std::string_view name = {};
    ByteView content = {};
};

// A dump, whole and in memory. For larger ones see begin_files and FilesReader.
struct FilesResponse {
    static constexpr auto kType = ResponseType::kFiles;
    static constexpr std::string_view kName = "FILES";
    std::vector<File> files = {};
};

struct MetadataResponse {
    static constexpr auto kType = ResponseType::kMetadata;
    static constexpr std::string_view kName = "METADATA";
    std::uint64_t failure_domain = 0;
    std::uint64_t weight = 0;
    static constexpr auto fields() {
        return std::tuple(&MetadataResponse::failure_domain, &MetadataResponse::weight);
    }
};

// What a node is doing in the election of a leader. A decoded state may hold any number.
enum class ElectionState : std::uint64_t { kFollower = 0, kCandidate = 1, kLeader = 2 };

// The indices of one node: what its log holds, what is on its disk, what it knows to be committed,
// what its databases hold, and what of that is in their files.
struct StatusResponse {
    static constexpr auto kType = ResponseType::kStatus;
    static constexpr std::string_view kName = "STATUS";
    NodeId id = {};
    ElectionState state = ElectionState::kFollower;
    std::uint64_t term = 0;
    NodeId leader = {};
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t durable = 0;
    std::uint64_t committed = 0;
    std::uint64_t applied = 0;
    std::uint64_t flushed = 0;
    std::uint64_t log_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::vector<std::string_view> databases = {};
    ClusterId cluster = {};  // the last two words; missing from nodes that know of no id
    // What comes before the list of databases.
    static constexpr auto numbers() {
        return std::tuple(&StatusResponse::first, &StatusResponse::last, &StatusResponse::durable,
                          &StatusResponse::committed, &StatusResponse::applied,
                          &StatusResponse::flushed, &StatusResponse::log_bytes,
                          &StatusResponse::memory_bytes);
    }
};

struct Column {
    static constexpr std::uint64_t kNotNull = 1;
    static constexpr std::uint64_t kPrimaryKey = 2;
    static constexpr std::uint64_t kAutoIncrement = 4;

    std::string_view name = {};
    std::string_view declared_type = {};  // empty: none
    std::uint64_t flags = 0;              // of its origin
    std::string_view table = {};          // that it comes from; empty: it is an expression
    std::string_view origin = {};         // its name there
    friend bool operator==(const Column&, const Column&) = default;
};

// What a statement is, before its rows.
struct ColumnsResponse {
    static constexpr auto kType = ResponseType::kColumns;
    static constexpr std::string_view kName = "COLUMNS";
    std::vector<Column> columns = {};
    std::vector<std::string_view> parameters = {};  // their names with sign; empty: it has none
};

// The end of a statement's answers.
struct RanResponse {
    static constexpr auto kType = ResponseType::kRan;
    static constexpr std::string_view kName = "RAN";
    std::uint64_t flags = 0;       // of ran
    std::uint64_t text_bytes = 0;  // that are used; what follows begins there
    std::uint64_t statement = 0;   // the number under which it is kept, plus 1; 0: it is not
    std::uint64_t parameter_count = 0;
    std::uint64_t rows_affected = 0;  // by this statement
    std::int64_t last_insert_id = 0;  // of the connection
    static constexpr auto fields() {
        return std::tuple(&RanResponse::flags, &RanResponse::text_bytes, &RanResponse::statement,
                          &RanResponse::parameter_count, &RanResponse::rows_affected,
                          &RanResponse::last_insert_id);
    }
};

using Response = std::variant<FailureResponse, ServerResponse, LegacyServerResponse,
                              WelcomeResponse, ServersResponse, DbResponse, StmtResponse,
                              ResultResponse, RowsResponse, EmptyResponse, FilesResponse,
                              MetadataResponse, StatusResponse, ColumnsResponse, RanResponse>;

// The protocol's name of a message, as in the specification: for logs and metrics.
std::string_view name_of(const Request& request);
std::string_view name_of(const Response& response);

// ---- Encoding. Appends one whole message to `out`. ----

// Fails, leaving `out` as it was, if the body would exceed kBodyWordsMax.
Status encode(const Request& request, Bytes& out);

// Precondition: the body stays below 2^32 words, and schemas are known ones; otherwise the program
// ends.
void encode(const Response& response, Bytes& out);

// ---- Decoding ----

// The bytes are no request: the only answer is to close the connection. The reason is for the log.
struct Malformed {
    std::string_view reason;
};

// A request; or the FAILURE to answer in its place, after which the connection stays usable
// (unknown type, unsupported schema); or the order to close. Words after the last field are
// ignored.
using DecodedRequest = std::variant<Request, FailureResponse, Malformed>;

DecodedRequest decode_request(const Header& header, ByteView body);

// What a client must remember to understand an answer.
struct ResponseContext {
    ServersFormat servers = ServersFormat::kRoles;  // that the CLUSTER request asked for
    bool legacy = false;                            // began with kLegacyProtocolVersion
};

// An error means that the connection is out of step and must be closed. A FAILURE that real servers
// sent with left-over rows before it (section 7.1) is decoded to the code and message they meant.
// The content of ROWS is not looked at.
Result<Response> decode_response(const Header& header, ByteView body,
                                 const ResponseContext& context = {});

// ---- Framing ----

struct Message {
    Header header;
    ByteView body;
};

// Cuts a stream of bytes into messages, for servers and clients alike.
//
// Bytes go in by feed(), or without a copy by prepare() and commit(); messages come out by next().
// The buffer grows only as bytes really arrive, whatever the header announces, and shrinks again
// after a large message. A body stays valid until the following call of next(), next_part() or
// take_word(); feeding more bytes meanwhile does not move it. After an error the stream is lost:
// every later call returns it too.
class MessageReader {
public:
    // A message whose body is longer than `body_bytes_max` is an error (next_part knows no limit).
    explicit MessageReader(std::uint64_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

    void feed(ByteView bytes);
    // Room for bytes from a socket, never empty; commit() says how many of them were filled, from
    // the front. The room is valid until any other call.
    std::span<std::uint8_t> prepare();
    void commit(std::size_t count);

    // The version word, before the first message: nothing until its 8 bytes are there.
    std::optional<std::uint64_t> take_word();

    // The next whole message; nothing until all of it is there.
    Result<std::optional<Message>> next();

    // For bodies too large to be held: header() shows the coming message as soon as its header is
    // there and sound; then either next() yields it whole, or next_part() its body in pieces until
    // part_bytes_left() is 0. An empty piece means that more bytes must be fed. What is left of a
    // body when header() or next() is called again is skipped. Precondition of next_part():
    // header() returned a header, or part_bytes_left() > 0.
    Result<std::optional<Header>> header();
    ByteView next_part();
    std::uint64_t part_bytes_left() const { return part_bytes_left_; }

    // All bytes that were fed and not yet consumed, for a stream that stops being messages
    // (CONNECT).
    ByteView unread() const { return ByteView(buffer_).subspan(begin_, end_ - begin_); }

    std::size_t memory_bytes() const { return buffer_.capacity() + other_.capacity(); }

private:
    std::size_t unread_bytes() const { return end_ - begin_; }
    // Takes `count` unread bytes and lends them to the caller.
    ByteView lend(std::size_t count);
    void release();
    void make_room();

    std::uint64_t body_bytes_max_;
    std::uint64_t part_bytes_left_ = 0;
    Bytes buffer_;  // its size is its room; [begin_, end_) is unread
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    Bytes other_;  // what buffer_ was when it had to grow while a message in it was still in use
    bool lent_ = false;  // the caller holds a view into buffer_, before begin_
};

// ---- Result sets (section 8): batches of rows ----

enum class RowsEnd : std::uint8_t { kPart, kDone };

inline constexpr std::uint64_t kRowsPartMarker = 0xeeeeeeeeeeeeeeee;
inline constexpr std::uint64_t kRowsDoneMarker = 0xffffffffffffffff;

// Writes the batches of one result set after the other, each a ROWS message at the end of a buffer.
//
//     writer.columns(names);                         // once per result set
//     writer.begin(out);                             // once per batch
//     RowWriter& row = writer.row(); row.integer(1); // once per row
//     writer.finish(RowsEnd::kPart);                 // or abandon(): out is as before begin()
//
// Between begin() and finish() or abandon() the buffer belongs to the writer. A statement without
// columns has no rows. Using the calls out of order ends the program.
class RowsWriter {
public:
    // The names are copied, and repeated in every batch.
    void columns(std::span<const std::string_view> names);
    std::size_t column_count() const { return column_count_; }

    void begin(Bytes& out);
    bool active() const { return out_ != nullptr; }
    // Begins a row; its columns are then written into what is returned.
    RowWriter& row() {
        row_.begin(column_count_);
        return row_;
    }
    // Bytes of this message so far, the header included, the marker not.
    std::size_t size() const { return row_.position() - start_; }
    // Preconditions: no row is unfinished (see RowWriter::cancel), and size() is below
    // kBodyBytesMax.
    void finish(RowsEnd end);
    // Removes the whole message, an unfinished row included: for a FAILURE or EMPTY in its place.
    void abandon();

private:
    Bytes preamble_;  // count and names, as every batch repeats them
    std::size_t column_count_ = 0;
    Bytes* out_ = nullptr;
    std::size_t start_ = 0;  // of the message in *out_
    RowWriter row_;
};

// Reads one batch. Borrows the body.
class RowsReader {
public:
    enum class Step : std::uint8_t { kRow, kPart, kDone };

    // Checks the count of columns and their names. The names are stored only if they are all there.
    static Result<RowsReader> open(ByteView content);

    const std::vector<std::string_view>& columns() const { return columns_; }

    // Reads a row into `row`, resized to the number of columns, or the marker that ends the batch:
    // then kPart (another batch follows) or kDone. After the marker or an error do not call again.
    Result<Step> next(std::vector<Value>& row);

private:
    explicit RowsReader(ByteView content) : in_(content) {}

    ByteReader in_;
    std::vector<std::string_view> columns_;
};

// ---- Dumps that need not fit in memory ----

struct FileSize {
    std::string_view name = {};
    std::uint64_t size = 0;  // a multiple of 8
};

// Appends the header and the number of files of a FILES message. Then for each file, in order,
// follow begin_file() and exactly `size` bytes of content, which the caller sends as it likes.
// Fails, leaving `out` as it was, if a size is no multiple of 8 or the message would exceed 2^32 -
// 1 words.
Status begin_files(std::span<const FileSize> files, Bytes& out);
void begin_file(const FileSize& file, Bytes& out);

// Reads the body of a FILES message in pieces of any size (MessageReader::next_part).
class FilesReader {
public:
    struct FileBegins {
        std::string_view name;  // valid until the next call
        std::uint64_t size = 0;
    };
    struct FileContent {
        ByteView bytes;  // part of the piece that was handed in
    };
    struct NeedMore {};
    struct End {};
    using Event = std::variant<NeedMore, FileBegins, FileContent, End>;

    // The next event in `piece`, which is shortened by what was consumed. Call until NeedMore, then
    // with the next piece; or until End, after which further words are ignored.
    Result<Event> next(ByteView& piece);

private:
    Result<Event> next_file(ByteView& piece);
    // Moves bytes from `piece` to pending_ up to `size` of them; false if there are not enough yet.
    bool gather(ByteView& piece, std::size_t size);

    Bytes pending_;  // the beginning of a field that is not complete
    std::optional<std::uint64_t> files_left_;
    std::uint64_t content_left_ = 0;
    std::string name_;
};

// A name in a FILES message is at most this long for FilesReader, which has to hold it.
inline constexpr std::size_t kFileNameBytesMax = 4096;

}  // namespace quorlite::wire
