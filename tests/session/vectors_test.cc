// What clients of a real server sent, sent to a session; and what it answers, compared with what
// the server answered: dqlite's, and for RUN one of our own.
//
// Answers are compared by meaning: batches of one result set are joined, addresses are blanked,
// padding and left-over rows in front of a FAILURE are not looked at. Every other difference is in
// a list, with its reason, and must be there.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/session/client.h"
#include "tests/wire/captures.h"

namespace quorlite::test {
namespace {

using wire::Capture;

struct Difference {
    const char* file;
    const char* connection;  // empty: any
    const char* request;     // part of the note of the request
    const char* answer;      // ours, or its beginning
    const char* reason;
};

constexpr const char* kClosed = "(closed)";

constexpr const char* kZeroWords = "a message without a body closes; dqlite hangs";
constexpr const char* kWhy = "the message says why";
constexpr const char* kLargerBatch = "batches are larger";
constexpr const char* kCrash = "dqlite crashes";

const Difference kDifferences[] = {
    {"11-errors", "", "ATTACH 'x.db'", "FAILURE 23 not authorized: ", kWhy},
    {"11-errors", "", "PRAGMA journal_mode", "FAILURE 23 not authorized: ", kWhy},
    {"11-errors", "", "PRAGMA page_size", "FAILURE 23 not authorized: ", kWhy},
    {"11-errors", "", "PRAGMA wal_checkpoint", "FAILURE 23 not authorized: ", kWhy},
    {"11-errors", "", "PRAGMA synchronous", "FAILURE 23 not authorized: ", kWhy},
    {"11-errors", "", "PRAGMA locking_mode", "FAILURE 23 not authorized: ", kWhy},
    {"11-errors", "", "PRAGMA busy_timeout=1", "RESULT 1 0", "works, and shows a row"},
    {"11-errors", "", "load_extension", "FAILURE 1 no such function: load_extension",
     "SQLite is built without it"},
    {"11-errors", "", "error in the second batch", "FAILURE 1 integer overflow", kLargerBatch},
    {"11-errors", "", "QUERY_SQL request", "ROWS seq,name,file (0,'main',", "another file name"},
    {"12-transactions-busy", "B", "another connection holds the write lock",
     "FAILURE 5 database is locked by client", "the message names the holder"},
    {"13-interrupt", "", "QUERY_SQL request", "ROWS a (1)", kLargerBatch},
    {"13-interrupt", "", "INTERRUPT sent after the first batch", "EMPTY", kLargerBatch},
    {"15-malformed", "M1", "zero-word body", kClosed, kZeroWords},
    {"15-malformed", "M2", "zero-word body", kClosed, kZeroWords},
    {"15-malformed", "M1", "LEADER request on the same connection", kClosed, kZeroWords},
    {"15-malformed", "M2", "LEADER request on the same connection", kClosed, kZeroWords},
    {"15-malformed", "M40", "LEADER request on the same connection", "SERVER 1 ADDRESS(closed)",
     kZeroWords},
    {"20-membership", "", "unknown role code 7 on a voter", "FAILURE 1 server role is not valid",
     "an unknown role is not a role; dqlite demotes"},
    {"20-membership", "", "CLUSTER request", "SERVERS 1 ADDRESS 0 2 ADDRESS 0 3 ADDRESS 0",
     "nobody was demoted"},
    {"20-membership", "B", "another change while the promotion is pending", "EMPTY",
     "changes that end soon are waited for"},
    {"50-go-client", "go0", "QUERY_SQL request", "ROWS a (1)", kLargerBatch},
    {"50-go-client", "go0", "INTERRUPT request", "EMPTY", kLargerBatch},
    {"90-server-crashes", "FINALIZE of a freed id", "FINALIZE", "FAILURE 12 no statement", kCrash},
    {"90-server-crashes", "INSERT", "RETURNING: refused", "RESULT 1 1", kCrash},
    {"90-server-crashes", "INSERT", "EXEC_SQL request", "RESULT 2 1", kCrash},
    {"90-server-crashes", "BOOLEAN column holding text", "QUERY_SQL", "ROWS b,d ('yes',", kCrash},
    {"90-server-crashes", "BOOLEAN column holding a float", "QUERY_SQL", "ROWS b,d (1.5,", kCrash},
    {"90-server-crashes", "DATE column holding a float", "QUERY_SQL", "ROWS b,d (bool 0,1.5)",
     kCrash},
    {"90-server-crashes", "DATE column holding a blob", "QUERY_SQL", "ROWS b,d (bool 0,x'00')",
     kCrash},
    {"90-server-crashes", "DESCRIBE", "LEADER", "SERVER 1 ADDRESS", kCrash},
    {"90-server-crashes", "OPEN of ''", "OPEN", "FAILURE 1 ", "refused at once"},
    {"90-server-crashes", "OPEN of ':memory:'", "OPEN", "FAILURE 1 ", "refused at once"},
    {"90-server-crashes", "OPEN of 'file:x", "OPEN", "FAILURE 1 ", "refused at once"},
    {"90-server-crashes", "OPEN of ''", "EXEC_SQL", "FAILURE 12 no database", kCrash},
    {"90-server-crashes", "OPEN of ':memory:'", "EXEC_SQL", "FAILURE 12 no database", kCrash},
    {"90-server-crashes", "OPEN of 'file:x", "EXEC_SQL", "FAILURE 12 no database", kCrash},
    {"90-server-crashes", "ADD", "ADD", "FAILURE 1 server ID is not valid", kCrash},
    {"90-server-crashes", "REMOVE", "REMOVE", "FAILURE 1 server ID is not valid", kCrash},
    {"90-server-crashes", "ASSIGN", "ASSIGN", "FAILURE 1 Resource not found", kCrash},
};

// The ports of the two clusters differ.
std::string without_addresses(std::string text) {
    constexpr std::string_view kHost = "127.0.0.1:";
    for (std::size_t at = text.find(kHost); at != text.npos; at = text.find(kHost, at)) {
        const std::size_t end = text.find_first_not_of("0123456789", at + kHost.size());
        text.replace(at, std::min(end, text.size()) - at, "ADDRESS");
    }
    return text;
}

std::string joined(const std::vector<std::string>& answers) {
    std::string text;
    for (const std::string& answer : join_batches(answers)) {
        if (!text.empty()) text += '\n';
        text += answer;
    }
    return without_addresses(text);
}

// One connection of a capture: what it asked last, and what dqlite answered.
struct Connection {
    std::shared_ptr<Cluster> cluster;
    std::unique_ptr<Client> client;
    wire::ResponseContext context;
    std::string request;
    std::vector<std::string> expected;
    bool expects_close = false;
};

class Replay {
public:
    Replay(std::string file, session::Options options)
        : file_(std::move(file)), options_(options) {}

