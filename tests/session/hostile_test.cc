// Bytes of every kind: the session may end, nothing else may. The cases are listed in
// spec/hostile-input.md.
#include <gmock/gmock.h>

#include <random>

#include "engine/base/limits.h"
#include "tests/session/client.h"

namespace quorlite::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

Bytes word(std::uint64_t value) {
    Bytes bytes(8);
    store_little(bytes.data(), value);
    return bytes;
}

Bytes header(std::uint32_t words, std::uint8_t type, std::uint8_t schema = 0) {
    return word(words | std::uint64_t{type} << 32 | std::uint64_t{schema} << 40);
}

Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

Bytes encoded(const wire::Request& request) {
    Bytes bytes;
    EXPECT_TRUE(wire::encode(request, bytes).ok());
    return bytes;
}

class Hostile : public testing::Test {
protected:
    Cluster cluster;
    OpenClient witness{cluster, {}, {.address = "witness"}};

    void TearDown() override {
        EXPECT_EQ(witness.query("SELECT 1"), "ROWS 1 (1)");
        EXPECT_THAT(witness.exec("CREATE TABLE IF NOT EXISTS unharmed(a)"), StartsWith("RESULT"));
    }

    void expect_closed(const Bytes& bytes) {
        OpenClient client(cluster);
        client.send_bytes(bytes);
        EXPECT_TRUE(client.session().finished());
        EXPECT_TRUE(client.session().output().empty());
        EXPECT_FALSE(client.session().wants_input());
        client.send_bytes(encoded(wire::LeaderRequest{}));
        EXPECT_TRUE(client.session().output().empty());
    }
};

TEST_F(Hostile, ZeroWordsClose) {
    for (int type = 0; type < 256; ++type)
        expect_closed(header(0, static_cast<std::uint8_t>(type)));
}

TEST_F(Hostile, HugeMessagesClose) {
    for (const std::uint32_t words : {0xffffffffu, 0x20000000u, 0x1fffffffu, (64u << 20) / 8 + 1}) {
        expect_closed(header(words, 0));
        expect_closed(header(words, 8));
    }
}

TEST_F(Hostile, AnAnnouncedMessageHoldsOnlyWhatCame) {
    // A thousand clients announce 64 MiB each and send nothing.
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 1000; ++i) {
        clients.push_back(std::make_unique<Client>(cluster));
        clients.back()->greet();
        clients.back()->send_bytes(header((64u << 20) / 8, 8));
        EXPECT_FALSE(clients.back()->session().finished());
    }
}

TEST_F(Hostile, BodiesTooShortForTheirFieldsClose) {
    expect_closed(header(1, 3) + word(0x41));             // OPEN with a name only
    expect_closed(header(1, 4) + word(0));                // PREPARE with an id only
    expect_closed(header(2, 4) + word(0) + word(~0ull));  // PREPARE, its text without end
    expect_closed(header(2, 8) + word(0) + word(~0ull));  // EXEC_SQL, the same
    expect_closed(header(1, 12) + word(2));               // ADD with an id only
    expect_closed(header(1, 15) + word(~0ull));           // DUMP, its name without end
}

TEST_F(Hostile, TupleHeadersLongerThanTheBodyClose) {
    expect_closed(header(2, 5) + word(0) + word(0xff));      // EXEC, 255 values in one word
    expect_closed(header(2, 6) + word(0) + word(0x08));      // QUERY, 8 values need two words
    expect_closed(header(2, 5, 1) + word(0) + word(~0ull));  // schema 1: 2^32-1 values
    expect_closed(header(2, 6, 1) + word(0) + word(5));
}

TEST_F(Hostile, TupleHeadersAreCheckedBeforeEverythingElse) {
    Client unopened(cluster);
    unopened.greet();
    unopened.send_bytes(header(2, 5) + word(0x700000007) + word(0xff));
    EXPECT_TRUE(unopened.session().finished());
}

