#include "tests/check/lists.h"

#include <algorithm>
#include <deque>
#include <set>

namespace quorlite::check {
namespace {

enum Edge : unsigned { kWw = 1, kWr = 2, kRw = 4, kRealTime = 8 };

std::string name_of(std::size_t transaction) {
    std::string name(1, 'T');
    name += std::to_string(transaction);
    return name;
}

// Transactions, then points in time; an edge may stand for several dependencies.
class Graph {
public:
    explicit Graph(std::size_t transactions) : transactions_(transactions), edges_(transactions) {}

    void add(std::size_t from, std::size_t to, Edge kind) {
        if (from != to) edges_[from][to] |= kind;
    }
    std::size_t add_point() {
        edges_.emplace_back();
        return edges_.size() - 1;
    }

    // A cycle of edges of these kinds; empty if there is none.
    std::vector<std::size_t> cycle(unsigned kinds) const {
        std::vector<std::size_t> incoming(edges_.size());
        for_each(kinds, [&](std::size_t, std::size_t to) { ++incoming[to]; });
        std::deque<std::size_t> free;
        for (std::size_t i = 0; i < edges_.size(); ++i) {
            if (incoming[i] == 0) free.push_back(i);
        }
        std::vector<bool> removed(edges_.size());
        while (!free.empty()) {
            const std::size_t node = free.front();
            free.pop_front();
            removed[node] = true;
            for (const auto& [to, kind] : edges_[node]) {
                if ((kind & kinds) != 0 && --incoming[to] == 0) free.push_back(to);
            }
        }
        return walk_back(kinds, removed);
    }

    // A cycle with one edge rw, and otherwise edges of these kinds.
    std::vector<std::size_t> cycle_with_one_rw(unsigned kinds) const {
        for (std::size_t from = 0; from < edges_.size(); ++from) {
            for (const auto& [to, kind] : edges_[from]) {
                if ((kind & kRw) == 0) continue;
                auto path = shortest_path(to, from, kinds);
                if (!path.empty()) return path;
            }
        }
        return {};
    }

    std::string describe(const std::vector<std::size_t>& cycle) const {
        std::string text;
        for (const std::size_t node : cycle) {
            if (node < transactions_) text += (text.empty() ? "" : " -> ") + name_of(node);
        }
        return text;
    }

private:
    template <class Do>
    void for_each(unsigned kinds, Do what) const {
        for (std::size_t from = 0; from < edges_.size(); ++from) {
            for (const auto& [to, kind] : edges_[from]) {
                if ((kind & kinds) != 0) what(from, to);
            }
        }
    }

    // What is not removed has a predecessor that is not removed either.
    std::vector<std::size_t> walk_back(unsigned kinds, const std::vector<bool>& removed) const {
        const auto start = std::find(removed.begin(), removed.end(), false);
        if (start == removed.end()) return {};
        std::vector<std::size_t> before(edges_.size());
        for_each(kinds, [&](std::size_t from, std::size_t to) {
            if (!removed[from]) before[to] = from;
        });
        std::vector<std::size_t> path{static_cast<std::size_t>(start - removed.begin())};
        for (;;) {
            const std::size_t node = before[path.back()];
            const auto met = std::find(path.begin(), path.end(), node);
            if (met != path.end()) {
                path.erase(path.begin(), met);
                std::reverse(path.begin(), path.end());
                return path;
            }
            path.push_back(node);
        }
    }

    std::vector<std::size_t> shortest_path(std::size_t from, std::size_t to, unsigned kinds) const {
        std::map<std::size_t, std::size_t> reached{{from, from}};
        std::deque<std::size_t> next{from};
        while (!next.empty() && !reached.contains(to)) {
            const std::size_t node = next.front();
            next.pop_front();
            for (const auto& [other, kind] : edges_[node]) {
                if ((kind & kinds) == 0 || !reached.try_emplace(other, node).second) continue;
                next.push_back(other);
            }
        }
        if (!reached.contains(to)) return {};
        std::vector<std::size_t> path{to};
        while (path.back() != from) path.push_back(reached.at(path.back()));
        std::reverse(path.begin(), path.end());
        return path;
    }