    std::size_t compared() const { return compared_; }
    std::set<const Difference*>& used() { return used_; }

    void play(const Capture& capture) {
        Connection& connection = connections_[capture.connection];
        if (!connection.client) {
            // Of these each connection had a server of its own.
            const bool alone = file_.starts_with("90-");
            if (!cluster_ || alone) cluster_ = start();
            connection.cluster = cluster_;
            connection.client = std::make_unique<Client>(*cluster_, options_, node(capture));
        }
        switch (capture.direction) {
            case Capture::Direction::kToServer:
                settle(connection, capture.connection);
                let_answers_come(connection);
                send(connection, capture);
                return;
            case Capture::Direction::kToClient:
                return expect(connection, capture);
            case Capture::Direction::kEvent:
                return event(connection, capture);
        }
    }

    void finish() {
        for (auto& [name, connection] : connections_) settle(connection, name);
    }

private:
    // A request that dqlite had answered by now must be answered here too before another
    // connection goes on: what it wrote is seen from its answer on.
    void let_answers_come(const Connection& next) {
        for (const auto& [name, connection] : connections_) {
            if (&connection == &next || connection.expected.empty()) continue;
            connection.cluster->executor.advance(std::chrono::milliseconds(10));
        }
    }

    // The cluster that the capture was made of.
    std::shared_ptr<Cluster> start() const {
        const bool followers = file_.starts_with("21-");
        const bool several = followers || file_.starts_with("20-");
        auto cluster = std::make_shared<Cluster>(several ? 4 : 1);
        if (!followers) return cluster;
        cluster->join(2);
        cluster->join(3, raft::Role::kStandby);
        cluster->join(4, raft::Role::kSpare);
        EXPECT_EQ(OpenClient(*cluster).exec("CREATE TABLE t(a)"), "RESULT 0 0");
        cluster->executor.advance(std::chrono::seconds(1));
        return cluster;
    }

    static std::size_t node(const Capture& capture) {
        if (capture.connection == "voter") return 2;
        if (capture.connection == "standby") return 3;
        return capture.connection == "spare" ? 4 : 1;
    }

