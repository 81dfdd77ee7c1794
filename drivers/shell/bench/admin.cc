#include "drivers/shell/bench/admin.h"

#include <signal.h>

#include <algorithm>
#include <span>
#include <thread>

#include "drivers/shell/bench/workload.h"

namespace quorlite::benchmark {
namespace {

constexpr auto kPause = std::chrono::milliseconds(20);

Time soon(Time deadline) {
    return std::min(deadline, SteadyClock::now() + std::chrono::seconds(2));
}

Status expect_voters(const std::string& address, std::size_t count, Time deadline) {
    Result<Link> link = Link::dial(address, deadline);
    if (!link) return link.error();
    const Result<wire::Response> leader = link->call(wire::LeaderRequest(), deadline);
    if (!leader) return leader.error();
    const auto* server = std::get_if<wire::ServerResponse>(&*leader);
    if (server == nullptr || server->address.empty()) {
        return Error{code::kNotLeader, address + " knows no leader"};
    }
    const Result<wire::Response> answer = link->call(wire::ClusterRequest(), deadline);
    if (!answer) return answer.error();
    const auto* members = std::get_if<wire::ServersResponse>(&*answer);
    if (members == nullptr) return Error{code::kProtocol, "no SERVERS for CLUSTER"};
    const auto voters =
        std::ranges::count(members->servers, wire::Role::kVoter, &wire::Server::role);
    if (static_cast<std::size_t>(voters) == count) return {};
    return Error{code::kError, address + " sees " + std::to_string(voters) + " voters"};
}

template <class Attempt>
Status until(Time deadline, Attempt attempt) {
    for (;;) {
        const Status status = attempt();
        if (status || SteadyClock::now() >= deadline) return status;
        std::this_thread::sleep_for(kPause);
    }
}

Status await_voters(std::span<const std::string> nodes, Time deadline) {
    for (const std::string& address : nodes) {
        const Status seen =
            until(deadline, [&] { return expect_voters(address, nodes.size(), soon(deadline)); });
        if (!seen) return seen;
    }
    return {};
}

Status add_voter(Link& leader, NodeId id, const std::string& address, Time deadline) {
    wire::AddRequest add;
    add.id = id;
    add.address = address;
    Status added = until(deadline, [&]() -> Status {
        const Result<wire::Response> answer = leader.call(add, deadline);
        return answer ? Status() : answer.error();
    });
    if (!added) return added;
    wire::AssignRequest assign;
    assign.id = id;
    assign.role = wire::Role::kVoter;
    const Result<wire::Response> assigned = leader.call(assign, deadline);
    return assigned ? Status() : assigned.error();
}

// Runs statements through the leader, each again until it succeeds.
Status run_statements(const std::vector<std::string>& nodes,
                      std::span<const std::string> statements, Time deadline) {
    Result<Link> link = dial_leader(nodes, deadline);
    if (!link) return link.error();
    wire::OpenRequest open;
    open.name = kDatabaseName;
    if (const auto opened = link->call(open, deadline); !opened) return opened.error();
    for (const std::string& text : statements) {
        const Status done = until(deadline, [&]() -> Status {
            wire::ExecSqlRequest request;
            request.sql = text;
            const Result<wire::Response> answer = link->call(request, deadline);
            return answer ? Status() : answer.error();
        });
        if (!done) return done;
    }
    return {};
}

// One attempt at a write through this node; fails if it does not lead.
Status write_through(const std::string& address, Time deadline) {
    Result<Link> link = Link::dial(address, deadline);
    if (!link) return link.error();
    const Result<wire::Response> leader = link->call(wire::LeaderRequest(), deadline);
    if (!leader) return leader.error();
    const auto* server = std::get_if<wire::ServerResponse>(&*leader);
    if (server == nullptr || server->address != address) {
        return Error{code::kNotLeader, address + " does not lead"};
    }
    wire::OpenRequest open;
    open.name = kDatabaseName;
    if (const auto opened = link->call(open, deadline); !opened) return opened.error();
    wire::ExecSqlRequest insert;
    insert.sql = "INSERT INTO inserted (value) VALUES ('after the failover')";
    const Result<wire::Response> answer = link->call(insert, deadline);
    return answer ? Status() : answer.error();
}

}  // namespace

Status form_cluster(const std::vector<std::string>& nodes, bool join, Time deadline) {
    if (join) {
        if (Status alone = await_voters(std::span(nodes).first(1), deadline); !alone) return alone;
        Result<Link> leader = dial_leader({nodes.front()}, deadline);
        if (!leader) return leader.error();
        for (std::size_t i = 1; i < nodes.size(); ++i) {
            const Status added = add_voter(*leader, NodeId(i + 1), nodes[i], deadline);
            if (!added) return added;
        }
    }
    return await_voters(nodes, deadline);
}

Status make_tables(const std::vector<std::string>& nodes, Time deadline) {
    const std::vector<std::string> statements = {
        "CREATE TABLE IF NOT EXISTS inserted (id INTEGER PRIMARY KEY, value TEXT)",
        "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, value TEXT)",
        "CREATE TABLE IF NOT EXISTS slot (id INTEGER PRIMARY KEY, value BLOB)",
        "CREATE TABLE IF NOT EXISTS filler (id INTEGER PRIMARY KEY, value BLOB)",
        "REPLACE INTO item (id, value) WITH RECURSIVE counter (n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < " +
            std::to_string(kItemCount) + ") SELECT n, printf('%0" + std::to_string(kItemBytes) +
            "d', n) FROM counter",
    };
    return run_statements(nodes, statements, deadline);
}

Status fill(const std::vector<std::string>& nodes, std::uint64_t megabytes, Time deadline) {
    const std::vector<std::string> statements(
        megabytes, "INSERT INTO filler (value) SELECT randomblob(1000) FROM item LIMIT 1000");
    return run_statements(nodes, statements, deadline);
}

Result<double> fail_over(const std::vector<std::string>& nodes, const std::vector<int>& processes,
                         Time deadline) {
    std::size_t leader = nodes.size();
    const Status led = until(deadline, [&]() -> Status {
        for (leader = 0; leader < nodes.size(); ++leader) {
            if (write_through(nodes[leader], soon(deadline))) return {};
        }
        return Error{code::kNotLeader, "no node leads"};
    });
    if (!led) return led.error();
    const Time killed = SteadyClock::now();
    if (kill(processes.at(leader), SIGKILL) != 0) return Error{code::kError, "kill failed"};
    while (SteadyClock::now() < deadline) {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (i == leader || !write_through(nodes[i], soon(deadline))) continue;
            return std::chrono::duration<double>(SteadyClock::now() - killed).count();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Error{code::kNotLeader, "no write was acknowledged after the leader was killed"};
}

}  // namespace quorlite::benchmark