TEST_F(Hostile, BadValuesAreAnswered) {
    OpenClient client(cluster);
    client.exec("CREATE TABLE t(a)");
    client.prepare("INSERT INTO t VALUES(?)");
    client.prepare("SELECT ?");
    for (int code = 0; code < 256; ++code) {
        const bool known = (code >= 1 && code <= 5) || code == 10 || code == 11;
        if (known) continue;
        const Bytes tuple = word(1 | static_cast<std::uint64_t>(code) << 8) + word(0);
        client.send_bytes(header(3, 5) + word(0) + tuple);
        EXPECT_EQ(client.next_answer(), "FAILURE 1 bind parameters") << code;
        client.send_bytes(header(3, 6) + word(std::uint64_t{1} << 32) + tuple);
        EXPECT_EQ(client.next_answer(), "FAILURE 10 leader exec failed") << code;
    }
    // Values that are not there, a text without end, blobs of impossible lengths.
    client.send_bytes(header(2, 5) + word(0) + word(0x0101));
    EXPECT_EQ(client.next_answer(), "FAILURE 1 bind parameters");
    client.send_bytes(header(3, 5) + word(0) + word(0x0301) + word(~0ull));
    EXPECT_EQ(client.next_answer(), "FAILURE 1 bind parameters");
    for (const std::uint64_t length : {9ull, 1ull << 32, ~0ull, ~0ull - 6, ~0ull - 7}) {
        client.send_bytes(header(4, 5) + word(0) + word(0x0401) + word(length) + word(0));
        EXPECT_EQ(client.next_answer(), "FAILURE 1 bind parameters") << length;
    }
    EXPECT_EQ(client.query("SELECT count(*) FROM t"), "ROWS count(*) (0)");
}

TEST_F(Hostile, TrailingWordsAndTheExtraFieldAreIgnored) {
    OpenClient client(cluster);
    client.send_bytes(header(3, 0) + word(1) + word(2) + word(3));
    EXPECT_THAT(client.next_answer(), StartsWith("SERVER 1"));
    Bytes extra = header(1, 0) + word(0);
    extra[6] = 0xcd;
    extra[7] = 0xab;
    client.send_bytes(extra);
    EXPECT_THAT(client.next_answer(), StartsWith("SERVER 1"));
}

TEST_F(Hostile, StatementsThatEscapeAreRefused) {
    OpenClient client(cluster);
    for (const char* sql :
         {"ATTACH 'x.db' AS x", "ATTACH 'file:/etc/passwd' AS x", "SELECT load_extension('x')",
          "VACUUM INTO '/tmp/x'", "PRAGMA journal_mode=DELETE", "PRAGMA writable_schema=1",
          "PRAGMA page_size=512", "PRAGMA synchronous=FULL", "PRAGMA locking_mode=EXCLUSIVE",
          "PRAGMA wal_checkpoint", "PRAGMA wal_autocheckpoint=1", "PRAGMA mmap_size=1000000",
          "SELECT writefile('x', 'y')", "SELECT readfile('/etc/passwd')"}) {
        EXPECT_THAT(client.exec(sql), testing::AnyOf(StartsWith("FAILURE"), StartsWith("RESULT")))
            << sql;
    }
    EXPECT_EQ(client.exec("CREATE TABLE t(a)"), "RESULT 0 0");
    EXPECT_EQ(client.query("PRAGMA journal_mode"), "ROWS journal_mode ('wal')");
    EXPECT_EQ(client.query("PRAGMA integrity_check"), "ROWS integrity_check ('ok')");
}

