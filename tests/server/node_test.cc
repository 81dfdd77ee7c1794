// quorlite::Node as an application embeds it: several in one process, SQL through a plain socket.
#include "quorlite/node.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <list>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/ports.h"
#include "wire/client.h"

namespace quorlite {
namespace {

using test::free_address;

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// One connection, one request at a time. Answers are kept until the next request.
class SqlClient {
public:
    explicit SqlClient(const std::string& address) {
        socket_ = test::connect_to(address);
        connected_ = socket_ >= 0;
        const int yes = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        ByteWriter(output_).u64(wire::kProtocolVersion);
    }
    ~SqlClient() { ::close(socket_); }
    SqlClient(const SqlClient&) = delete;
    SqlClient& operator=(const SqlClient&) = delete;

    // The answer; a FAILURE with code -1 if the connection broke.
    wire::Response ask(const wire::Request& request) {
        const wire::Response broken = wire::FailureResponse{~std::uint64_t{0}, "broken"};
        if (!connected_ || !wire::encode(request, output_).ok()) return broken;
        const std::size_t cut = std::min(std::exchange(cut_, 0u), output_.size());
        if (!send(ByteView(output_).first(cut))) return broken;
        if (cut > 0) std::this_thread::sleep_for(1ms);
        if (!send(ByteView(output_).subspan(cut))) return broken;
        output_.clear();
        for (;;) {
            const auto message = reader_.next();
            if (!message.ok()) return broken;
            if (message->has_value()) {
                const auto response = wire::decode_response((*message)->header, (*message)->body);
                return response.ok() ? *response : broken;
            }
            const auto room = reader_.prepare();
            const ssize_t got = ::recv(socket_, room.data(), room.size(), 0);
            if (got <= 0) return broken;
            reader_.commit(static_cast<std::size_t>(got));
        }
    }

    // The next request is sent in two pieces, a moment apart.
    void cut_next_request(std::size_t bytes) { cut_ = bytes; }
    // Sends the beginning of a request that is never finished.
    void begin_request(std::size_t bytes) {
        ByteWriter out(output_);
        out.u32(1u << 20);  // words of the body
        out.u32(static_cast<std::uint32_t>(wire::RequestType::kExecSql));
        output_.resize(output_.size() + bytes);
        EXPECT_TRUE(send(output_));
    }
    // Sends bytes as they are, as far as possible in a segment of their own.
    void send_alone(ByteView bytes) {
        EXPECT_TRUE(send(bytes));
        std::this_thread::sleep_for(10ms);
    }
    // Takes the answers to requests that were sent by other means: how many of that kind.
    std::size_t count_answers(std::size_t wanted, wire::ResponseType type) {
        std::size_t counted = 0;
        while (counted < wanted) {
            const auto message = reader_.next();
            if (!message.ok()) break;
            if (message->has_value()) {
                if ((*message)->header.type != static_cast<std::uint8_t>(type)) break;
                ++counted;
                continue;
            }
            const auto room = reader_.prepare();
            const ssize_t got = ::recv(socket_, room.data(), room.size(), 0);
            if (got <= 0) break;
            reader_.commit(static_cast<std::size_t>(got));
        }
        return counted;
    }
    void end_output() { ::shutdown(socket_, SHUT_WR); }
    // Whether the node closes the connection within that time.
    bool is_closed(std::chrono::milliseconds time) {
        pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
        std::uint8_t byte = 0;
        return ::poll(&one, 1, static_cast<int>(time.count())) == 1 &&
               ::recv(socket_, &byte, 1, 0) <= 0;
    }

