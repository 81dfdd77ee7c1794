// How fast one core takes single-row transactions and point reads: Connection, Statement, capture
// and encoding, with no log and no network. Prints one line each.
#include <cstdio>
#include <ctime>

#include "tests/database/support.h"

namespace quorlite::database {
namespace {

constexpr int kRows = 300'000;
constexpr int kCommitLag = 64;  // transactions that are proposed and not committed yet

template <class Body>
void measure(const char* what, int count, Body body) {
    const std::clock_t begin = std::clock();  // of this process: what others run does not count
    for (int i = 0; i < count; ++i) body(i);
    const double taken_s = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    std::printf("%-34s %9.0f /s\n", what, count / taken_s);
}

class Bench {
public:
    Bench() : follower_(2), writer_((open(leader_), leader_), log_) {
        open(follower_);
        database_ = &writer_.database();
        const Status made = writer_.run("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INT)");
        if (!made.ok()) std::abort();
        insert_ = std::move(
            writer_.connection().prepare("INSERT INTO t(name, n) VALUES(?, ?)")->statement);
        update_ = std::move(
            writer_.connection().prepare("UPDATE t SET n = n + 1 WHERE id = ?")->statement);
        read_ = std::move(
            writer_.connection().prepare("SELECT name, n FROM t WHERE id = ?")->statement);
    }

    void run() {
        measure("insert, one row a transaction", kRows, [this](int i) {
            insert_->bind(1, std::string_view("a name of some length")).ok();
            insert_->bind(2, std::int64_t{i}).ok();
            write(*insert_);
        });
        measure("update at random", kRows, [this](int) {
            update_->bind(1, static_cast<std::int64_t>(random_.below(kRows) + 1)).ok();
            write(*update_);
        });
        measure("read at random", kRows, [this](int) {
            read_->bind(1, static_cast<std::int64_t>(random_.below(kRows) + 1)).ok();
            if (!*read_->step()) std::abort();
            read_->reset();
        });
        const Index last(log_.size());
        leader_.store->committed(last);
        measure("apply", static_cast<int>(log_.size()), [this](int i) {
            const Index index(static_cast<std::uint64_t>(i) + 1);
            if (!follower_.store->apply(index, Term(1), *log_[static_cast<std::size_t>(i)]).ok()) {
                std::abort();
            }
            follower_.store->log_durable(index);
            if (i % 1000 == 0) follower_.executor.run();
        });
        std::size_t bytes = 0;
        for (const auto& command : log_) bytes += command->size();
        std::printf("%-34s %9.1f bytes\n", "a command",
                    static_cast<double>(bytes) / static_cast<double>(log_.size()));
        std::printf("%-34s %9.1f MiB\n", "memory of the leader",
                    static_cast<double>(leader_.store->memory_bytes()) / (1 << 20));
    }

private:
    static void open(Node& node) {
        if (!node.open().ok()) std::abort();
    }

    void write(Statement& statement) {
        const auto ticket = database_->writers().acquire("bench", Duration::zero(), [](Status) {});
        if (!statement.step().ok()) std::abort();
        const Capture capture = writer_.connection().take_capture();
        if (!capture.commands.empty()) {
            log_.insert(log_.end(), capture.commands.begin(), capture.commands.end());
            database_->proposed(Index(log_.size()));
        }
        statement.reset();
        database_->writers().release(ticket);
        if (log_.size() % kCommitLag == 0) {
            leader_.store->committed(Index(log_.size()));
            leader_.store->log_durable(Index(log_.size()));
            leader_.executor.run();
        }
    }

    Node leader_;
    Node follower_;
    Log log_;
    Writer writer_;
    sim::Seeded random_{7};
    Database* database_ = nullptr;
    std::unique_ptr<Statement> insert_;
    std::unique_ptr<Statement> update_;
    std::unique_ptr<Statement> read_;
};

}  // namespace
}  // namespace quorlite::database

int main() {
    quorlite::database::Bench().run();
}
