// Clients of one node, driven by the input: what they send, in which pieces, when they read, close
// and come back. Whatever they do, the node serves a well-behaved client afterwards.
//
// The input is a list of moves: one byte says which client and what, the next how much.
#include <array>
#include <cstdlib>

#include "tests/session/client.h"

namespace {

using namespace quorlite;

constexpr std::array kTexts = {
    "CREATE TABLE IF NOT EXISTS t(a, b DATE, c BOOLEAN)",
    "INSERT INTO t VALUES(?, ?, ?) RETURNING *",
    "SELECT * FROM t",
    "WITH RECURSIVE g(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM g LIMIT 30000) SELECT a FROM g",
    "BEGIN IMMEDIATE; DELETE FROM t",
    "BEGIN; INSERT INTO t VALUES(1, 2, 3); SELECT 1",
    "COMMIT",
    "ROLLBACK",
    "DROP TABLE t",
    "PRAGMA busy_timeout = 10",
};

class Fuzz {
public:
    void run(ByteView input) {
        for (ByteReader moves(input); moves.remaining() >= 2;) {
            const std::uint8_t what = moves.u8();
            const std::uint8_t size = moves.u8();
            auto& client = clients_[what % clients_.size()];
            if (!client) client = std::make_unique<test::Client>(cluster_);
            move(client, what / clients_.size(), size, moves);
        }
        for (auto& client : clients_) client.reset();
        cluster_.executor.run();
        test::Client witness(cluster_);
        witness.greet();
        if (witness.open("witness.db") != "DB 0") std::abort();
        if (witness.exec("CREATE TABLE w(a)") != "RESULT 0 0") std::abort();
        if (witness.query("SELECT count(*) FROM w") != "ROWS count(*) (0)") std::abort();
    }

private:
    void move(std::unique_ptr<test::Client>& client, std::size_t what, std::uint8_t size,
              ByteReader& moves) {
        session::Session& session = client->session();
        switch (what % 10) {
            case 0:
            case 1: {  // its own bytes
                const std::size_t count = std::min<std::size_t>(size, moves.remaining());
                if (session.wants_input()) client->send_bytes(moves.take(count));
                return;
            }
            case 2:
                return client->greet();
            case 3:
                return send(*client, wire::OpenRequest{.name = size % 2 == 0 ? "x" : "y"});
            case 4:
                return send(*client, wire::ExecSqlRequest{.sql = kTexts[size % kTexts.size()]});
            case 5:
                return send(*client, wire::QuerySqlRequest{.sql = kTexts[size % kTexts.size()]});
            case 6:
                return send(*client, wire::InterruptRequest{});
            case 7: {  // it reads
                const std::size_t some =
                    std::min<std::size_t>(size * 1024u, session.output().size());
                if (some > 0) session.consumed(some);
                return;
            }
            case 8:
                if (size % 8 == 0) return client.reset();
                if (size % 8 == 1) return session.end_of_input();
                return send(*client, wire::PrepareRequest{.sql = kTexts[size % kTexts.size()]});
            default:
                cluster_.executor.yields = size % 2 == 0;
                cluster_.executor.advance(std::chrono::milliseconds(size));
        }
    }

    void send(test::Client& client, const wire::Request& request) {
        if (client.session().wants_input()) client.send(request);
    }

    test::Cluster cluster_;
    std::array<std::unique_ptr<test::Client>, 3> clients_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    Fuzz().run({data, size});
    return 0;
}