    std::size_t transactions_;
    std::vector<std::map<std::size_t, unsigned>> edges_;
};

class Check {
public:
    explicit Check(const std::vector<ListTransaction>& transactions)
        : transactions_(transactions), graph_(transactions.size()) {}

    std::optional<std::string> run() {
        collect();
        if (wrong_.empty()) order_lists();
        if (wrong_.empty()) check_transactions();
        if (wrong_.empty()) check_acknowledged();
        if (wrong_.empty()) find_cycles();
        return wrong_.empty() ? std::nullopt : std::optional(wrong_);
    }

private:
    using List = std::vector<std::int64_t>;

    template <class Do>
    void for_each_read(Do what) {
        for (std::size_t i = 0; i < transactions_.size(); ++i) {
            if (transactions_[i].outcome != Outcome::kCommitted) continue;
            for (const ListAction& action : transactions_[i].actions) {
                if (!action.append) what(i, action);
            }
        }
    }

    void collect() {
        for (std::size_t i = 0; i < transactions_.size(); ++i) {
            for (const ListAction& action : transactions_[i].actions) {
                if (!action.append) continue;
                writers_[action.value] = i;
                last_append_[{i, action.key}] = action.value;
            }
        }
    }

    // The longest read of each list is its order; all others must be beginnings of it.
    void order_lists() {
        for_each_read([&](std::size_t, const ListAction& action) {
            List& order = orders_[action.key];
            if (action.read.size() > order.size()) order = action.read;
        });
        for_each_read([&](std::size_t reader, const ListAction& action) {
            const List& order = orders_[action.key];
            if (!std::equal(action.read.begin(), action.read.end(), order.begin())) {
                wrong_ = name_of(reader) + " saw list " + std::to_string(action.key) +
                         " in another order than others";
            }
        });
        for (const auto& [key, order] : orders_) {
            if (wrong_.empty()) check_values(key, order);
        }
    }

    void check_values(std::int64_t key, const List& order) {
        std::set<std::int64_t> seen;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const std::int64_t value = order[i];
            const std::string what = std::to_string(value) + " in list " + std::to_string(key);
            const auto writer = writers_.find(value);
            if (!seen.insert(value).second) {
                wrong_ = what + " was appended twice";
            } else if (writer == writers_.end()) {
                wrong_ = what + " was appended by nobody";
            } else if (transactions_[writer->second].outcome == Outcome::kNotCommitted) {
                wrong_ =
                    "G1a: " + what + " is of " + name_of(writer->second) + ", which was refused";
            }
            places_[value] = i;
        }
    }

    // What it appended itself is at the end of what it saw; what is before that was whole.
    void check_transactions() {
        for (std::size_t i = 0; i < transactions_.size() && wrong_.empty(); ++i) {
            if (transactions_[i].outcome == Outcome::kCommitted) check_transaction(i);
        }
    }

    void check_transaction(std::size_t self) {
        std::map<std::int64_t, List> own;
        for (const ListAction& action : transactions_[self].actions) {
            List& mine = own[action.key];
            if (action.append) {
                mine.push_back(action.value);
                continue;
            }
            const List& read = action.read;
            if (mine.size() > read.size() ||
                !std::equal(mine.rbegin(), mine.rend(), read.rbegin())) {
                wrong_ = name_of(self) + " did not see its own appends to list " +
                         std::to_string(action.key);
                return;
            }
            const std::size_t others = read.size() - mine.size();
            if (others > 0 && !is_last_of_writer(read[others - 1], action.key)) {
                wrong_ = "G1b: " + name_of(self) + " saw the middle of " +
                         name_of(writers_.at(read[others - 1]));
                return;
            }
            depend_on_read(self, action.key, others);
        }
    }