    bool open(std::string_view name) {
        return std::holds_alternative<wire::DbResponse>(ask(wire::OpenRequest{.name = name}));
    }
    bool execute(std::string_view sql) {
        return std::holds_alternative<wire::ResultResponse>(ask(wire::ExecSqlRequest{.sql = sql}));
    }
    // The first column of the first row.
    std::int64_t number(std::string_view sql) {
        const wire::Response response = ask(wire::QuerySqlRequest{.sql = sql});
        const auto* rows = std::get_if<wire::RowsResponse>(&response);
        if (rows == nullptr) return -1;
        auto reader = wire::RowsReader::open(rows->content);
        std::vector<wire::Value> row;
        if (!reader.ok()) return -1;
        const auto step = reader->next(row);
        if (!step.ok() || *step != wire::RowsReader::Step::kRow) return -1;
        return std::get<std::int64_t>(row.at(0));
    }

private:
    bool send(ByteView bytes) {
        return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(bytes.size());
    }

    int socket_ = -1;
    bool connected_ = false;
    std::size_t cut_ = 0;
    Bytes output_;
    wire::MessageReader reader_{64u << 20};
};

class NodeTest : public testing::Test {
protected:
    NodeTest() : root(fs::current_path() / ("server_node_" + std::to_string(::getpid()))) {
        fs::create_directories(root);
    }
    ~NodeTest() override {
        nodes.clear();
        fs::remove_all(root);
    }

    // Of a node that founds a cluster.
    NodeOptions options(const std::string& name) const {
        NodeOptions wanted;
        wanted.directory = (root / name).string();
        wanted.bootstrap = true;
        wanted.log_level = NodeLogLevel::kWarning;
        return wanted;
    }

    // The same at an address of its own.
    NodeOptions addressed(const std::string& name) const {
        NodeOptions wanted = options(name);
        wanted.address = free_address();
        return wanted;
    }

    // One node by itself. To be called in ASSERT_NO_FATAL_FAILURE.
    void start_one(NodeOptions wanted) {
        auto started = Node::start(std::move(wanted));
        ASSERT_TRUE(started) << started.error().message;
        nodes.push_back(std::move(started.node()));
        const auto problem = nodes.back().wait_ready(10s);
        ASSERT_FALSE(problem) << problem->message;
    }

    void start_three(std::chrono::milliseconds election_timeout = NodeOptions().election_timeout) {
        for (int i = 1; i <= 3; ++i) {
            NodeOptions wanted = addressed("node" + std::to_string(i));
            wanted.election_timeout = election_timeout;
            wanted.bootstrap = i == 1;
            if (i > 1) wanted.join = {addresses.front()};
            addresses.push_back(wanted.address);
            auto started = Node::start(wanted);
            ASSERT_TRUE(started) << started.error().message;
            nodes.push_back(std::move(started.node()));
            const auto problem = nodes.back().wait_ready(20s);
            ASSERT_FALSE(problem) << problem->message;
        }
    }

    Node* leader() {
        for (int attempt = 0; attempt < 2000; ++attempt) {
            for (Node& node : nodes) {
                if (node.status().role == "leader") return &node;
            }
            std::this_thread::sleep_for(5ms);
        }
        return nullptr;
    }