TEST_F(Hostile, SqlThatIsTooMuchIsAnError) {
    OpenClient client(cluster);
    const auto repeated = [](const char* part, int times) {
        std::string text;
        for (int i = 0; i < times; ++i) text += part;
        return text;
    };
    EXPECT_THAT(client.query(std::string("SELECT ") + repeated("(", 10000) + std::string("1") +
                             repeated(")", 10000)),
                StartsWith("FAILURE"));
    EXPECT_THAT(client.query(std::string("SELECT 1") + repeated("+1", 100000)),
                StartsWith("FAILURE"));
    EXPECT_THAT(client.query(std::string("SELECT 1") + repeated(" UNION ALL SELECT 1", 10000)),
                StartsWith("FAILURE"));
    EXPECT_THAT(client.query(std::string("SELECT ") + repeated("1,", 5000) + "1"),
                StartsWith("FAILURE"));
    EXPECT_THAT(client.query("SELECT ?999999"), StartsWith("FAILURE"));
    EXPECT_THAT(client.query("SELECT zeroblob(2000000000)"), StartsWith("FAILURE 18"));
    EXPECT_THAT(client.query("SELECT length(printf('%*s', 2000000000, 'x'))"),
                testing::AnyOf(StartsWith("FAILURE 18"), testing::EndsWith("(NULL)")));
    EXPECT_THAT(client.query(std::string(500'000, 'x')), StartsWith("FAILURE"));
    EXPECT_THAT(client.query(std::string("SELECT '") + std::string(900'000, 'y')),
                StartsWith("FAILURE"));
    EXPECT_EQ(client.query("SELECT 1"), "ROWS 1 (1)");
}

// Each of these has overflowed the stack of a server.
TEST_F(Hostile, WhatSqliteFollowsLevelByLevelHasALimit) {
    OpenClient client(cluster);
    std::string steps;
    for (int i = 0; i < 100'000; ++i) steps += ".a";
    std::string chain = "WITH q0 AS (SELECT 1 x)";
    for (int i = 1; i < 20'000; ++i) {
        chain += ",q" + std::to_string(i) + " AS(SELECT x FROM q" + std::to_string(i - 1) + ")";
    }
    EXPECT_THAT(client.query(chain + " SELECT * FROM q19999"), StartsWith("FAILURE 1"));
    EXPECT_THAT(client.query("SELECT json_set('{}', '$" + steps + "', 1)"),
                StartsWith("FAILURE 1"));
    EXPECT_EQ(client.exec("CREATE TABLE f0(id INTEGER PRIMARY KEY)"), "RESULT 0 0");
    for (int i = 1; i <= 200; ++i) {
        client.exec("CREATE TABLE f" + std::to_string(i) + "(id INTEGER PRIMARY KEY REFERENCES f" +
                    std::to_string(i - 1) + " ON DELETE CASCADE)");
    }
    EXPECT_EQ(client.exec("DELETE FROM f0 WHERE id = 1"), "RESULT 0 0");
    EXPECT_EQ(client.query("SELECT 1"), "ROWS 1 (1)");
}

TEST_F(Hostile, AsManyValuesAsParametersAreAllowed) {
    OpenClient client(cluster);
    std::string many = "SELECT 1 WHERE NULL IN (?";
    for (int i = 1; i < limits::kParametersMax; ++i) many += ",?";
    EXPECT_EQ(client.query(many + ")"), "ROWS 1");
    EXPECT_THAT(client.query(many + ",?)"), StartsWith("FAILURE 1 too many SQL variables"));
}

TEST_F(Hostile, AStatementThatNobodyCanRelieveIsAnError) {
    OpenClient client(cluster);
    cluster.executor.overloaded = true;
    EXPECT_THAT(client.query("WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) "
                             "SELECT count(*) FROM g"),
                StartsWith("FAILURE 5 too many statements run for long"));
    std::string columns = "name";
    for (int i = 0; i < 500; ++i) columns += ",name";
    EXPECT_THAT(client.prepare("SELECT " + columns + " FROM sqlite_schema"),
                StartsWith("FAILURE 5 too many statements run for long"));
    cluster.executor.overloaded = false;
    EXPECT_EQ(client.query("SELECT 1"), "ROWS 1 (1)");
}

TEST_F(Hostile, AClientThatNeverReadsHoldsLittle) {
    OpenClient client(cluster);
    client.send(wire::QuerySqlRequest{
        .sql = "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) SELECT a FROM g"});
    cluster.executor.advance(600s);
    EXPECT_LE(client.session().output().size(),
              limits::kSessionOutputBytesMax + 2 * limits::kResultBatchBytes);
    EXPECT_FALSE(client.session().finished());
}

TEST_F(Hostile, AFloodOfRequestsThatIsNeverReadHoldsLittle) {
    OpenClient client(cluster);
    const Bytes request = encoded(wire::ClusterRequest{});
    std::size_t sent = 0;
    while (client.session().wants_input() && sent < (64u << 20)) {
        client.send_bytes(request);
        sent += request.size();
        cluster.executor.run();
    }
    EXPECT_LT(sent, 1u << 20);
    EXPECT_LE(client.session().output().size(), limits::kSessionOutputBytesMax + 4096);
    // Reading brings everything back to life, and nothing is lost.
    const auto answers = client.answers();
    EXPECT_EQ(answers.size(), sent / request.size());
    EXPECT_TRUE(client.session().wants_input());
}

TEST_F(Hostile, WhatWaitsBehindARequestIsBounded) {
    OpenClient holder(cluster);
    holder.exec("BEGIN IMMEDIATE");
    OpenClient client(cluster);
    client.send(wire::ExecSqlRequest{.sql = "CREATE TABLE t(a)"});
    const Bytes request = encoded(wire::LeaderRequest{});
    std::size_t sent = 0;
    while (client.session().wants_input() && sent < (64u << 20)) {
        client.send_bytes(request);
        sent += request.size();
    }
    EXPECT_LE(sent, limits::kSessionReadAheadBytes + request.size());
    holder.disconnect();
    EXPECT_THAT(client.next_answer(), StartsWith("RESULT"));
}

TEST_F(Hostile, PreparedStatementsThatAreNeverFinalizedAreBounded) {
    OpenClient client(cluster);
    std::string answer;
    do answer = client.prepare("SELECT 1");
    while (answer.starts_with("STMT"));
    EXPECT_THAT(answer, StartsWith("FAILURE 1 too many"));
}

TEST_F(Hostile, ManyConnectionsThatSayNothingHarmNobody) {
    std::vector<std::unique_ptr<Client>> idle;
    for (int i = 0; i < 5000; ++i) idle.push_back(std::make_unique<Client>(cluster));
    EXPECT_EQ(witness.query("SELECT 1"), "ROWS 1 (1)");
}

TEST_F(Hostile, AStalledDumpLetsItsImageGo) {
    OpenClient client(cluster);
    client.exec("CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(5000000))");
    client.send(wire::DumpRequest{"test.db"});
    cluster.executor.advance(5s);
    client.read(100'000);
    cluster.executor.advance(20s);
    EXPECT_FALSE(client.session().finished());
    cluster.executor.advance(120s);
    EXPECT_TRUE(client.session().finished());
}

// --- whatever it is ---

// A conversation that visits every request.
Bytes conversation() {
    const std::vector<wire::Value> values{std::int64_t{1}, 2.5, "three", wire::Null{}};
    const wire::Parameters parameters(values);
    Bytes bytes = word(1);
    const auto add = [&](const wire::Request& request) { bytes = bytes + encoded(request); };
    add(wire::LeaderRequest{});
    add(wire::ClientRequest{7});
    add(wire::OpenRequest{.name = "random.db", .vfs = "volatile"});
    add(wire::ExecSqlRequest{.sql = "CREATE TABLE IF NOT EXISTS t(a, b, c, d DATE); "
                                    "INSERT INTO t VALUES(?, ?, ?, ?)",
                             .parameters = parameters});
    add(wire::PrepareRequest{.sql = "INSERT INTO t VALUES(?, ?, ?, ?) RETURNING a"});
    add(wire::PrepareRequest{.schema = 1, .sql = "SELECT * FROM t WHERE a = ?; SELECT 2"});
    add(wire::ExecRequest{.statement = 0, .parameters = parameters});
    add(wire::QueryRequest{.schema = 1, .statement = 0, .parameters = parameters});
    add(wire::QueryRequest{.statement = 1});
    add(wire::QuerySqlRequest{.sql = "SELECT count(*), group_concat(c) FROM t"});
    add(wire::ExecSqlRequest{.sql = "BEGIN IMMEDIATE; DELETE FROM t WHERE a > 1"});
    add(wire::FinalizeRequest{.statement = 1});
    add(wire::InterruptRequest{});
    add(wire::ExecSqlRequest{.sql = "ROLLBACK"});
    add(wire::DumpRequest{.name = "random.db"});
    add(wire::ClusterRequest{});
    add(wire::DescribeRequest{});
    add(wire::WeightRequest{3});
    add(wire::StatusRequest{});
    const std::vector<std::string_view> names{":a", "", ":c"};
    add(wire::RunRequest{.flags = wire::run::kDescribe | wire::run::kKeep,
                         .timeout_ms = 1000,
                         .sql = "INSERT INTO t VALUES(:a, ?, :c, ?) RETURNING a, d",
                         .names = wire::Texts(names),
                         .parameters = parameters});
    add(wire::RunRequest{.flags = wire::run::kScript,
                         .sql = "BEGIN; DELETE FROM t WHERE a = ?; SELECT a, c FROM t; COMMIT",
                         .parameters = wire::Parameters(std::span(values).first(1))});
    add(wire::RunRequest{.statement = 1, .parameters = parameters});
    add(wire::AddRequest{NodeId(1), "127.0.0.1:1"});
    add(wire::AssignRequest{NodeId(1)});
    add(wire::RemoveRequest{NodeId(99)});
    add(wire::TransferRequest{NodeId(99)});
    add(wire::QuerySqlRequest{.sql = "SELECT 'end'"});
    return bytes;
}

// All that the session sends in answer to `bytes`, given in pieces cut by `next_piece`.
template <class NextPiece>
Bytes converse(Cluster& cluster, ByteView bytes, NextPiece next_piece) {
    Client client(cluster);
    Bytes received;
    const auto read = [&] {
        for (ByteView out = client.session().output(); !out.empty();
             out = client.session().output()) {
            received.insert(received.end(), out.begin(), out.end());
            client.session().consumed(out.size());
            cluster.executor.run();
        }
    };
    while (!bytes.empty() && !client.session().finished()) {
        const std::size_t piece = std::min<std::size_t>(next_piece(), bytes.size());
        client.send_bytes(bytes.first(piece));
        bytes = bytes.subspan(piece);
        read();
    }
    client.session().end_of_input();
    cluster.executor.run_until([&] {
        read();
        return client.session().finished();
    });
    read();
    EXPECT_TRUE(client.session().finished());
    return received;
}

TEST_F(Hostile, BytesOneByOneAreTheSameConversation) {
    const Bytes bytes = conversation();
    const auto fresh = [&](auto next_piece) {
        Cluster own;
        return converse(own, bytes, next_piece);
    };
    const Bytes whole = fresh([&] { return bytes.size(); });
    EXPECT_GT(whole.size(), 8192u);
    EXPECT_EQ(fresh([] { return 1; }), whole);
    std::mt19937 random(1);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(fresh([&] { return 1 + random() % 100; }), whole);
    }
}

TEST_F(Hostile, MutatedConversationsEndNothingButThemselves) {
    const Bytes original = conversation();
    std::mt19937 random(20);
    for (int round = 0; round < 400; ++round) {
        Bytes bytes = original;
        const std::size_t changes = 1 + random() % 8;
        for (std::size_t i = 0; i < changes; ++i) {
            const std::size_t at = 8 + random() % (bytes.size() - 16);
            switch (random() % 4) {
                case 0:
                    bytes[at] = static_cast<std::uint8_t>(random());
                    break;
                case 1:
                    bytes[at] ^= static_cast<std::uint8_t>(1u << random() % 8);
                    break;
                case 2:
                    bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
                    break;
                default:
                    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), 0xff);
            }
        }
        converse(cluster, bytes, [&] { return 1 + random() % 512; });
    }
}

TEST_F(Hostile, NoiseEndsNothingButItsSession) {
    std::mt19937 random(21);
    for (int round = 0; round < 300; ++round) {
        Bytes bytes = word(1);
        const std::size_t size = random() % 2000;
        for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(random()));
        converse(cluster, bytes, [&] { return 1 + random() % 100; });
    }
}

TEST_F(Hostile, ConversationsCutAnywhereEndWell) {
    const Bytes bytes = conversation();
    for (std::size_t size = 0; size < bytes.size(); size += 5) {
        Client client(cluster);
        client.send_bytes(ByteView(bytes).first(size));
        if (size % 2 == 0) cluster.executor.run();
        client.disconnect();
    }
    cluster.executor.run();
    EXPECT_EQ(witness.exec("CREATE TABLE t(a)"), "RESULT 0 0");
}

}  // namespace
}  // namespace quorlite::test