    bool is_last_of_writer(std::int64_t value, std::int64_t key) const {
        return last_append_.at({writers_.at(value), key}) == value;
    }

    // It saw the first `count` values that are not its own.
    void depend_on_read(std::size_t reader, std::int64_t key, std::size_t count) {
        const List& order = orders_[key];
        if (count > 0) graph_.add(writers_.at(order[count - 1]), reader, kWr);
        if (count < order.size()) graph_.add(reader, writers_.at(order[count]), kRw);
    }

    void check_acknowledged() {
        for (std::size_t i = 0; i < transactions_.size(); ++i) {
            if (transactions_[i].outcome != Outcome::kCommitted) continue;
            for (const ListAction& action : transactions_[i].actions) {
                if (!action.append || !orders_.contains(action.key)) continue;
                if (places_.contains(action.value)) continue;
                wrong_ = std::to_string(action.value) + ", which " + name_of(i) +
                         " appended to list " + std::to_string(action.key) +
                         ", was acknowledged and is lost";
                return;
            }
        }
    }

    void find_cycles() {
        for (const auto& [key, order] : orders_) {
            for (std::size_t i = 1; i < order.size(); ++i) {
                graph_.add(writers_.at(order[i - 1]), writers_.at(order[i]), kWw);
            }
        }
        if (look_for_cycles(0, "")) return;
        add_real_time();
        look_for_cycles(kRealTime, "-realtime");
    }

    bool look_for_cycles(unsigned also, const std::string& suffix) {
        if (graph_.cycle(kWw | kWr | kRw | also).empty()) return false;
        const auto found = [&](const char* name, const std::vector<std::size_t>& cycle) {
            if (cycle.empty()) return false;
            wrong_ = name + suffix + ": " + graph_.describe(cycle);
            return true;
        };
        return found("G0", graph_.cycle(kWw | also)) ||
               found("G1c", graph_.cycle(kWw | kWr | also)) ||
               found("G-single", graph_.cycle_with_one_rw(kWw | kWr | also)) ||
               found("G2", graph_.cycle(kWw | kWr | kRw | also));
    }

    // Points in time make of n * n edges 3 * n: each transaction's end is one, all are a chain, and
    // a transaction begins after the last end before it.
    void add_real_time() {
        std::vector<std::size_t> known;
        for (std::size_t i = 0; i < transactions_.size(); ++i) {
            if (transactions_[i].outcome == Outcome::kCommitted) known.push_back(i);
        }
        std::sort(known.begin(), known.end(), [&](std::size_t a, std::size_t b) {
            return transactions_[a].ended < transactions_[b].ended;
        });
        std::vector<std::pair<std::int64_t, std::size_t>> points;
        for (const std::size_t i : known) {
            const std::size_t point = graph_.add_point();
            graph_.add(i, point, kRealTime);
            if (!points.empty()) graph_.add(points.back().second, point, kRealTime);
            points.emplace_back(transactions_[i].ended, point);
        }
        for (std::size_t i = 0; i < transactions_.size(); ++i) {
            if (transactions_[i].outcome == Outcome::kNotCommitted) continue;
            const auto after = std::lower_bound(points.begin(), points.end(),
                                                std::pair(transactions_[i].began, std::size_t{0}));
            if (after != points.begin()) graph_.add(std::prev(after)->second, i, kRealTime);
        }
    }

    const std::vector<ListTransaction>& transactions_;
    Graph graph_;
    std::map<std::int64_t, std::size_t> writers_;  // by value
    std::map<std::pair<std::size_t, std::int64_t>, std::int64_t> last_append_;
    std::map<std::int64_t, List> orders_;         // by key
    std::map<std::int64_t, std::size_t> places_;  // by value
    std::string wrong_;
};

}  // namespace

std::optional<std::string> Lists::contradiction() const {
    return Check(transactions_).run();
}

}  // namespace quorlite::check
