// Clients of a real node, with sockets, driven by the input: pipelines, requests in pieces, clients
// that read slowly or not at all, half-close, close or reset their connections while statements run
// or wait. Whatever they do, the node serves a well-behaved client afterwards.
//
// The input is a list of moves: one byte says which client and what, the next how much. The node
// lives through all inputs: what one leaves behind is part of the next.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "quorlite/node.h"
#include "tests/support/ports.h"
#include "wire/client.h"

namespace {

using namespace quorlite;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::array kTexts = {
    "CREATE TABLE IF NOT EXISTS t(a, b)",
    "INSERT INTO t VALUES(1, randomblob(2000))",
    "SELECT * FROM t",
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 30000) SELECT a FROM g",
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g) SELECT count(*) FROM g",
    "BEGIN IMMEDIATE; DELETE FROM t",
    "COMMIT",
    "INSERT INTO t VALUES(1, 2); DELETE FROM t WHERE 0; INSERT INTO t VALUES(3, 4);"
    "DELETE FROM t WHERE 0; DELETE FROM t WHERE 0; DELETE FROM t WHERE 0; DELETE FROM t WHERE 0;"
    "DELETE FROM t WHERE 0; DELETE FROM t WHERE 0; DELETE FROM t WHERE 0; DELETE FROM t WHERE 0;"
    "DELETE FROM t WHERE 0; DELETE FROM t WHERE 0; DELETE FROM t WHERE 0; DELETE FROM t WHERE a=1",
};

class Connection {
public:
    explicit Connection(const std::string& address) {
        socket_ = test::connect_to(address);
        if (socket_ < 0) std::abort();
        const int yes = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        const timeval patience{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        Bytes greeting(8);
        greeting[0] = 1;
        send(greeting);
        ask(wire::OpenRequest{.name = "x"});
    }
    ~Connection() { ::close(socket_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(ByteView bytes) {
        static_cast<void>(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    void ask(const wire::Request& request) {
        Bytes bytes;
        if (!wire::encode(request, bytes).ok()) std::abort();
        send(bytes);
    }
    // The type of the next answer; -1 if none comes.
    int answer() {
        for (;;) {
            const auto message = reader_.next();
            if (!message.ok()) return -1;
            if (message->has_value()) return (*message)->header.type;
            const auto room = reader_.prepare();
            const ssize_t got = ::recv(socket_, room.data(), room.size(), 0);
            if (got <= 0) return -1;
            reader_.commit(static_cast<std::size_t>(got));
        }
    }
    void read(std::size_t bytes_max) {
        Bytes bytes(bytes_max);
        static_cast<void>(::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT));
    }
    void reset_on_close() {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    void end_output() { ::shutdown(socket_, SHUT_WR); }

private:
    int socket_ = -1;
    wire::MessageReader reader_{64u << 20};
};

// One for the whole run, in a folder that goes with it.
class Server {
public:
    Server()
        : folder_(fs::temp_directory_path() / ("fuzz_listener_" + std::to_string(::getpid()))),
          address_(test::free_address()) {
        NodeOptions options;
        options.directory = folder_.string();
        options.address = address_;
        options.bootstrap = true;
        options.busy_timeout = 20ms;
        options.idle_transaction = 50ms;
        options.buffers_bytes_max = 8u << 20;
        options.log_level = NodeLogLevel::kOff;
        auto started = Node::start(std::move(options));
        if (!started || started.node().wait_ready(20s)) {
            std::fprintf(stderr, "%s\n", started ? "not ready" : started.error().message.c_str());
            std::abort();
        }
        node_ = std::make_unique<Node>(std::move(started.node()));
    }
    ~Server() {
        node_.reset();
        fs::remove_all(folder_);
    }
    const std::string& address() const { return address_; }

private:
    fs::path folder_;
    std::string address_;
    std::unique_ptr<Node> node_;
};

class Fuzz {
public:
    explicit Fuzz(Server& server) : server_(server) {}

    void run(ByteView input) {
        for (ByteReader moves(input); moves.remaining() >= 2;) {
            const std::uint8_t what = moves.u8();
            const std::uint8_t size = moves.u8();
            auto& client = clients_[what % clients_.size()];
            if (!client) client = std::make_unique<Connection>(server_.address());
            move(client, what / clients_.size(), size, moves);
        }
        for (auto& client : clients_) client.reset();
        Connection witness(server_.address());
        if (witness.answer() != static_cast<int>(wire::ResponseType::kDb)) std::abort();
        witness.ask(wire::QuerySqlRequest{.sql = "SELECT 1"});
        if (witness.answer() != static_cast<int>(wire::ResponseType::kRows)) std::abort();
    }

private:
    void move(std::unique_ptr<Connection>& client, std::size_t what, std::uint8_t size,
              ByteReader& moves) {
        const std::string_view text = kTexts[size % kTexts.size()];
        switch (what % 12) {
            case 0:
                return client->send(moves.take(std::min<std::size_t>(size, moves.remaining())));
            case 1:
                return client->ask(wire::ExecSqlRequest{.sql = text});
            case 2:
                return client->ask(wire::QuerySqlRequest{.sql = text});
            case 3:
                return client->ask(wire::InterruptRequest{});
            case 4:
                return client->ask(wire::DumpRequest{.name = "x"});
            case 5:  // around what a session and its connection hold
                return flood(*client, (65'536u + 128u - size) / 16u * 16u);
            case 6:
                return flood(*client, size * 16u + 16u);
            case 7:
                return flood(*client, size * 4096u);
            case 8:
                return client->read(size * 1024u + 1u);
            case 9:
                client->reset_on_close();
                return client.reset();
            case 10:
                return size % 2 == 0 ? client->end_output() : client.reset();
            default:
                std::this_thread::sleep_for(std::chrono::milliseconds(size % 8));
        }
    }

    static void flood(Connection& client, std::size_t bytes) {
        Bytes requests;
        while (requests.size() < bytes) {
            if (!wire::encode(wire::LeaderRequest{}, requests).ok()) std::abort();
        }
        client.send(requests);
    }

    Server& server_;
    std::array<std::unique_ptr<Connection>, 4> clients_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Server server;
    if (size > 512) return 0;
    Fuzz(server).run({data, size});
    return 0;
}
