#include "tests/session/moves.h"

#include <array>
#include <cstdlib>

#include "tests/session/client.h"

namespace quorlite::test {
namespace {

// Longer than one turn of a session.
const std::string kScript = [] {
    std::string sql = "CREATE TABLE IF NOT EXISTS t(a, b DATE, c BOOLEAN);";
    for (int i = 0; i < 12; ++i) sql += "INSERT INTO t(a) VALUES(1); DELETE FROM t WHERE 0; ";
    return sql;
}();

const std::array<std::string_view, 14> kTexts = {
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
    kScript,
    "SAVEPOINT s; INSERT INTO t(a) VALUES(1); ROLLBACK TO s; INSERT INTO t(a) VALUES(2); RELEASE s",
    "CREATE TEMP TABLE IF NOT EXISTS u(a); INSERT INTO u SELECT a FROM t",
    "INSERT INTO t(a) SELECT randomblob(3000) FROM t RETURNING length(a)",
};

class Moves {
public:
    void run(ByteView input) {
        for (ByteReader moves(input); moves.remaining() >= 2;) {
            const std::uint8_t what = moves.u8();
            const std::uint8_t size = moves.u8();
            auto& client = clients_[what % clients_.size()];
            if (!client) connect(client, what >= 128);
            move(client, what / clients_.size(), size, moves);
        }
        for (auto& client : clients_) client.reset();
        cluster_.executor.run();
        Client witness(cluster_);
        witness.greet();
        if (witness.open("witness.db") != "DB 0") std::abort();
        if (witness.exec("CREATE TABLE w(a)") != "RESULT 0 0") std::abort();
        if (witness.query("SELECT count(*) FROM w") != "ROWS count(*) (0)") std::abort();
    }

private:
    void connect(std::unique_ptr<Client>& client, bool properly) {
        client = std::make_unique<Client>(cluster_, options());
        if (!properly) return;
        client->greet();
        send(*client, wire::OpenRequest{.name = "x"});
    }

    void move(std::unique_ptr<Client>& client, std::size_t what, std::uint8_t size,
              ByteReader& moves) {
        session::Session& session = client->session();
        const std::string_view text = kTexts[size % kTexts.size()];
        switch (what % 16) {
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
                return send(*client, wire::ExecSqlRequest{.sql = text});
            case 5:
                return send(*client, wire::QuerySqlRequest{.sql = text});
            case 6:
                return send(*client, wire::InterruptRequest{});
            case 7: {  // it reads
                const std::size_t some =
                    std::min<std::size_t>(size * 1024u, session.output().size());
                if (some > 0) session.consumed(some);
                return;
            }
            case 8:
                if (size % 4 == 0) return client.reset();
                if (size % 4 == 1) return session.end_of_input();
                if (size % 4 == 2) return session.end_is_near();
                return session.close();
            case 9:
                return send(*client, wire::PrepareRequest{.sql = text});
            case 10: {
                const wire::DumpRequest dump{.name = size % 2 == 0 ? "x" : "y"};
                return send(*client, dump);
            }
            case 11:  // the node gets only so far
                for (int tasks = size; tasks > 0 && cluster_.executor.run_one(); --tasks) {
                }
                return;
            case 12:
                return send_together(*client, size % 70u, size % 2 == 0 ? text : kScript);
            case 13:
                if (size % 2 == 0) return send(*client, wire::ExecRequest{.statement = size % 3u});
                return send(*client, wire::FinalizeRequest{.statement = size % 3u});
            case 14:
                if (size % 4 == 0) return send(*client, wire::QueryRequest{.statement = size % 3u});
                return send_run(*client, size, text, moves);
            default:
                cluster_.executor.yields = size % 2 == 0;
                cluster_.executor.advance(std::chrono::milliseconds(size));
        }
    }

    // A pipeline that comes in one piece, so that its last request is begun at any move of a turn.
    void send_together(Client& client, std::size_t before, std::string_view sql) {
        Bytes bytes;
        for (; before > 0; --before) require(wire::encode(wire::LeaderRequest{}, bytes));
        require(wire::encode(wire::ExecSqlRequest{.sql = sql}, bytes));
        require(wire::encode(wire::InterruptRequest{}, bytes));
        if (client.session().wants_input()) client.send_bytes(bytes);
    }

    // A text of its own, or a kept statement, with any flags and a time that may be over soon.
    void send_run(Client& client, std::uint8_t size, std::string_view text, ByteReader& moves) {
        const std::uint64_t flags = moves.u8();
        const bool kept = size % 4 == 1;
        static const std::vector<wire::Value> kValues(3, wire::Value(std::int64_t{1}));
        send(client,
             wire::RunRequest{.flags = flags & wire::run::kAll,
                              .statement = kept ? 1 + size % 3u : 0,
                              .timeout_ms = flags % 5 == 0 ? size : 0u,
                              .sql = kept ? "" : text,
                              .parameters = wire::Parameters(std::span(kValues).first(size % 4u))});
    }

    static void require(const Status& status) {
        if (!status.ok()) std::abort();
    }

    static session::Options options() {
        session::Options options;
        options.busy_timeout = std::chrono::milliseconds(100);
        options.idle_transaction = std::chrono::milliseconds(200);
        return options;
    }

    void send(Client& client, const wire::Request& request) {
        if (client.session().wants_input()) client.send(request);
    }

    Cluster cluster_;
    std::array<std::unique_ptr<Client>, 3> clients_;
};

}  // namespace

void run_moves(ByteView input) {
    Moves().run(input);
}

}  // namespace quorlite::test