    void send(Connection& connection, const Capture& capture) {
        connection.request = capture.note;
        if (capture.kind.empty() && capture.bytes.size() >= 16) {
            const std::uint8_t type = capture.bytes[4];
            if (type == static_cast<std::uint8_t>(wire::RequestType::kCluster)) {
                const auto format = load_little<std::uint64_t>(capture.bytes.data() + 8);
                connection.context.servers = wire::ServersFormat{format};
            }
        }
        if (capture.kind == "handshake" && capture.bytes.size() == 8) {
            const auto version = load_little<std::uint64_t>(capture.bytes.data());
            connection.context.legacy = version == wire::kLegacyProtocolVersion;
        }
        connection.client->context = connection.context;
        connection.client->send_bytes(capture.bytes);
    }

    void expect(Connection& connection, const Capture& capture) {
        const ByteView bytes(capture.bytes);
        const auto response =
            wire::decode_response(wire::Header::parse(bytes.first<wire::kHeaderBytes>()),
                                  bytes.subspan(wire::kHeaderBytes), connection.context);
        ASSERT_TRUE(response.ok()) << capture.title();
        connection.expected.push_back(describe(*response));
    }

    void event(Connection& connection, const Capture& capture) {
        const std::string& note = capture.note;
        if (note.find("server closed") != std::string::npos ||
            note.find("connection lost") != std::string::npos) {
            connection.expects_close = true;
            if (note.find("half close") != std::string::npos) {
                connection.client->session().end_of_input();
            }
        } else if (note.find("closes") != std::string::npos) {
            settle(connection, capture.connection);
            connection.client->disconnect();
            connection.client.reset();
        }
    }

    // Compares what both servers said since the last request.
    void settle(Connection& connection, const std::string& name) {
        if (!connection.client) return;
        const std::string theirs =
            joined(connection.expected) + (connection.expects_close ? kClosed : "");
        std::vector<std::string> answers;
        const auto enough = [&] {
            for (std::string& answer : connection.client->answers()) answers.push_back(answer);
            const bool closed = connection.client->session().finished();
            return joined(answers) + (closed ? kClosed : "") == theirs;
        };
        if (!theirs.empty() && !enough()) connection.cluster->executor.run_until(enough);
        enough();
        const bool closed = connection.client->session().finished();
        const std::string ours = joined(answers) + (closed ? kClosed : "");
        ++compared_;
        if (ours != theirs && !listed(name, connection.request, ours)) {
            ADD_FAILURE() << file_ << ", " << name << ", after '" << connection.request
                          << "'\n  dqlite: " << theirs.substr(0, 300)
                          << "\n  ours:   " << ours.substr(0, 300);
        }
        connection.expected.clear();
        connection.expects_close = false;
    }

    bool listed(const std::string& name, const std::string& request, const std::string& ours) {
        for (const Difference& difference : kDifferences) {
            if (file_ == difference.file && name.find(difference.connection) != name.npos &&
                request.find(difference.request) != request.npos &&
                ours.starts_with(difference.answer)) {
                used_.insert(&difference);
                return true;
            }
        }
        return false;
    }

    const std::string file_;
    const session::Options options_;
    std::shared_ptr<Cluster> cluster_;
    std::map<std::string, Connection> connections_;
    std::size_t compared_ = 0;
    std::set<const Difference*> used_;
};

session::Options like_the_server_of(const std::string& file) {
    session::Options options;
    if (file == "run") return options;                 // a node of our own
    options.idle_transaction = std::chrono::hours(1);  // dqlite has no such limit
    options.legacy_null_types = true;
    options.busy_timeout = Duration::zero();  // dqlite's default
    if (file.starts_with("01-")) options.failure_domain = 42;
    return options;
}

class Vectors : public testing::TestWithParam<const char*> {};

TEST_P(Vectors, AreAnsweredAlike) {
    const std::string file = GetParam();
    Replay replay(file, like_the_server_of(file));
    for (const Capture& capture : wire::load_captures()) {
        if (capture.file == file + ".json") replay.play(capture);
    }
    replay.finish();
    EXPECT_GT(replay.compared(), 3u);
    for (const Difference& difference : kDifferences) {
        if (file == difference.file) {
            EXPECT_TRUE(replay.used().contains(&difference))
                << "no longer different: " << difference.request;
        }
    }
}

std::string test_name(const testing::TestParamInfo<const char*>& file) {
    std::string name = file.param;
    std::ranges::replace(name, '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(, Vectors,
                         testing::Values("01-handshake-leader-client", "02-handshake-variants",
                                         "03-open", "04-prepare-finalize", "05-params",
                                         "06-exec-sql-multi", "07-column-types", "08-decltypes",
                                         "09-wide-rows", "10-batches", "11-errors",
                                         "12-transactions-busy", "13-interrupt", "14-pipelining",
                                         "15-malformed", "16-dump", "20-membership", "21-follower",
                                         "50-go-client", "90-server-crashes", "run"),
                         test_name);

}  // namespace
}  // namespace quorlite::test