    // Asks the leader, whoever it is, until it works.
    bool execute(std::string_view sql) {
        for (int attempt = 0; attempt < 200; ++attempt) {
            SqlClient client(leader()->status().address);
            if (client.open("db") && client.execute(sql)) return true;
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }

    fs::path root;
    std::vector<std::string> addresses;
    std::vector<Node> nodes;
};

// Addresses are only labels: the program knows the way.
TEST_F(NodeTest, NodesReachEachOtherByAFunctionOfTheProgram) {
    std::map<std::string, std::string> ways;
    for (const char* label : {"alpha:1", "beta:1", "gamma:1"}) ways[label] = free_address();
    std::atomic<int> dialled = 0;
    const auto connect = [&](const std::string& address) {
        ++dialled;
        return test::connect_to(ways.at(address));
    };
    for (const auto& [label, way] : ways) {
        NodeOptions wanted = options(label);
        wanted.address = label;
        wanted.listen = way;
        wanted.connect = connect;
        wanted.bootstrap = nodes.empty();
        if (!nodes.empty()) wanted.join = {"alpha:1"};
        ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    }
    SqlClient client(ways.at("alpha:1"));
    ASSERT_TRUE(client.open("db"));
    ASSERT_TRUE(client.execute("CREATE TABLE t(x); INSERT INTO t VALUES (42)"));
    EXPECT_GE(dialled, 4);
    EXPECT_EQ(leader()->status().address, "alpha:1");
    const std::uint64_t index = nodes[0].status().committed_index;
    for (int wait = 0; wait < 2000 && nodes[2].status().applied_index < index; ++wait) {
        std::this_thread::sleep_for(5ms);
    }
    EXPECT_GE(nodes[2].status().applied_index, index);
    nodes.clear();
}

TEST_F(NodeTest, OneNodeServesAndKeepsItsDataOverARestart) {
    NodeOptions wanted = addressed("node");
    {
        ASSERT_NO_FATAL_FAILURE(start_one(wanted));
        Node& node = nodes.back();
        EXPECT_EQ(node.status().id, 1u);
        SqlClient client(wanted.address);
        ASSERT_TRUE(client.open("db"));
        ASSERT_TRUE(client.execute("CREATE TABLE t(x); INSERT INTO t VALUES (41), (42)"));
        EXPECT_EQ(client.number("SELECT sum(x) FROM t"), 83);
        node.stop();
        node.stop();
        nodes.clear();
    }
    wanted.address.clear();
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    SqlClient client(nodes.back().status().address);
    ASSERT_TRUE(client.open("db"));
    EXPECT_EQ(client.number("SELECT sum(x) FROM t"), 83);
}

TEST_F(NodeTest, ThreeNodesInOneProcess) {
    start_three();
    ASSERT_TRUE(execute("CREATE TABLE t(x)"));
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(execute("INSERT INTO t VALUES (1)"));
    Node* first = leader();
    EXPECT_TRUE(first->handover());
    EXPECT_NE(first->status().role, "leader");
    ASSERT_TRUE(execute("INSERT INTO t VALUES (1)"));
    SqlClient client(leader()->status().address);
    ASSERT_TRUE(client.open("db"));
    EXPECT_EQ(client.number("SELECT count(*) FROM t"), 21);
}

TEST_F(NodeTest, AStoppedNodeSaysHowItWas) {
    start_three();
    ASSERT_TRUE(execute("CREATE TABLE t(x)"));
    Node& node = *leader();
    const NodeStatus before = node.status();
    node.stop();
    const NodeStatus after = node.status();
    EXPECT_EQ(after.id, before.id);
    EXPECT_EQ(after.address, before.address);
    EXPECT_GE(after.applied_index, before.applied_index);
    EXPECT_EQ(after.clients, 0u);
    EXPECT_TRUE(node.handover());
    node.stop();
}

TEST_F(NodeTest, AStoppedLeaderHandsOver) {
    start_three(1h);  // nobody will find out in time that the leader is gone
    ASSERT_TRUE(execute("CREATE TABLE t(x)"));
    const auto leading = leader() - nodes.data();
    nodes[static_cast<std::size_t>(leading)].stop();
    nodes.erase(nodes.begin() + leading);
    ASSERT_NE(leader(), nullptr);
    EXPECT_TRUE(execute("INSERT INTO t VALUES (1)"));
}

TEST_F(NodeTest, AStoppedLeaderLetsAStatementEnd) {
    start_three();
    ASSERT_TRUE(execute("CREATE TABLE t(x)"));
    Node& stopped = *leader();
    SqlClient client(stopped.status().address);
    ASSERT_TRUE(client.open("db"));
    std::thread slow([&] {
        EXPECT_EQ(client.number("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
                                "WHERE n < 1500000) SELECT count(*) FROM c"),
                  1'500'000);
    });
    std::this_thread::sleep_for(50ms);
    stopped.stop();
    slow.join();
}

// However its bytes come in: the server reads in steps of several sizes.
TEST_F(NodeTest, RequestsOfEverySizeAreReadWhole) {
    NodeOptions wanted = addressed("node");
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    SqlClient client(wanted.address);
    ASSERT_TRUE(client.open("db"));
    std::vector<std::size_t> lengths;
    for (std::size_t length = 440; length < 560; length += 8) lengths.push_back(length);
    for (const std::size_t around : {16u << 10, 64u << 10, 256u << 10}) {
        for (const std::size_t less : {600u, 512u, 64u, 0u}) lengths.push_back(around - less);
    }
    for (const std::size_t length : lengths) {
        const std::string text(length, 'x');
        for (const std::size_t cut : {std::size_t{0}, std::size_t{8}, std::size_t{512}, length}) {
            client.cut_next_request(cut);
            ASSERT_EQ(client.number("SELECT length('" + text + "') AS n"), static_cast<int>(length))
                << "cut after " << cut;
        }
    }
}

// What comes behind a request that waits: its session reads ahead up to 64 KiB, the connection
// holds some more, and the rest waits in the socket. Each piece goes a little beyond one of these.
TEST_F(NodeTest, BytesBehindARequestThatWaitsAreReadAsThereIsRoom) {
    NodeOptions wanted = addressed("node");
    wanted.busy_timeout = 1h;
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    SqlClient holder(wanted.address);
    ASSERT_TRUE(holder.open("db"));
    ASSERT_TRUE(holder.execute("CREATE TABLE t(x); BEGIN IMMEDIATE"));
    SqlClient waiting(wanted.address);
    ASSERT_TRUE(waiting.open("db"));
    Bytes request;
    ASSERT_TRUE(wire::encode(wire::ExecSqlRequest{.sql = "INSERT INTO t VALUES (1)"}, request));
    waiting.send_alone(request);
    Bytes requests;
    std::size_t asked = 0;
    for (; requests.size() < 200'000; ++asked) {
        ASSERT_TRUE(wire::encode(wire::LeaderRequest{}, requests));
    }
    std::size_t at = 0;
    for (const std::size_t piece : {65'000u, 520u, 16u, 15'900u, 512u, 100'000u}) {
        waiting.send_alone(ByteView(requests).subspan(at, piece));
        at += piece;
    }
    ASSERT_TRUE(holder.execute("COMMIT"));
    EXPECT_EQ(waiting.count_answers(1, wire::ResponseType::kResult), 1u);
    waiting.send_alone(ByteView(requests).subspan(at));
    EXPECT_EQ(waiting.count_answers(asked, wire::ResponseType::kServer), asked);
}

TEST_F(NodeTest, AClientThatLeavesBehindBytesNobodyReadsStopsItsStatement) {
    NodeOptions wanted = addressed("node");
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    SqlClient client(wanted.address);
    ASSERT_TRUE(client.open("db"));
    Bytes requests;
    ASSERT_TRUE(wire::encode(
        wire::QuerySqlRequest{.sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
                                     "n) SELECT count(*) FROM n"},
        requests));
    // More than the node's side of the connection holds.
    while (requests.size() < 1'000'000) ASSERT_TRUE(wire::encode(wire::LeaderRequest{}, requests));
    client.send_alone(requests);
    client.end_output();
    EXPECT_TRUE(client.is_closed(20s));
}

TEST_F(NodeTest, ALongStatementDelaysNobodyElse) {
    NodeOptions wanted = addressed("node");
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    SqlClient client(wanted.address);
    ASSERT_TRUE(client.open("db"));
    ASSERT_TRUE(client.execute("CREATE TABLE t(x); INSERT INTO t VALUES (7)"));
    SqlClient other(wanted.address);
    ASSERT_TRUE(other.open("db"));
    using Time = std::chrono::steady_clock;
    std::atomic<bool> over = false;
    const Time::time_point started = Time::now();
    std::thread slow([&] {
        EXPECT_EQ(other.number("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
                               "WHERE n < 5000000) SELECT count(*) FROM c"),
                  5'000'000);
        over = true;
    });
    Time::duration worst{};
    while (!over) {
        const Time::time_point begin = Time::now();
        EXPECT_EQ(client.number("SELECT x FROM t"), 7);
        worst = std::max(worst, Time::now() - begin);
    }
    slow.join();
    EXPECT_LT(worst, (Time::now() - started) / 2);
    EXPECT_GE(nodes.back().status().statements_overstayed, 1u);
}

TEST_F(NodeTest, ClientsThatHoldMuchAndDoNothingGiveWay) {
    NodeOptions wanted = addressed("node");
    wanted.buffers_bytes_max = 4u << 20;
    wanted.log_level = NodeLogLevel::kOff;
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    SqlClient idle(wanted.address);  // holds little
    ASSERT_TRUE(idle.open("db"));
    ASSERT_TRUE(idle.execute("CREATE TABLE t(x)"));
    SqlClient first(wanted.address);
    first.begin_request(1u << 20);
    EXPECT_FALSE(first.is_closed(20ms));
    std::list<SqlClient> others;
    for (int i = 0; i < 4; ++i) others.emplace_back(wanted.address).begin_request(1u << 20);
    EXPECT_TRUE(first.is_closed(10s));
    EXPECT_TRUE(std::any_of(others.begin(), others.end(),
                            [](SqlClient& other) { return !other.is_closed(20ms); }));
    EXPECT_TRUE(idle.execute("INSERT INTO t VALUES (1)"));
}

// The limit on open files of this process, for a while.
class DescriptorLimit {
public:
    explicit DescriptorLimit(rlim_t limit) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit wanted{.rlim_cur = limit, .rlim_max = before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &wanted), 0);
    }
    ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;

private:
    rlimit before_{};
};

// Their own ends are descriptors of this process, too: about half of what there is.
TEST_F(NodeTest, ClientsLeaveDescriptorsToTheNode) {
    const DescriptorLimit limit(400);
    NodeOptions wanted = addressed("node");
    wanted.flush_bytes = 64u << 10;
    wanted.log_level = NodeLogLevel::kOff;
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    SqlClient client(wanted.address);
    ASSERT_TRUE(client.open("db"));
    std::list<SqlClient> others;
    std::size_t served = 0;
    for (; served < 400 && others.emplace_back(wanted.address).open("db"); ++served) {
    }
    EXPECT_GT(served, 20u);
    EXPECT_LT(served, 200u);
    EXPECT_GE(nodes.back().status().connections_refused, 1u);
    SqlClient fresh(wanted.address);
    EXPECT_FALSE(fresh.open("db"));
    ASSERT_TRUE(client.execute("CREATE TABLE t(x)"));
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(client.execute("INSERT INTO t VALUES(randomblob(100000))"));
    }
    others.clear();
    EXPECT_EQ(client.number("SELECT count(*) FROM t"), 20);
    bool open = false;  // the node closes its ends a moment later
    for (int attempt = 0; attempt < 1000 && !open; ++attempt) {
        std::this_thread::sleep_for(5ms);
        open = SqlClient(wanted.address).open("db");
    }
    EXPECT_TRUE(open);
}

TEST_F(NodeTest, ManyDatabasesNeedFewDescriptors) {
    const DescriptorLimit limit(200);
    NodeOptions wanted = addressed("node");
    wanted.flush_bytes = 64u << 10;
    for (int life = 0; life < 2; ++life) {
        ASSERT_NO_FATAL_FAILURE(start_one(wanted));
        for (int i = 0; i < 150; ++i) {
            SqlClient client(wanted.address);
            ASSERT_TRUE(client.open("db" + std::to_string(i)));
            if (life == 0) {
                ASSERT_TRUE(client.execute("CREATE TABLE t(x); INSERT INTO t VALUES (1)"));
            } else {
                ASSERT_EQ(client.number("SELECT count(*) FROM t"), 1);
            }
        }
        nodes.clear();
    }
}

TEST_F(NodeTest, TooFewDescriptorsAreAnErrorWithARemedy) {
    const DescriptorLimit limit(50);
    NodeOptions wanted = addressed("node");
    const auto started = Node::start(wanted);
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("open files is 50: raise it"), std::string::npos);
}

