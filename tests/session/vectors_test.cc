// What clients of a real dqlite server sent, sent to a session; and what it answers, compared with
// what dqlite answered.
//
// Answers are compared by meaning: batches of one result set are joined, addresses are blanked,
// padding and left-over rows in front of a FAILURE are not looked at. Every other difference is in
// a list, with its reason, and must be there.
#include <gmock/gmock.h>

#include <algorithm>
#include <regex>

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

const Difference kDifferences[] = {
    {"15-malformed", "", "zero-word body", "(closed)", "a message without a body closes"},
};

std::string without_addresses(const std::string& text) {
    static const std::regex address("127\\.0\\.0\\.1:[0-9]+");
    return std::regex_replace(text, address, "ADDRESS");
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
            connection.client = std::make_unique<Client>(cluster_, options_);
        }
        switch (capture.direction) {
            case Capture::Direction::kToServer:
                settle(connection, capture.connection);
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
        if (!theirs.empty() && !enough()) cluster_.executor.run_until(enough);
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
    Cluster cluster_;
    std::map<std::string, Connection> connections_;
    std::size_t compared_ = 0;
    std::set<const Difference*> used_;
};

session::Options like_dqlite(const std::string& file) {
    session::Options options;
    options.legacy_null_types = true;
    options.busy_timeout = Duration::zero();  // dqlite's default
    if (file.starts_with("01-")) options.failure_domain = 42;
    return options;
}

class Vectors : public testing::TestWithParam<const char*> {};

TEST_P(Vectors, AreAnsweredAlike) {
    const std::string file = GetParam();
    Replay replay(file, like_dqlite(file));
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
                                         "15-malformed", "16-dump", "50-go-client",
                                         "90-server-crashes"),
                         test_name);

}  // namespace
}  // namespace quorlite::test
