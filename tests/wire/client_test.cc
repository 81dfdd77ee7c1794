#include "wire/client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace quorlite::wire {
namespace {

using namespace std::string_view_literals;

Header header_of(const Bytes& message) {
    return Header::parse(std::span(message).first<kHeaderBytes>());
}

ByteView body_of(const Bytes& message) {
    return ByteView(message).subspan(kHeaderBytes);
}

Bytes encoded(const Request& request) {
    Bytes out;
    EXPECT_TRUE(encode(request, out).ok());
    return out;
}

Bytes encoded(const Response& response) {
    Bytes out;
    encode(response, out);
    return out;
}

DecodedRequest decode(const Bytes& message) {
    return decode_request(header_of(message), body_of(message));
}

template <class Message>
Message round_trip(const Message& request) {
    const DecodedRequest decoded = decode(encoded(Request(request)));
    return std::get<Message>(std::get<Request>(decoded));
}

template <class Message>
Result<Response> answer(const Message& response, const ResponseContext& context = {}) {
    static Bytes message;
    message = encoded(Response(response));
    return decode_response(header_of(message), body_of(message), context);
}

// A message of words: the first holds the header's fields.
Bytes message_of(std::uint8_t type, std::uint8_t schema,
                 std::initializer_list<std::uint64_t> words) {
    Bytes out;
    Header{.words = static_cast<std::uint32_t>(words.size()), .type = type, .schema = schema}
        .append_to(out);
    for (const std::uint64_t word : words) ByteWriter(out).u64(word);
    return out;
}

std::uint64_t word(std::string_view eight) {
    return load_little<std::uint64_t>(as_bytes(eight).data());
}

TEST(Header, Layout) {
    const Header header{.words = 0x04030201, .type = 5, .schema = 6, .extra = 0x0807};
    Bytes out;
    header.append_to(out);
    EXPECT_EQ(out, (Bytes{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(header_of(out), header);
    EXPECT_EQ(Header{.words = 0xffffffff}.body_bytes(), 0xffffffffull * 8);
}

// ---- Requests ----

TEST(Requests, FieldsSurviveARoundTrip) {
    EXPECT_TRUE(
        std::holds_alternative<LeaderRequest>(std::get<Request>(decode(encoded(LeaderRequest{})))));
    EXPECT_EQ(round_trip(ClientRequest{.id = ~0ull}).id, ~0ull);
    const auto open = round_trip(OpenRequest{.name = "a.db", .flags = 6, .vfs = "volatile"});
    EXPECT_EQ(open.flags, 6u);
    const auto finalize = round_trip(FinalizeRequest{.db = 1, .statement = 0xfffffffe});
    EXPECT_EQ(finalize.db, 1u);
    EXPECT_EQ(finalize.statement, 0xfffffffeu);
    EXPECT_EQ(round_trip(InterruptRequest{.db = 9}).db, 9u);
    EXPECT_EQ(round_trip(RemoveRequest{.id = NodeId(4)}).id, NodeId(4));
    EXPECT_EQ(round_trip(TransferRequest{.id = NodeId(5)}).id, NodeId(5));
    EXPECT_EQ(round_trip(DescribeRequest{.format = 1}).format, 1u);
    EXPECT_EQ(round_trip(WeightRequest{.weight = 12}).weight, 12u);
    EXPECT_EQ(round_trip(StatusRequest{.format = 2}).format, 2u);
    EXPECT_EQ(round_trip(ClusterRequest{.format = ServersFormat(77)}).format, ServersFormat(77));
    EXPECT_EQ(round_trip(ConnectRequest{.id = NodeId(2), .address = "h:1"}).id, NodeId(2));
    EXPECT_EQ(round_trip(AddRequest{.id = NodeId(3), .address = ""}).id, NodeId(3));
}

TEST(Requests, TextsPointIntoTheMessage) {
    const Bytes message = encoded(DumpRequest{.name = "test.db"});
    const auto dump = std::get<DumpRequest>(std::get<Request>(decode(message)));
    EXPECT_EQ(dump.name, "test.db");
    EXPECT_EQ(as_bytes(dump.name).data(), message.data() + kHeaderBytes);
}

TEST(Requests, AssignWithoutARoleIsOneWord) {
    const Bytes promote = encoded(AssignRequest{.id = NodeId(3)});
    EXPECT_EQ(header_of(promote).words, 1u);
    EXPECT_FALSE(round_trip(AssignRequest{.id = NodeId(3)}).role.has_value());
    const AssignRequest assign{.id = NodeId(3), .role = Role::kSpare};
    EXPECT_EQ(header_of(encoded(assign)).words, 2u);
    EXPECT_EQ(round_trip(assign).role, Role::kSpare);
    EXPECT_EQ(round_trip(AssignRequest{.id = NodeId(3), .role = Role(9)}).role, Role(9));
}

TEST(Requests, PrepareKeepsItsSchema) {
    EXPECT_EQ(round_trip(PrepareRequest{.schema = 1, .sql = "SELECT 1"}).schema, 1);
    EXPECT_EQ(header_of(encoded(PrepareRequest{.schema = 1})).schema, 1);
    EXPECT_EQ(header_of(encoded(PrepareRequest{})).schema, 0);
}

TEST(Requests, ManyParametersRaiseTheSchema) {
    const std::vector<Value> values(300, Value(std::int64_t{1}));
    const Bytes message = encoded(ExecRequest{.statement = 2, .parameters = Parameters(values)});
    EXPECT_EQ(header_of(message).schema, kWideTuple);
    const auto exec = std::get<ExecRequest>(std::get<Request>(decode(message)));
    EXPECT_EQ(exec.statement, 2u);
    EXPECT_EQ(exec.schema, kWideTuple);
    EXPECT_EQ(exec.parameters.count(), 300u);
}

TEST(Requests, NoParametersMeansNoTuple) {
    EXPECT_EQ(header_of(encoded(QueryRequest{})).words, 1u);
    EXPECT_EQ(header_of(encoded(ExecSqlRequest{.sql = "BEGIN"})).words, 2u);
    EXPECT_TRUE(round_trip(QuerySqlRequest{.sql = "SELECT 1"}).parameters.absent());
}

TEST(Requests, RunSurvivesARoundTrip) {
    const std::vector<std::string_view> names{":a", "", "?3"};
    const std::vector<Value> values{std::int64_t{1}, "two", Null(), 4.5};
    const RunRequest sent{.flags = run::kDescribe | run::kKeep,
                          .statement = 3,
                          .timeout_ms = 250,
                          .sql = "SELECT :a, ?, ?3",
                          .names = Texts(names),
                          .parameters = Parameters(values)};
    const Bytes message = encoded(sent);
    EXPECT_EQ(header_of(message).type, 129);
    EXPECT_EQ(header_of(message).schema, 0);
    const auto got = std::get<RunRequest>(std::get<Request>(decode(message)));
    EXPECT_EQ(got.flags, 5u);
    EXPECT_EQ(got.statement, 3u);
    EXPECT_EQ(got.timeout_ms, 250u);
    EXPECT_EQ(got.sql, sent.sql);
    std::vector<std::string_view> names_got;
    for (TextsReader reader(got.names); reader.remaining() > 0;) names_got.push_back(reader.next());
    EXPECT_EQ(names_got, names);
    ParameterReader reader(got.parameters);
    for (const Value& value : values) EXPECT_TRUE(identical(*reader.next(), value));
    EXPECT_EQ(reader.remaining(), 0u);
}

TEST(Requests, RunWithoutParametersEndsWithItsNames) {
    const Bytes message = encoded(RunRequest{.sql = "BEGIN"});
    EXPECT_EQ(header_of(message).words, 5u);
    EXPECT_TRUE(round_trip(RunRequest{.sql = "BEGIN"}).parameters.absent());
}

// Its tuple is always a wide one: the schema of the request stays that of its own.
TEST(Requests, RunHasOneSchema) {
    const std::vector<Value> values(300, Value(std::int64_t{1}));
    Bytes message = encoded(RunRequest{.sql = "x", .parameters = Parameters(values)});
    EXPECT_EQ(header_of(message).schema, 0);
    EXPECT_EQ(std::get<RunRequest>(std::get<Request>(decode(message))).parameters.count(), 300u);
    message[5] = 1;
    EXPECT_EQ(std::get<FailureResponse>(decode(message)).message, "unrecognized schema version");
}

TEST(Requests, NamesThatAreNotAllThereClose) {
    const std::vector<std::string_view> names{":a", ":b"};
    const Bytes message = encoded(RunRequest{.sql = "x", .names = Texts(names)});
    Bytes more = message;
    more[kHeaderBytes + 32] = 3;  // says how many there are
    EXPECT_TRUE(std::holds_alternative<Malformed>(decode(more)));
    more[kHeaderBytes + 39] = 0xff;
    EXPECT_TRUE(std::holds_alternative<Malformed>(decode(more)));
    Bytes fewer = message;
    fewer[kHeaderBytes + 32] = 1;  // then ":b" begins a tuple that does not fit
    EXPECT_TRUE(std::holds_alternative<Malformed>(decode(fewer)));
}

TEST(Requests, EncodingAppends) {
    Bytes out;
    ASSERT_TRUE(encode(LeaderRequest{}, out).ok());
    ASSERT_TRUE(encode(ClientRequest{.id = 5}, out).ok());
    EXPECT_EQ(out.size(), 32u);
    EXPECT_EQ(header_of(out).type, 0);
    EXPECT_EQ(out[16 + 4], 1);
    EXPECT_EQ(name_of(Request(LeaderRequest{})), "LEADER");
    EXPECT_EQ(name_of(Response(EmptyResponse{})), "EMPTY");
}

// ---- Section 11: malformed input ----

TEST(Malformed, UnknownTypesAreAnswered) {
    for (int type = 0; type < 256; ++type) {
        const bool known = (type <= 19 && type != 2) || type == 128 || type == 129;
        const DecodedRequest decoded =
            decode(message_of(static_cast<std::uint8_t>(type), 0, {0, 0, 0, 0}));
        const auto* failure = std::get_if<FailureResponse>(&decoded);
        ASSERT_EQ(failure == nullptr, known) << type;
        if (known) continue;
        EXPECT_EQ(failure->code, 1005u);
        EXPECT_EQ(failure->message, "unrecognized request type");
    }
}

TEST(Malformed, UnsupportedSchemasAreAnsweredWithTwoCodes) {
    for (std::uint8_t type = 0; type < 20; ++type) {
        if (type == 2) continue;
        const bool sql = type == 4 || type == 5 || type == 6 || type == 8 || type == 9;
        const bool connect = type == 11;
        for (const int schema : {0, 1, 2, 255}) {
            const DecodedRequest decoded =
                decode(message_of(type, static_cast<std::uint8_t>(schema), {0, 0, 0, 0}));
            const auto* failure = std::get_if<FailureResponse>(&decoded);
            const bool supported = connect || schema <= (sql ? 1 : 0);
            ASSERT_EQ(failure == nullptr, supported) << int{type} << " schema " << schema;
            if (supported) continue;
            EXPECT_EQ(failure->code, sql ? 1u : 1005u);
            EXPECT_EQ(failure->message, "unrecognized schema version");
        }
    }
}

TEST(Malformed, MissingFieldsCloseTheConnection) {
    const std::uint64_t letters = word("ABCDEFGH");
    const Bytes cases[] = {
        message_of(3, 0, {word("x.db\0\0\0\0"sv)}),         // OPEN, only the name
        message_of(4, 0, {0}),                              // PREPARE, only the database
        message_of(4, 0, {0, letters}),                     // text without its end
        message_of(8, 0, {0, letters}),                     // the same in EXEC_SQL
        message_of(11, 7, {1}),                             // CONNECT without an address
        message_of(12, 0, {1, letters}),                    // ADD
        message_of(15, 0, {letters, letters}),              // DUMP
        message_of(8, 0, {0, word("SELECT 1"), 0, ~0ull}),  // 255 parameters, one word
        message_of(5, 1, {0, 0xffffffff}),                  // 2^32-1 parameters
    };
    for (const Bytes& message : cases) {
        EXPECT_TRUE(std::holds_alternative<Malformed>(decode(message))) << int{message[4]};
    }
}

TEST(Malformed, BadValuesLeaveTheConnectionAlive) {
    const Bytes cases[] = {
        message_of(9, 0, {0, word("SELECT ?"), 0, 0x0105, 1}),          // codes of type 0
        message_of(9, 0, {0, word("SELECT ?"), 0, 0x010101010105, 1}),  // values missing
        message_of(9, 0, {0, word("SELECT ?"), 0, 0x0301, word("AAAAAAAA")}),
        message_of(9, 0, {0, word("SELECT ?"), 0, 0x0401, 1000, 0}),
        message_of(9, 0, {0, word("SELECT ?"), 0, 0x0401, ~0ull, 0}),
    };
    for (const Bytes& message : cases) {
        const DecodedRequest decoded = decode(message);
        ASSERT_TRUE(std::holds_alternative<Request>(decoded));
        ParameterReader reader(std::get<QuerySqlRequest>(std::get<Request>(decoded)).parameters);
        bool failed = false;
        while (reader.remaining() > 0 && !failed) failed = !reader.next().ok();
        EXPECT_TRUE(failed);
    }
}

TEST(Malformed, TrailingWordsAndExtraAreIgnored) {
    Bytes message = message_of(0, 0, {1, 2, 3});
    message[6] = 0xcd;
    EXPECT_TRUE(std::holds_alternative<Request>(decode(message)));
    EXPECT_TRUE(std::holds_alternative<Request>(decode(message_of(4, 0, {0, 0, 9}))));
}

// ---- Responses ----

TEST(Responses, FieldsSurviveARoundTrip) {
    const auto server = std::get<ServerResponse>(
        *answer(ServerResponse{.id = NodeId(7), .address = "10.0.0.1:9000"}));
    EXPECT_EQ(server.id, NodeId(7));
    EXPECT_EQ(server.address, "10.0.0.1:9000");
    EXPECT_EQ(std::get<WelcomeResponse>(*answer(WelcomeResponse{})).heartbeat_timeout_ms, 15000u);
    EXPECT_EQ(std::get<DbResponse>(*answer(DbResponse{.db = 3})).db, 3u);
    const auto result =
        std::get<ResultResponse>(*answer(ResultResponse{.last_insert_id = -2, .rows_affected = 4}));
    EXPECT_EQ(result.last_insert_id, -2);
    EXPECT_EQ(result.rows_affected, 4u);
    EXPECT_TRUE(std::holds_alternative<EmptyResponse>(*answer(EmptyResponse{})));
    const auto metadata =
        std::get<MetadataResponse>(*answer(MetadataResponse{.failure_domain = 1, .weight = 2}));
    EXPECT_EQ(metadata.failure_domain, 1u);
    EXPECT_EQ(metadata.weight, 2u);
}

TEST(Responses, WhatAnswersRunSurvivesARoundTrip) {
    const ColumnsResponse columns{
        .columns = {{"id", "INTEGER", Column::kPrimaryKey, "t", "a"}, {"1 + 1", "", 0, "", ""}},
        .parameters = {":a", ""}};
    EXPECT_EQ(header_of(encoded(Response(columns))).type, 129);
    const auto got = std::get<ColumnsResponse>(*answer(columns));
    EXPECT_EQ(got.columns, columns.columns);
    EXPECT_EQ(got.parameters, columns.parameters);

    const RanResponse ran{.flags = ran::kReadOnly | ran::kStatement,
                          .text_bytes = 2,
                          .statement = 3,
                          .parameter_count = 4,
                          .rows_affected = 5,
                          .last_insert_id = -6};
    const Bytes message = encoded(Response(ran));
    EXPECT_EQ(header_of(message).type, 130);
    EXPECT_EQ(header_of(message).words, 6u);
    const auto ran_got = std::get<RanResponse>(*answer(ran));
    EXPECT_EQ(ran_got.flags, 9u);
    EXPECT_EQ(ran_got.text_bytes, 2u);
    EXPECT_EQ(ran_got.statement, 3u);
    EXPECT_EQ(ran_got.parameter_count, 4u);
    EXPECT_EQ(ran_got.rows_affected, 5u);
    EXPECT_EQ(ran_got.last_insert_id, -6);
}

// A FAILURE of schema 0 has nothing behind its message: what follows there is read as dqlite's
// left-over rows.
TEST(Responses, AFailureThatAnswersRunHasTwoWordsMore) {
    const FailureResponse sent{.code = 9, .message = "m", .schema = 1, .flags = 2, .offset = 40};
    const Bytes message = encoded(Response(sent));
    EXPECT_EQ(header_of(message).schema, 1);
    EXPECT_EQ(header_of(message).words, 4u);
    const auto got = std::get<FailureResponse>(*answer(sent));
    EXPECT_EQ(got.schema, 1);
    EXPECT_EQ(got.message, "m");
    EXPECT_EQ(got.flags, 2u);
    EXPECT_EQ(got.offset, 40u);
    EXPECT_EQ(header_of(encoded(Response(FailureResponse{9, "m"}))).words, 2u);
    Bytes unknown = message;
    unknown[5] = 2;
    EXPECT_FALSE(decode_response(header_of(unknown), body_of(unknown)).ok());
}

TEST(Responses, StatusSurvivesARoundTrip) {
    const StatusResponse sent{.id = NodeId(3),
                              .state = ElectionState::kLeader,
                              .term = 4,
                              .leader = NodeId(5),
                              .first = 6,
                              .last = 7,
                              .durable = 8,
                              .committed = 9,
                              .applied = 10,
                              .flushed = 11,
                              .log_bytes = 12,
                              .memory_bytes = 13,
                              .databases = {"a", "accounts.db"},
                              .cluster = {.high = 14, .low = 15}};
    const Bytes message = encoded(Response(sent));
    EXPECT_EQ(header_of(message).type, 128);
    EXPECT_EQ(header_of(message).words, 4u + 8 + 1 + 1 + 2 + 2);
    const auto got = std::get<StatusResponse>(*answer(sent));
    EXPECT_EQ(got.id, sent.id);
    EXPECT_EQ(got.state, sent.state);
    EXPECT_EQ(got.term, 4u);
    EXPECT_EQ(got.leader, sent.leader);
    std::vector<std::uint64_t> numbers;
    std::apply([&](auto... member) { (numbers.push_back(got.*member), ...); },
               StatusResponse::numbers());
    EXPECT_EQ(numbers, (std::vector<std::uint64_t>{6, 7, 8, 9, 10, 11, 12, 13}));
    EXPECT_EQ(got.databases, sent.databases);
    EXPECT_EQ(got.cluster, sent.cluster);
}

TEST(Responses, AStatusWithoutTheClustersIdIsThatOfAnOlderNode) {
    Bytes message = encoded(Response(StatusResponse{.term = 4, .cluster = {.high = 1, .low = 2}}));
    message.resize(message.size() - 2 * kWordBytes);
    const auto older = decode_response(header_of(message), body_of(message));
    EXPECT_EQ(std::get<StatusResponse>(*older).term, 4u);
    EXPECT_EQ(std::get<StatusResponse>(*older).cluster, ClusterId());
}

// dqlite's own clients and servers must not see a difference.
TEST(Responses, TheClustersIdIsAskedForInTheHeaderAndAnsweredBehindTheFields) {
    EXPECT_EQ(header_of(encoded(LeaderRequest{})).extra, 0);
    EXPECT_EQ(header_of(encoded(ClientRequest{})).extra, 0);
    for (const bool wanted : {false, true}) {
        EXPECT_EQ(round_trip(LeaderRequest{.wants_cluster_id = wanted}).wants_cluster_id, wanted);
        const auto client = round_trip(ClientRequest{.id = 3, .wants_cluster_id = wanted});
        EXPECT_EQ(client.wants_cluster_id, wanted);
        EXPECT_EQ(client.id, 3u);
    }
    const ClusterId id{.high = 0x0102030405060708, .low = 9};
    const Response named = ServerResponse{.id = NodeId(7), .address = "h:1", .cluster = id};
    const Bytes message = encoded(named);
    EXPECT_EQ(word(as_text(body_of(message)).substr(16, 8)), id.high);
    EXPECT_EQ(word(as_text(body_of(message)).substr(24, 8)), id.low);
    EXPECT_EQ(std::get<ServerResponse>(*answer(named)).cluster, id);
    EXPECT_EQ(std::get<WelcomeResponse>(*answer(WelcomeResponse{.cluster = id})).cluster, id);
    EXPECT_EQ(std::get<WelcomeResponse>(*answer(WelcomeResponse{})).cluster, std::nullopt);
    EXPECT_EQ(std::get<ServerResponse>(*answer(ServerResponse{.address = "h:1"})).cluster,
              std::nullopt);
    const ServerResponse unknown{.address = "h:1", .cluster = ClusterId()};
    EXPECT_EQ(std::get<ServerResponse>(*answer(unknown)).cluster, ClusterId());
}

// One word more is not an id: whatever it is, it is ignored.
TEST(Responses, HalfAnIdIsNone) {
    Bytes message = encoded(Response(ServerResponse{.address = "h:1", .cluster = ClusterId()}));
    message.resize(message.size() - kWordBytes);
    const auto half = decode_response(header_of(message), body_of(message));
    EXPECT_EQ(std::get<ServerResponse>(*half).cluster, std::nullopt);
}

TEST(Responses, TheTailOffsetBelongsToSchema1) {
    const StmtResponse prepared{.statement = 5, .parameter_count = 2, .tail_offset = 8};
    EXPECT_EQ(header_of(encoded(Response(prepared))).words, 2u);
    EXPECT_EQ(std::get<StmtResponse>(*answer(prepared)).tail_offset, 0u);
    StmtResponse with_tail = prepared;
    with_tail.schema = 1;
    const auto decoded = std::get<StmtResponse>(*answer(with_tail));
    EXPECT_EQ(decoded.schema, 1);
    EXPECT_EQ(decoded.statement, 5u);
    EXPECT_EQ(decoded.tail_offset, 8u);
    const Bytes short_body = message_of(5, 1, {0, 2});
    EXPECT_FALSE(decode_response(header_of(short_body), body_of(short_body)).ok());
}

TEST(Responses, ServersDependOnWhatWasAsked) {
    const std::vector<Server> servers = {{NodeId(1), "a:1", Role::kVoter},
                                         {NodeId(2), "b:2", Role::kSpare}};
    const auto with_roles = std::get<ServersResponse>(*answer(ServersResponse{.servers = servers}));
    ASSERT_EQ(with_roles.servers.size(), 2u);
    EXPECT_EQ(with_roles.servers[1].role, Role::kSpare);
    const ServersFormat addresses = ServersFormat::kAddresses;
    const auto without = std::get<ServersResponse>(
        *answer(ServersResponse{.format = addresses, .servers = servers}, {.servers = addresses}));
    ASSERT_EQ(without.servers.size(), 2u);
    EXPECT_EQ(without.servers[1].address, "b:2");
    const Bytes lies = message_of(3, 0, {~0ull, 1, 0, 0});
    EXPECT_FALSE(decode_response(header_of(lies), body_of(lies)).ok());
}

TEST(Responses, ALegacyConnectionGetsOnlyTheAddress) {
    const Response legacy = LegacyServerResponse{.address = "h:1"};
    EXPECT_EQ(header_of(encoded(legacy)).words, 1u);
    const auto decoded = answer(LegacyServerResponse{.address = "h:1"}, {.legacy = true});
    EXPECT_EQ(std::get<LegacyServerResponse>(*decoded).address, "h:1");
    EXPECT_FALSE(answer(LegacyServerResponse{.address = "h:1"}).ok());
}

TEST(Responses, UnknownTypesAndSchemasAreErrors) {
    for (const int type : {11, 12, 255}) {
        const Bytes message = message_of(static_cast<std::uint8_t>(type), 0, {0, 0, 0});
        EXPECT_FALSE(decode_response(header_of(message), body_of(message)).ok());
    }
    const Bytes schema = message_of(6, 1, {0, 0});
    EXPECT_FALSE(decode_response(header_of(schema), body_of(schema)).ok());
}

FailureResponse failure_of(const Bytes& message) {
    const auto response = decode_response(header_of(message), body_of(message));
    return response.ok() ? std::get<FailureResponse>(*response) : FailureResponse{};
}

TEST(Failure, CleanOnesAreTakenAsTheyAre) {
    for (const auto text : {""sv, "short"sv, "exactly."sv, "sixteen letters."sv}) {
        const Bytes message = encoded(Response(FailureResponse{.code = 5, .message = text}));
        EXPECT_EQ(failure_of(message).code, 5u);
        EXPECT_EQ(failure_of(message).message, text);
    }
    EXPECT_EQ(failure_of(encoded(Response(FailureResponse{0, "empty statement"}))).message,
              "empty statement");
}

// Section 7.1: column count, names and rows may come before the code.
TEST(Failure, LeftOverRowsAreSkipped) {
    for (std::size_t columns = 0; columns < 4; ++columns) {
        for (int rows = 0; rows < 3; ++rows) {
            for (const auto text : {"malformed JSON"sv, "integer overflow"sv, "x"sv}) {
                Bytes content;
                RowsWriter writer;
                writer.columns(std::vector<std::string_view>(columns, "a name that is long"));
                writer.begin(content);
                for (int i = 0; i < rows; ++i) {
                    RowWriter& row = writer.row();
                    for (std::size_t k = 0; k < columns; ++k) row.text("ABCDEFGH");
                }
                writer.finish(RowsEnd::kDone);
                content.resize(content.size() - kWordBytes);  // the marker
                ByteWriter(content).u64(1555);
                append_text(content, text);
                const auto words = (content.size() - kHeaderBytes) / kWordBytes;
                Bytes message = message_of(0, 0, {});
                ByteWriter(message).bytes(body_of(content));
                ByteWriter(message).patch(0, static_cast<std::uint32_t>(words));
                EXPECT_EQ(failure_of(message).code, 1555u);
                EXPECT_EQ(failure_of(message).message, text);
            }
        }
    }
}

TEST(Failure, TrailingZeroWordsAreIgnored) {
    const Bytes message = message_of(0, 0, {5, word("busy\0\0\0\0"sv), 0, 0});
    EXPECT_EQ(failure_of(message).code, 5u);
    EXPECT_EQ(failure_of(message).message, "busy");
}

// ---- Framing ----

Bytes stream_of(std::initializer_list<std::string_view> statements) {
    Bytes stream;
    for (const auto sql : statements) EXPECT_TRUE(encode(ExecSqlRequest{.sql = sql}, stream).ok());
    return stream;
}

std::string_view sql_of(const Message& message) {
    const DecodedRequest decoded = decode_request(message.header, message.body);
    return std::get<ExecSqlRequest>(std::get<Request>(decoded)).sql;
}

TEST(MessageReader, YieldsMessagesFedByteByByte) {
    const Bytes stream = stream_of({"one", "", "a statement of several words"});
    MessageReader reader(kRequestBodyBytesMax);
    std::vector<std::string> statements;
    for (const std::uint8_t& byte : stream) {
        reader.feed(ByteView(&byte, 1));
        const auto message = reader.next();
        ASSERT_TRUE(message.ok());
        if (message->has_value()) statements.emplace_back(sql_of(**message));
    }
    EXPECT_EQ(statements, (std::vector<std::string>{"one", "", "a statement of several words"}));
    EXPECT_TRUE(reader.unread().empty());
}

TEST(MessageReader, YieldsPipelinedMessagesInOrder) {
    MessageReader reader(kRequestBodyBytesMax);
    reader.feed(stream_of({"one", "two"}));
    EXPECT_EQ(sql_of(**reader.next()), "one");
    EXPECT_EQ(sql_of(**reader.next()), "two");
    EXPECT_FALSE(reader.next()->has_value());
}

TEST(MessageReader, ABodyStaysWhereItIsWhileMoreIsFed) {
    const std::string large(100'000, 'x');
    MessageReader reader(kRequestBodyBytesMax);
    reader.feed(stream_of({"held", "next"}));
    const auto held = reader.next();
    const std::string_view sql = sql_of(**held);
    for (int i = 0; i < 20; ++i) reader.feed(stream_of({large}));
    EXPECT_EQ(sql, "held");
    EXPECT_EQ(sql_of(**reader.next()), "next");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(sql_of(**reader.next()), large);
    EXPECT_FALSE(reader.next()->has_value());
}

TEST(MessageReader, TakesTheVersionWordAndLeavesTheRestUnread) {
    MessageReader reader(kRequestBodyBytesMax);
    const Bytes legacy = {0xe5, 0x3f, 0x43, 0x60, 0xd7, 0x4d, 0x10, 0x86};
    reader.feed(ByteView(legacy).first(5));
    EXPECT_FALSE(reader.take_word().has_value());
    reader.feed(ByteView(legacy).subspan(5));
    EXPECT_EQ(reader.take_word(), kLegacyProtocolVersion);
    Bytes stream;
    ASSERT_TRUE(encode(ConnectRequest{.id = NodeId(1), .address = "a:1"}, stream).ok());
    ByteWriter(stream).bytes(as_bytes("not a message"));
    reader.feed(stream);
    EXPECT_EQ((*reader.next())->header.type, static_cast<int>(RequestType::kConnect));
    EXPECT_EQ(as_text(reader.unread()), "not a message");
}

TEST(MessageReader, RefusesEmptyAndOversizedBodies) {
    for (const std::uint32_t words : {0u, 0x20000000u, 0xffffffffu, 129u}) {
        MessageReader reader(words == 129 ? 1024 : kBodyBytesMax);
        Bytes header;
        Header{.words = words}.append_to(header);
        reader.feed(header);
        EXPECT_FALSE(reader.next().ok()) << words;
        EXPECT_FALSE(reader.next().ok()) << "an error is final";
    }
    MessageReader reader(1024);
    Bytes header;
    Header{.words = 128}.append_to(header);
    reader.feed(header);
    EXPECT_TRUE(reader.next().ok());
}

TEST(MessageReader, DoesNotAllocateWhatIsOnlyAnnounced) {
    MessageReader reader(kBodyBytesMax);
    Bytes header;
    Header{.words = static_cast<std::uint32_t>(kBodyWordsMax)}.append_to(header);
    reader.feed(header);
    EXPECT_FALSE(reader.next()->has_value());
    EXPECT_LT(reader.prepare().size(), 64u * 1024);
}

TEST(MessageReader, GivesMemoryBackAfterALargeMessage) {
    MessageReader reader(kBodyBytesMax);
    const std::string large(4 << 20, 'x');
    reader.feed(stream_of({large}));
    EXPECT_TRUE(reader.next()->has_value());
    EXPECT_FALSE(reader.next()->has_value());
    EXPECT_LE(reader.prepare().size(), 8192u);
}

TEST(MessageReader, SteadyStateDoesNotAllocate) {
    const Bytes stream = stream_of({"SELECT 1"});
    MessageReader reader(kBodyBytesMax);
    reader.feed(stream);
    const auto first = reader.next();
    const std::uint8_t* const place = (*first)->body.data();
    for (int i = 0; i < 1000; ++i) {
        EXPECT_FALSE(reader.next()->has_value());
        reader.feed(stream);
        EXPECT_EQ((*reader.next())->body.data(), place);
    }
}

// ---- Result sets ----

TEST(Rows, AnEmptyResultSetIsTwoWords) {
    Bytes out;
    RowsWriter writer;
    writer.columns({});
    writer.begin(out);
    EXPECT_EQ(writer.size(), 16u);
    writer.finish(RowsEnd::kDone);
    EXPECT_EQ(out, (Bytes{2, 0, 0, 0, 7,    0,    0,    0,    0,    0,    0,    0,
                          0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
}

TEST(Rows, BatchesRepeatTheNames) {
    const std::string_view names[] = {"id", "a name"};
    Bytes out;
    RowsWriter writer;
    writer.columns(names);
    std::vector<std::size_t> starts;
    for (std::int64_t batch = 0; batch < 3; ++batch) {
        starts.push_back(out.size());
        writer.begin(out);
        for (std::int64_t i = 0; i < batch; ++i) {
            RowWriter& row = writer.row();
            row.integer(i);
            row.text("text");
        }
        EXPECT_EQ(writer.size(), 8 + 24 + static_cast<std::size_t>(batch) * 24);
        writer.finish(batch == 2 ? RowsEnd::kDone : RowsEnd::kPart);
    }
    MessageReader stream(kBodyBytesMax);
    stream.feed(out);
    for (std::size_t batch = 0; batch < 3; ++batch) {
        const auto message = stream.next();
        const auto response = decode_response((*message)->header, (*message)->body);
        auto reader = RowsReader::open(std::get<RowsResponse>(*response).content);
        ASSERT_TRUE(reader.ok());
        EXPECT_TRUE(std::ranges::equal(reader->columns(), names));
        std::vector<Value> row;
        for (std::size_t i = 0; i < batch; ++i) {
            ASSERT_EQ(*reader->next(row), RowsReader::Step::kRow);
            EXPECT_EQ(std::get<std::int64_t>(row[0]), static_cast<std::int64_t>(i));
            EXPECT_EQ(std::get<std::string_view>(row[1]), "text");
        }
        const auto end = batch == 2 ? RowsReader::Step::kDone : RowsReader::Step::kPart;
        EXPECT_EQ(*reader->next(row), end);
    }
}

TEST(Rows, AbandoningLeavesNoTrace) {
    const std::string_view names[] = {"a", "b"};
    Bytes out;
    encode(EmptyResponse{}, out);
    const Bytes before = out;
    RowsWriter writer;
    writer.columns(names);
    writer.begin(out);
    RowWriter& row = writer.row();
    row.integer(1);
    row.text(std::string(10'000, 'x'));
    writer.row().null();  // the second row fails in the middle
    EXPECT_TRUE(writer.active());
    writer.abandon();
    EXPECT_FALSE(writer.active());
    EXPECT_EQ(out, before);
    encode(FailureResponse{.code = 1, .message = "integer overflow"}, out);
    EXPECT_EQ(header_of(Bytes(out.begin() + 16, out.end())).words, 4u);
}

TEST(Rows, ACancelledRowLeavesNoTrace) {
    const std::string_view names[] = {"a", "b"};
    Bytes expected;
    Bytes out;
    for (Bytes* target : {&expected, &out}) {
        RowsWriter writer;
        writer.columns(names);
        writer.begin(*target);
        RowWriter& row = writer.row();
        row.integer(1);
        row.integer(2);
        if (target == &out) {
            writer.row().text("half a row");
            row.cancel();
        }
        writer.finish(RowsEnd::kDone);
    }
    EXPECT_EQ(out, expected);
}

TEST(Rows, ABatchWithoutAnEndOrWithRowsOfNothingIsAnError) {
    std::vector<Value> row;
    Bytes content;
    ByteWriter(content).u64(0);
    auto endless = RowsReader::open(content);
    ASSERT_TRUE(endless.ok());
    EXPECT_FALSE(endless->next(row).ok());
    ByteWriter(content).u64(1);
    auto nothing = RowsReader::open(content);
    EXPECT_FALSE(nothing->next(row).ok());
    Bytes lies;
    ByteWriter(lies).u64(~0ull);
    ByteWriter(lies).u64(0);
    EXPECT_FALSE(RowsReader::open(lies).ok());
}

// ---- Dumps ----

TEST(Files, WholeAndInPartsAreTheSameBytes) {
    const Bytes image(4096, 0x5a);
    const Bytes whole = encoded(Response(FilesResponse{{{"test.db", image}, {"test.db-wal", {}}}}));
    const FileSize sizes[] = {{"test.db", image.size()}, {"test.db-wal", 0}};
    Bytes parts;
    ASSERT_TRUE(begin_files(sizes, parts).ok());
    begin_file(sizes[0], parts);
    ByteWriter(parts).bytes(image);
    begin_file(sizes[1], parts);
    EXPECT_EQ(parts, whole);
    const auto decoded = decode_response(header_of(whole), body_of(whole));
    const auto& files = std::get<FilesResponse>(*decoded).files;
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[0].name, "test.db");
    EXPECT_EQ(files[0].content.data(), whole.data() + 8 + 8 + 8 + 8);
    EXPECT_EQ(files[1].name, "test.db-wal");
    EXPECT_TRUE(files[1].content.empty());
}

TEST(Files, SizesThatCannotBeSentAreRefused) {
    Bytes out;
    const FileSize odd[] = {{"a", 7}};
    EXPECT_FALSE(begin_files(odd, out).ok());
    const FileSize huge[] = {{"a", 0xffffffffull * 8}};
    EXPECT_FALSE(begin_files(huge, out).ok());
    const FileSize wrapping[] = {{"a", ~7ull}, {"b", ~7ull}};
    EXPECT_FALSE(begin_files(wrapping, out).ok());
    EXPECT_TRUE(out.empty());
    const FileSize largest[] = {{"a", (0xffffffffull - 3) * 8}};
    EXPECT_TRUE(begin_files(largest, out).ok());
    EXPECT_EQ(header_of(out).words, 0xffffffffu);
}

TEST(Files, StreamThroughTheMessageReaderWithoutBeingHeld) {
    const std::size_t size = 1 << 20;
    const FileSize file{"large.db", size};
    Bytes start;
    ASSERT_TRUE(begin_files({&file, 1}, start).ok());
    begin_file(file, start);
    const Bytes after = encoded(Response(EmptyResponse{}));

    MessageReader stream(1024);  // far less than the dump
    FilesReader reader;
    std::uint64_t received = 0;
    bool ended = false;
    const auto drain = [&] {
        while (!ended) {
            if (stream.part_bytes_left() == 0 && !stream.header()->has_value()) return;
            ByteView piece = stream.next_part();
            if (piece.empty() && stream.part_bytes_left() > 0) return;
            for (bool hungry = false; !hungry && !ended;) {
                const auto event = reader.next(piece);
                ASSERT_TRUE(event.ok());
                if (const auto* part = std::get_if<FilesReader::FileContent>(&*event)) {
                    received += part->bytes.size();
                }
                hungry = std::holds_alternative<FilesReader::NeedMore>(*event);
                ended = std::holds_alternative<FilesReader::End>(*event);
            }
        }
    };
    stream.feed(start);
    drain();
    const Bytes block(4096, 1);
    for (std::size_t sent = 0; sent < size; sent += block.size()) {
        stream.feed(block);
        drain();
        EXPECT_LE(stream.prepare().size(), 16u * 1024);
    }
    EXPECT_TRUE(ended);
    EXPECT_EQ(received, size);
    stream.feed(after);
    EXPECT_EQ((*stream.next())->header.type, static_cast<int>(ResponseType::kEmpty));
}

TEST(Files, TheRestOfABodyInPartsIsSkipped) {
    Bytes stream = encoded(Response(FilesResponse{{{"a", Bytes(4096, 1)}}}));
    encode(EmptyResponse{}, stream);
    MessageReader reader(64);
    reader.feed(ByteView(stream).first(100));
    ASSERT_TRUE(reader.header()->has_value());
    EXPECT_EQ(reader.next_part().size(), 92u);
    EXPECT_FALSE(reader.next()->has_value());
    reader.feed(ByteView(stream).subspan(100));
    EXPECT_EQ((*reader.next())->header.type, static_cast<int>(ResponseType::kEmpty));
}

TEST(Files, ANameWithoutAnEndIsRefusedBeforeItIsHeld) {
    Bytes body;
    ByteWriter(body).u64(1);
    body.resize(20'000, 'x');
    FilesReader reader;
    ByteView piece(body);
    EXPECT_FALSE(reader.next(piece).ok());
}

}  // namespace
}  // namespace quorlite::wire
