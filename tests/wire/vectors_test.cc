// Replays the captures of real servers and their clients: every message is decoded, compared
// field by field with what the capture says, and encoded again to the same bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "tests/wire/captures.h"
#include "wire/client.h"

namespace quorlite::wire {
namespace {

using nlohmann::json;

const std::vector<Capture>& captures() {
    static const std::vector<Capture> loaded = load_captures();
    return loaded;
}

Header header_of(const Bytes& message) {
    return Header::parse(std::span(message).first<kHeaderBytes>());
}

ByteView body_of(const Bytes& message) {
    return ByteView(message).subspan(kHeaderBytes);
}

// Texts in the captures need not be UTF-8, which json refuses to print.
std::string print(const json& document) {
    return document.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string hex(ByteView bytes) {
    std::string digits;
    char pair[3];
    for (const std::uint8_t byte : bytes) {
        std::snprintf(pair, sizeof pair, "%02x", byte);
        digits += pair;
    }
    return digits;
}

// ---- What was decoded, in the words of the captures ----

json describe(std::string_view text) {
    return std::string(text);
}
json describe(NodeId id) {
    return id.value();
}

template <class Code>
    requires std::is_enum_v<Code>
json describe(Code code) {
    return static_cast<std::uint64_t>(code);
}

json describe(const Value& value) {
    struct Describer {
        json operator()(Null) const { return {{"t", "NULL"}}; }
        json operator()(std::int64_t number) const { return {{"t", "INTEGER"}, {"v", number}}; }
        json operator()(double number) const {
            Bytes bits(8);
            store_little(bits.data(), std::bit_cast<std::uint64_t>(number));
            return {{"t", "FLOAT"}, {"bits", hex(bits)}};
        }
        json operator()(std::string_view text) const {
            return {{"t", "TEXT"}, {"v", std::string(text)}};
        }
        json operator()(ByteView blob) const { return {{"t", "BLOB"}, {"v", hex(blob)}}; }
        json operator()(UnixTime time) const { return {{"t", "UNIXTIME"}, {"v", time.seconds}}; }
        json operator()(Iso8601 time) const {
            return {{"t", "ISO8601"}, {"v", std::string(time.text)}};
        }
        json operator()(Boolean boolean) const { return {{"t", "BOOLEAN"}, {"v", boolean.number}}; }
    };
    return std::visit(Describer(), value);
}

// A value that cannot be read ends the list with the word "refused".
json describe(const Parameters& parameters) {
    if (parameters.absent()) return nullptr;
    json values = json::array();
    ParameterReader reader(parameters);
    while (reader.remaining() > 0) {
        const Result<Value> value = reader.next();
        values.push_back(value.ok() ? describe(*value) : json("refused"));
        if (!value.ok()) break;
    }
    return values;
}

// Each member is named here, so that a table of fields in the wrong order shows.

json describe_message(const LeaderRequest&) {
    return {{"unused", 0}};
}
json describe_message(const ClientRequest& request) {
    return {{"id", request.id}};
}
json describe_message(const OpenRequest& request) {
    return {{"filename", describe(request.name)},
            {"flags", request.flags},
            {"vfs", describe(request.vfs)}};
}
json describe_message(const PrepareRequest& request) {
    return {{"db_id", request.db}, {"sql", describe(request.sql)}};
}

template <class Message>
concept OfStatement = std::is_same_v<Message, ExecRequest> || std::is_same_v<Message, QueryRequest>;
template <class Message>
concept OfSql = std::is_same_v<Message, ExecSqlRequest> || std::is_same_v<Message, QuerySqlRequest>;

template <OfStatement Message>
json describe_message(const Message& request) {
    return {{"db_id", request.db},
            {"stmt_id", request.statement},
            {"params", describe(request.parameters)}};
}
template <OfSql Message>
json describe_message(const Message& request) {
    return {{"db_id", request.db},
            {"sql", describe(request.sql)},
            {"params", describe(request.parameters)}};
}

json describe_message(const FinalizeRequest& request) {
    return {{"db_id", request.db}, {"stmt_id", request.statement}};
}
json describe_message(const InterruptRequest& request) {
    return {{"db_id", request.db}};
}
json describe_message(const ConnectRequest& request) {
    return {{"id", describe(request.id)}, {"address", describe(request.address)}};
}
json describe_message(const AddRequest& request) {
    return {{"id", describe(request.id)}, {"address", describe(request.address)}};
}
json describe_message(const AssignRequest& request) {
    return {{"id", describe(request.id)},
            {"role", request.role.has_value() ? describe(*request.role) : json()}};
}
json describe_message(const RemoveRequest& request) {
    return {{"id", describe(request.id)}};
}
json describe_message(const DumpRequest& request) {
    return {{"filename", describe(request.name)}};
}
json describe_message(const ClusterRequest& request) {
    return {{"format", describe(request.format)}};
}
json describe_message(const TransferRequest& request) {
    return {{"id", describe(request.id)}};
}
json describe_message(const DescribeRequest& request) {
    return {{"format", request.format}};
}
json describe_message(const WeightRequest& request) {
    return {{"weight", request.weight}};
}

json describe_message(const StatusRequest& request) {
    return {{"format", request.format}};
}

json describe(const Texts& texts) {
    json names = json::array();
    for (TextsReader reader(texts); reader.remaining() > 0;) {
        names.push_back(describe(reader.next()));
    }
    return names;
}

json describe_message(const RunRequest& request) {
    return {{"flags", request.flags},           {"stmt", request.statement},
            {"timeout_ms", request.timeout_ms}, {"sql", describe(request.sql)},
            {"names", describe(request.names)}, {"params", describe(request.parameters)}};
}

json describe_message(const FailureResponse& response) {
    json document = {{"code", response.code}, {"message", describe(response.message)}};
    if (response.schema == 1) {
        document["flags"] = response.flags;
        document["offset"] = response.offset;
    }
    return document;
}

json describe_message(const ColumnsResponse& response) {
    json columns = json::array();
    for (const Column& column : response.columns) {
        columns.push_back({{"name", describe(column.name)},
                           {"decl", describe(column.declared_type)},
                           {"flags", column.flags},
                           {"table", describe(column.table)},
                           {"origin", describe(column.origin)}});
    }
    json parameters = json::array();
    for (const std::string_view name : response.parameters) parameters.push_back(describe(name));
    return {{"columns", columns}, {"parameters", parameters}};
}
json describe_message(const RanResponse& response) {
    return {{"flags", response.flags},
            {"bytes", response.text_bytes},
            {"stmt", response.statement},
            {"params", response.parameter_count},
            {"rows_affected", response.rows_affected},
            {"last_insert_id", response.last_insert_id}};
}
json describe_message(const ServerResponse& response) {
    return {{"id", describe(response.id)}, {"address", describe(response.address)}};
}
json describe_message(const WelcomeResponse& response) {
    return {{"heartbeat_timeout", response.heartbeat_timeout_ms}};
}
json describe_message(const DbResponse& response) {
    return {{"id", response.db}, {"pad", 0}};
}
json describe_message(const StmtResponse& response) {
    json document = {
        {"db_id", response.db}, {"id", response.statement}, {"params", response.parameter_count}};
    if (response.schema == 1) document["offset"] = response.tail_offset;
    return document;
}
json describe_message(const ResultResponse& response) {
    return {{"last_insert_id", response.last_insert_id}, {"rows_affected", response.rows_affected}};
}
json describe_message(const EmptyResponse&) {
    return {{"unused", 0}};
}
json describe_message(const MetadataResponse& response) {
    return {{"failure_domain", response.failure_domain}, {"weight", response.weight}};
}

json describe_message(const LegacyServerResponse& response) {
    return {{"legacy", true}, {"address", std::string(response.address)}};
}

json describe_message(const ServersResponse& response) {
    json servers = json::array();
    for (const Server& server : response.servers) {
        json entry = {{"id", server.id.value()}, {"address", std::string(server.address)}};
        if (response.format == ServersFormat::kRoles) entry["role"] = describe(server.role);
        servers.push_back(std::move(entry));
    }
    return {{"format", describe(response.format)}, {"servers", servers}};
}

// dqlite has none, so no capture holds one.
json describe_message(const StatusResponse& response) {
    return {{"id", describe(response.id)}, {"term", response.term}};
}

json describe_message(const FilesResponse& response) {
    json files = json::array();
    for (const File& file : response.files) {
        files.push_back({{"name", std::string(file.name)},
                         {"size", file.content.size()},
                         {"data", hex(file.content)}});
    }
    return {{"files", files}};
}

json describe_message(const RowsResponse& response) {
    json rows = json::array();
    Result<RowsReader> reader = RowsReader::open(response.content);
    if (!reader.ok()) return reader.error().message;
    json columns = json::array();
    for (const std::string_view column : reader->columns()) columns.push_back(describe(column));
    std::vector<Value> row;
    for (;;) {
        const Result<RowsReader::Step> step = reader->next(row);
        if (!step.ok()) return step.error().message;
        if (*step != RowsReader::Step::kRow) {
            const bool done = *step == RowsReader::Step::kDone;
            return {{"columns", columns}, {"rows", rows}, {"eof", done ? "DONE" : "PART"}};
        }
        json values = json::array();
        for (const Value& value : row) values.push_back(describe(value));
        rows.push_back(std::move(values));
    }
}

template <class Messages>
json describe_any(const Messages& messages, std::uint8_t schema) {
    json document =
        std::visit([](const auto& message) { return describe_message(message); }, messages);
    document["type"] = name_of(messages);
    document["schema"] = schema;
    return document;
}

// What a capture says, without what a decoder cannot tell: a float is known by its bits, and a
// UNIXTIME is no parameter, so the reader stops there.
json expected_of(const Capture& capture) {
    json expected = capture.decoded;
    expected.erase("_dirty_padding");
    if (expected.contains("unused")) expected["unused"] = 0;
    if (expected.contains("last_insert_id")) {  // given as an unsigned number
        expected["last_insert_id"] =
            static_cast<std::int64_t>(expected["last_insert_id"].get<std::uint64_t>());
    }
    const auto forget_float = [](json& value) {
        if (value.at("t") == "FLOAT") value.erase("v");
    };
    if (expected.contains("rows")) {
        for (json& row : expected["rows"]) std::ranges::for_each(row, forget_float);
    }
    if (expected.contains("params") && expected["params"].is_array()) {
        json values = json::array();
        for (json& value : expected["params"]) {
            forget_float(value);
            const bool refused = value.at("t") == "UNIXTIME";
            values.push_back(refused ? json("refused") : value);
            if (refused) break;
        }
        expected["params"] = values;
    }
    return expected;
}

// The bytes of a capture with zeros where they mean nothing: the unused word of LEADER, and padding
// in which the real sender left old memory.
Bytes clean_bytes(const Capture& capture) {
    Bytes clean = capture.bytes;
    if (capture.decoded.at("type") == "LEADER") std::fill(clean.begin() + 8, clean.end(), 0);
    for (const json& dirt : capture.decoded.value("_dirty_padding", json::array())) {
        const auto at = dirt.at(0).get<std::ptrdiff_t>() + std::ptrdiff_t{kHeaderBytes};
        const Bytes garbage = bytes_from_hex(dirt.at(1).get<std::string>());
        EXPECT_TRUE(std::equal(garbage.begin(), garbage.end(), clean.begin() + at));
        std::fill_n(clean.begin() + at, garbage.size(), std::uint8_t{0});
    }
    return clean;
}

// ---- Encoding again ----

template <class Message>
Bytes encode_from_values(Message message) {
    Bytes out;
    std::vector<Value> values;
    if constexpr (requires { message.parameters; }) {
        ParameterReader reader(message.parameters);
        while (reader.remaining() > 0) {
            const Result<Value> value = reader.next();
            // Not readable to the end: passed on as it came.
            if (!value.ok()) return encode(message, out).ok() ? out : Bytes();
            values.push_back(*value);
        }
        if (!message.parameters.absent()) message.parameters = Parameters(values);
    }
    return encode(message, out).ok() ? out : Bytes();
}

Bytes encode_batch(ByteView content) {
    Bytes out;
    Result<RowsReader> reader = RowsReader::open(content);
    RowsWriter writer;
    writer.columns(reader->columns());
    writer.begin(out);
    std::vector<Value> row;
    for (;;) {
        const Result<RowsReader::Step> step = reader->next(row);
        if (!step.ok()) return {};
        if (*step != RowsReader::Step::kRow) {
            writer.finish(*step == RowsReader::Step::kDone ? RowsEnd::kDone : RowsEnd::kPart);
            return out;
        }
        RowWriter& columns = writer.row();
        for (const Value& value : row) columns.value(value);
    }
}

Bytes encode_again(const Response& response) {
    if (const auto* rows = std::get_if<RowsResponse>(&response)) return encode_batch(rows->content);
    Bytes out;
    encode(response, out);
    return out;
}

ResponseContext context_of(const Capture& capture) {
    return {.servers = static_cast<ServersFormat>(capture.decoded.value("format", 1)),
            .legacy = capture.decoded.value("legacy", false)};
}

// ---- The tests ----

TEST(Vectors, EveryRequestDecodesAndEncodesToTheSameBytes) {
    std::size_t checked = 0;
    std::set<std::string_view> kinds;
    for (const Capture& capture : captures()) {
        const bool request = capture.direction == Capture::Direction::kToServer;
        if (!capture.is_message() || !request || capture.decoded.is_null()) continue;
        const Header header = header_of(capture.bytes);
        if (header.schema > 1) continue;  // see TheReactionIsThatOfTheRealServer
        ++checked;
        const DecodedRequest decoded = decode_request(header, body_of(capture.bytes));
        ASSERT_TRUE(std::holds_alternative<Request>(decoded)) << capture.title();
        const Request& message = std::get<Request>(decoded);
        kinds.insert(name_of(message));
        ASSERT_EQ(print(describe_any(message, header.schema)), print(expected_of(capture)))
            << capture.title();
        const Bytes again =
            std::visit([](const auto& fields) { return encode_from_values(fields); }, message);
        ASSERT_EQ(hex(again), hex(clean_bytes(capture))) << capture.title();
    }
    EXPECT_GE(checked, 900u);
    EXPECT_EQ(kinds.size(), 19u) << "every request but CONNECT and STATUS";
    std::printf("%zu requests of %zu kinds\n", checked, kinds.size());
}

TEST(Vectors, EveryResponseDecodesAndEncodesToTheSameBytes) {
    std::size_t checked = 0;
    std::set<std::string_view> kinds;
    for (const Capture& capture : captures()) {
        const bool response = capture.direction == Capture::Direction::kToClient;
        if (!response || capture.decoded.is_null()) continue;
        ++checked;
        const Header header = header_of(capture.bytes);
        const Result<Response> decoded =
            decode_response(header, body_of(capture.bytes), context_of(capture));
        ASSERT_TRUE(decoded.ok()) << capture.title() << decoded.error().message;
        kinds.insert(name_of(*decoded));
        ASSERT_EQ(print(describe_any(*decoded, header.schema)), print(expected_of(capture)))
            << capture.title();
        ASSERT_EQ(hex(encode_again(*decoded)), hex(clean_bytes(capture))) << capture.title();
    }
    EXPECT_GE(checked, 960u);
    EXPECT_EQ(kinds.size(), 13u) << "every response but STATUS";
    std::printf("%zu responses of %zu kinds\n", checked, kinds.size());
}

// Section 7.1: real servers send left-over rows before the code; the captures give no fields for
// them.
TEST(Vectors, FailuresBehindLeftOverRowsAreUnderstood) {
    std::map<std::string, int> messages;
    for (const Capture& capture : captures()) {
        const bool response = capture.direction == Capture::Direction::kToClient;
        if (!response || !capture.decoded.is_null()) continue;
        const Header header = header_of(capture.bytes);
        if (header.type != static_cast<std::uint8_t>(ResponseType::kFailure)) continue;
        const Result<Response> decoded = decode_response(header, body_of(capture.bytes));
        ASSERT_TRUE(decoded.ok()) << capture.title();
        const auto& failure = std::get<FailureResponse>(*decoded);
        EXPECT_EQ(failure.code, 1u) << capture.title();
        ++messages[std::string(failure.message)];
    }
    EXPECT_EQ(messages,
              (std::map<std::string, int>{
                  {"no such table: t", 1}, {"malformed JSON", 2}, {"integer overflow", 6}}));
}

// Every stream of a connection, in both directions, falls into the messages that were captured.
TEST(Vectors, StreamsAreCutIntoTheirMessages) {
    using Stream = std::pair<std::string, Capture::Direction>;
    std::map<Stream, std::pair<Bytes, std::vector<Bytes>>> streams;
    std::set<Stream> unusual;  // with fragments or bodies that do not match their header
    for (const Capture& capture : captures()) {
        if (capture.direction == Capture::Direction::kEvent || capture.kind == "handshake")
            continue;
        const Stream name = {capture.file + capture.connection, capture.direction};
        auto& [bytes, messages] = streams[name];
        bytes.insert(bytes.end(), capture.bytes.begin(), capture.bytes.end());
        messages.push_back(capture.bytes);
        if (!capture.is_message() || capture.bytes.size() < kHeaderBytes ||
            header_of(capture.bytes).words == 0 ||
            header_of(capture.bytes).body_bytes() != capture.bytes.size() - kHeaderBytes) {
            unusual.insert(name);
        }
    }
    std::size_t cut = 0;
    for (const auto& [name, stream] : streams) {
        if (unusual.contains(name)) continue;
        MessageReader reader(kBodyBytesMax);
        reader.feed(stream.first);
        for (const Bytes& expected : stream.second) {
            const auto message = reader.next();
            ASSERT_TRUE(message.ok() && message->has_value()) << name.first;
            EXPECT_EQ((*message)->header, header_of(expected)) << name.first;
            EXPECT_TRUE(std::ranges::equal((*message)->body, body_of(expected))) << name.first;
            ++cut;
        }
        EXPECT_TRUE(reader.unread().empty()) << name.first;
    }
    EXPECT_GE(cut, 1700u);
    EXPECT_LE(unusual.size(), 14u);
}

// ---- Section 11: the reaction to malformed requests ----

// What this codec makes of a request, in the words that a capture's next entry allows.
std::string reaction_of(const Bytes& message) {
    MessageReader reader(kBodyBytesMax);
    reader.feed(message);
    const auto whole = reader.next();
    if (!whole.ok()) return "closed";
    if (!whole->has_value()) return "waiting";
    const DecodedRequest decoded = decode_request((*whole)->header, (*whole)->body);
    if (std::holds_alternative<Malformed>(decoded)) return "closed";
    if (const auto* failure = std::get_if<FailureResponse>(&decoded)) {
        return std::to_string(failure->code) + " " + std::string(failure->message);
    }
    const json parameters = describe_any(std::get<Request>(decoded), 0).value("params", json());
    const bool refused =
        parameters.is_array() && !parameters.empty() && parameters.back() == "refused";
    return refused ? "a value is refused" : "a request";
}

// The same of the real server: what followed on the same connection.
std::string reaction_of_server(const Capture& request, const Capture& next) {
    if (next.direction == Capture::Direction::kEvent) {
        const bool open = next.note.find("connection left open") != std::string::npos;
        // A message without a body is never answered; closing is what section 11 advises instead.
        const bool empty = header_of(request.bytes).words == 0;
        return open && !empty ? "waiting" : "closed";
    }
    if (next.decoded.value("type", "") != "FAILURE") return "a request";
    const std::string message = next.decoded.at("message").get<std::string>();
    if (message == "leader exec failed" || message == "bind parameters")
        return "a value is refused";
    // The format of a list of servers is the session's to judge.
    if (message == "unrecognized cluster format") return "a request";
    return std::to_string(next.decoded.at("code").get<int>()) + " " + message;
}

TEST(Vectors, TheReactionIsThatOfTheRealServer) {
    const std::vector<Capture>& all = captures();
    std::size_t checked = 0;
    std::map<std::string, int> reactions;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Capture& request = all[i];
        const bool sent =
            request.direction == Capture::Direction::kToServer && request.is_message();
        const bool unsupported = sent && header_of(request.bytes).schema > 1;
        // Older servers react differently (section 13).
        const bool older = request.file.find("1.11") != std::string::npos;
        if (!sent || older || !(request.decoded.is_null() || unsupported)) continue;
        const auto next = std::find_if(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end(),
                                       [&](const Capture& capture) {
                                           return capture.file == request.file &&
                                                  capture.connection == request.connection;
                                       });
        ASSERT_NE(next, all.end());
        const std::string expected = reaction_of_server(request, *next);
        if (next->note.find("still no response") != std::string::npos) continue;
        EXPECT_EQ(reaction_of(request.bytes), expected) << request.title();
        ++reactions[expected];
        ++checked;
    }
    EXPECT_GE(checked, 40u);
    EXPECT_GE(reactions["closed"], 9);
    EXPECT_GE(reactions["a value is refused"], 6);
    EXPECT_GE(reactions["1005 unrecognized request type"], 4);
    EXPECT_GE(reactions["1005 unrecognized schema version"], 13);
    EXPECT_GE(reactions["1 unrecognized schema version"], 5);
}

}  // namespace
}  // namespace quorlite::wire