TEST_F(NodeTest, AnErrorSaysWhatToDo) {
    const auto no_directory = Node::start({});
    ASSERT_FALSE(no_directory);
    EXPECT_EQ(no_directory.error().kind, NodeError::Kind::kOptions);
    const auto no_address = Node::start(options("node"));
    ASSERT_FALSE(no_address);
    EXPECT_EQ(no_address.error().kind, NodeError::Kind::kDirectory);
    EXPECT_NE(no_address.error().message.find("--address"), std::string::npos);
}

// --- create, configure, start ---

TEST_F(NodeTest, ACreatedNodeHasItsDirectoryAndNothingElse) {
    const std::string address = free_address();
    NodeOptions wanted = options("node");
    wanted.address = address;
    {
        auto created = Node::create(wanted.directory);
        ASSERT_TRUE(created) << created.error().message;
        Node& node = created.node();
        EXPECT_FALSE(node.identity());
        EXPECT_EQ(node.options().directory, wanted.directory);
        EXPECT_EQ(node.status().id, 0u);
        EXPECT_TRUE(node.wait_ready(0s));
        EXPECT_TRUE(node.handover());

        const auto second = Node::create(wanted.directory);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().kind, NodeError::Kind::kDirectory);
        EXPECT_NE(second.error().message.find("in use"), std::string::npos);
    }
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    nodes.clear();

    auto again = Node::create(wanted.directory);
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_TRUE(again.node().identity());
    EXPECT_EQ(again.node().identity()->id, 1u);
    EXPECT_EQ(again.node().identity()->address, address);
    EXPECT_EQ(again.node().status().address, address);
}

