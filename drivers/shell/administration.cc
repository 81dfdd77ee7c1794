// Commands for operators.
#include "drivers/shell/administration.h"

#include <algorithm>
#include <charconv>

#include "drivers/shell/commands.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

std::uint64_t number_of(const std::string& word, const char* what) {
    std::uint64_t number = 0;
    const char* const end = word.data() + word.size();
    const auto [parsed, error] = std::from_chars(word.data(), end, number);
    if (error != std::errc() || parsed != end) fail("'" + word + "' is no " + what);
    return number;
}

node_role role_of(const std::string& word) {
    for (const node_role role : {node_role::voter, node_role::standby, node_role::spare}) {
        if (same_word(word, to_string(role))) return role;
    }
    fail("'" + word + "' is no role: there are voter, standby and spare");
}

std::vector<value> members_row(const node_info& node) {
    return {integer_value(node.id), text_value(node.address), text_value(to_string(node.role))};
}

std::string milliseconds(std::chrono::microseconds time) {
    return seconds_text(static_cast<double>(time.count()) / 1e6);
}

void describe(Shell& shell, const node_info& node) {
    const node_description found = shell.client().cluster().describe(node.address);
    shell.show({{"id", "address", "failure_domain", "weight"},
                {{integer_value(node.id), text_value(node.address),
                  integer_value(found.failure_domain), integer_value(found.weight)}}});
}

}  // namespace

node_info find_node(Shell& shell, const std::string& word) {
    cluster& cluster = shell.client().cluster();
    if (word.empty()) return cluster.leader();
    for (const node_info& each : cluster.nodes()) {
        if (each.address == word || std::to_string(each.id) == word) return each;
    }
    fail("no member of the cluster has the id or address " + word + ": see .nodes");
}

Relation status_relation(const std::vector<node_status>& nodes) {
    Relation relation{{"id", "address", "role", "state", "term", "last", "committed", "applied",
                       "lag", "log", "latency", "trouble"},
                      {}};
    std::uint64_t last = 0;
    for (const node_status& each : nodes) {
        if (each.progress) last = std::max(last, each.progress->last);
    }
    for (const node_status& each : nodes) {
        std::vector<value> row = members_row(each.node);
        const char* const state = !each.reachable ? "down" : each.leader ? "leader" : "follower";
        row.push_back(text_value(state));
        if (each.progress) {
            const node_progress& progress = *each.progress;
            for (const std::uint64_t number :
                 {progress.term, progress.last, progress.committed, progress.applied,
                  last - std::min(last, progress.applied)}) {
                row.push_back(integer_value(number));
            }
            row.push_back(text_value(size_text(static_cast<double>(progress.log_bytes))));
        } else {
            row.resize(row.size() + 6);
        }
        row.push_back(each.reachable ? text_value(milliseconds(each.latency)) : value());
        row.push_back(each.trouble.empty() ? value() : text_value(each.trouble));
        relation.rows.push_back(std::move(row));
    }
    return relation;
}

void show_cluster(Shell& shell, Words) {
    Relation relation{{"id", "address", "role", "state", "latency"}, {}};
    for (const node_status& each : shell.client().cluster().status()) {
        std::vector<value> row = members_row(each.node);
        row.push_back(text_value(!each.reachable ? "down" : each.leader ? "leader" : "follower"));
        row.push_back(each.reachable ? text_value(milliseconds(each.latency)) : value());
        relation.rows.push_back(std::move(row));
    }
    shell.show(relation);
}

void show_leader(Shell& shell, Words) {
    const node_info leader = shell.client().cluster().leader();
    shell.show({{"id", "address"}, {{integer_value(leader.id), text_value(leader.address)}}});
}

void show_nodes(Shell& shell, Words) {
    Relation relation{{"id", "address", "role"}, {}};
    for (const node_info& each : shell.client().cluster().nodes()) {
        relation.rows.push_back(members_row(each));
    }
    shell.show(relation);
}

void show_status(Shell& shell, Words) {
    shell.show(status_relation(shell.client().cluster().status()));
}

void describe_node(Shell& shell, Words words) {
    describe(shell, find_node(shell, words.empty() ? std::string() : words[0]));
}

void set_weight(Shell& shell, Words words) {
    const std::uint64_t weight = number_of(words[1], "weight");
    const node_info node = find_node(shell, words[0]);
    shell.client().cluster().set_weight(node.address, weight);
}

void add_node(Shell& shell, Words words) {
    const node_role role = words.size() > 2 ? role_of(words[2]) : node_role::spare;
    shell.client().cluster().add({number_of(words[0], "id"), words[1], role});
}

void assign_role(Shell& shell, Words words) {
    const node_role role = role_of(words[1]);
    shell.client().cluster().assign(find_node(shell, words[0]).id, role);
}

void remove_node(Shell& shell, Words words) {
    shell.client().cluster().remove(find_node(shell, words[0]).id);
}

void transfer_leadership(Shell& shell, Words words) {
    shell.client().cluster().transfer(words.empty() ? 0 : find_node(shell, words[0]).id);
    show_leader(shell, {});
}

}  // namespace quorlite::shell