TEST_F(NodeTest, OptionsAreCheckedWhenTheyAreSet) {
    auto created = Node::create((root / "node").string());
    ASSERT_TRUE(created) << created.error().message;
    Node& node = created.node();
    NodeOptions wanted = node.options();
    wanted.listen = "nowhere";
    const auto refused = node.configure(wanted);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, NodeError::Kind::kOptions);
    EXPECT_NE(refused->message.find("nowhere"), std::string::npos);
    EXPECT_EQ(node.options().listen, "");

    wanted = options("another");
    const auto moved = node.configure(wanted);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->kind, NodeError::Kind::kOptions);

    wanted = options("node");
    wanted.directory.clear();
    wanted.address = free_address();
    EXPECT_FALSE(node.configure(wanted));
    EXPECT_EQ(node.options().directory, (root / "node").string());
    EXPECT_EQ(node.options().address, wanted.address);
}

TEST_F(NodeTest, AStartThatFailsMayBeTriedAgain) {
    const std::string taken = free_address();
    NodeOptions other = options("other");
    other.address = taken;
    ASSERT_NO_FATAL_FAILURE(start_one(other));

    NodeOptions wanted = addressed("node");
    wanted.listen = taken;
    auto created = Node::create(wanted.directory);
    ASSERT_TRUE(created) << created.error().message;
    Node& node = created.node();
    ASSERT_FALSE(node.configure(wanted));
    const auto refused = node.start();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, NodeError::Kind::kListen);
    EXPECT_FALSE(Node::create(wanted.directory)) << "the directory is not locked any more";

    wanted.listen.clear();
    ASSERT_FALSE(node.configure(wanted));
    const auto problem = node.start();
    ASSERT_FALSE(problem) << problem->message;
    EXPECT_FALSE(node.wait_ready(10s));
    SqlClient client(wanted.address);
    ASSERT_TRUE(client.open("db"));
    EXPECT_TRUE(client.execute("CREATE TABLE t(x)"));
}

TEST_F(NodeTest, EachStepIsTakenOnceAndInOrder) {
    NodeOptions wanted = addressed("node");
    ASSERT_NO_FATAL_FAILURE(start_one(wanted));
    Node& node = nodes.back();
    EXPECT_TRUE(node.configure(wanted));
    EXPECT_TRUE(node.start());
    EXPECT_EQ(node.status().role, "leader");
    node.stop();
    EXPECT_TRUE(node.configure(wanted));
    const auto stopped = node.start();
    ASSERT_TRUE(stopped);
    EXPECT_NE(stopped->message.find("create another"), std::string::npos);
    EXPECT_TRUE(Node::create(wanted.directory)) << "the directory is still locked";
}

}  // namespace
}  // namespace quorlite
