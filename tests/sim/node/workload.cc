#include "tests/sim/node/workload.h"

#include <algorithm>

#include "tests/sim/node/reference.h"

namespace quorlite::sim {
namespace {

constexpr int kLists = 6;
constexpr int kRegisters = 4;
constexpr Duration kLongPauseMax = std::chrono::seconds(3);
constexpr Duration kWandererPatience = std::chrono::milliseconds(300);

std::int64_t to_integer(const std::string& cell) {
    return std::strtoll(cell.c_str(), nullptr, 10);
}

// Values separated, and followed, by spaces.
std::vector<std::int64_t> to_list(const std::string& cell) {
    std::vector<std::int64_t> list;
    const char* at = cell.c_str();
    for (char* end = nullptr;; at = end) {
        const std::int64_t value = std::strtoll(at, &end, 10);
        if (end == at) return list;
        list.push_back(value);
    }
}

std::string insert_history(std::uint64_t id) {
    return "INSERT INTO history (op) VALUES (" + std::to_string(id) + ")";
}

const std::string kLength =
    "SELECT count(*), coalesce(max(place), 0), (SELECT n FROM written), "
    "(SELECT sum(balance) FROM accounts) FROM history";

// Tables whose content the serial transactions alone decide, in the order of their places.
const std::vector<std::string> kSerialTables = {
    "SELECT k, t, length(b), substr(b, 1, 4) FROM things ORDER BY k",
    "SELECT w, n FROM words ORDER BY w", "SELECT id, balance FROM accounts ORDER BY id",
    "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"};

}  // namespace

std::vector<std::string> Workload::schema() const {
    std::vector<std::string> schema;
    if (options_.auto_vacuum) schema = {"PRAGMA auto_vacuum=1", "VACUUM"};
    for (const char* const sql :
         {"CREATE TABLE history (place INTEGER PRIMARY KEY, op INTEGER NOT NULL)",
          "CREATE TABLE written (n INTEGER NOT NULL)", "INSERT INTO written VALUES (0)",
          "CREATE TRIGGER count_writes AFTER INSERT ON history BEGIN UPDATE written SET n = n + 1; "
          "END",
          "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
          "CREATE TABLE things (k INTEGER PRIMARY KEY, t TEXT, b BLOB)",
          "CREATE INDEX things_t ON things (t)",
          "CREATE TABLE words (w TEXT UNIQUE NOT NULL, n INTEGER CHECK (n < 10))",
          "CREATE TABLE lists (k INTEGER PRIMARY KEY, v TEXT NOT NULL)",
          "CREATE TABLE registers (k INTEGER PRIMARY KEY, v INTEGER NOT NULL)",
          "CREATE TABLE counters (n INTEGER NOT NULL)", "INSERT INTO counters VALUES (0)",
          "CREATE TABLE probes (n INTEGER NOT NULL)", "INSERT INTO probes VALUES (0)"}) {
        schema.emplace_back(sql);
    }
    for (int i = 0; i < kAccounts; ++i) {
        schema.push_back("INSERT INTO accounts VALUES (" + std::to_string(i) + ", " +
                         std::to_string(kTotalBalance / kAccounts) + ")");
    }
    for (int i = 0; i < kLists; ++i) {
        schema.push_back("INSERT INTO lists VALUES (" + std::to_string(i) + ", '')");
    }
    for (int i = 0; i < kRegisters; ++i) {
        schema.push_back("INSERT INTO registers VALUES (" + std::to_string(i) + ", 0)");
    }
    return schema;
}

// --- the clients' day ---

void Workload::employ(SimClient& client, Job job) {
    const bool sleeps = world_.random.chance(job == Job::kWatch ? 0.5 : 0.05);
    const Duration most = sleeps ? kLongPauseMax : options_.pause_max;
    const Duration pause = world_.random.between(Duration(0), most);
    world_.schedule(world_.now() + pause, [this, &client, job] {
        if (!stopping_) next(client, job);
    });
}

void Workload::next(SimClient& client, Job job) {
    // Some operations come over a new connection, which may find another leader.
    const double anew = job == Job::kWander ? 1 : job == Job::kWatch ? 0 : 0.1;
    if (world_.random.chance(anew)) client.disconnect();
    if (job == Job::kWander) {
        client.patience = 0;
        client.impatience_max = kWandererPatience;
    }
    Operation operation = job == Job::kWatch    ? any_read()
                          : job == Job::kWander ? short_write()
                                                : any_operation();
    operation.done = [this, &client, job, done = std::move(operation.done)](Ended ended) {
        done(std::move(ended));
        employ(client, job);
    };
    client.run(std::move(operation));
}

Operation Workload::any_operation() {
    static constexpr Choice kChoices[] = {
        {30, &Workload::serial_write},     {15, &Workload::length_read},
        {1, &Workload::long_read},         {5, &Workload::two_reads},
        {20, &Workload::list_transaction}, {20, &Workload::register_operation},
        {5, &Workload::increment},         {4, &Workload::two_statements},
    };
    std::uint64_t drawn = world_.random.below(100);
    for (const Choice& choice : kChoices) {
        if (drawn < choice.weight) return (this->*choice.make)();
        drawn -= choice.weight;
    }
    return serial_write();
}

Operation Workload::any_read() {
    return world_.random.chance(0.5) ? length_read() : two_reads();
}

void Workload::wrong(std::string what) {
    if (complaint_.empty()) complaint_ = std::move(what);
}

void Workload::note_write(const Ended& ended) {
    acknowledged_ += ended.committed();
}

std::string Workload::begin_text() {
    return world_.random.chance(0.7) ? "BEGIN IMMEDIATE" : "BEGIN";
}

// --- serial transactions ---

std::string Workload::transfer_text() {
    const auto from = number(kAccounts);
    const auto to = number(kAccounts);
    const auto amount = number(10);
    return "UPDATE accounts SET balance = balance - " + amount + " WHERE id = " + from +
           "; UPDATE accounts SET balance = balance + " + amount + " WHERE id = " + to;
}

// Reads two balances and writes what it made of them: a lost update changes the total.
std::vector<Request> Workload::transfer_by_hand() {
    const std::uint64_t from = world_.random.below(kAccounts);
    const std::uint64_t to = (from + 1 + world_.random.below(kAccounts - 1)) % kAccounts;
    const auto amount = static_cast<std::int64_t>(world_.random.below(10));
    const auto balance_of = [](std::uint64_t id) {
        return "SELECT balance FROM accounts WHERE id = " + std::to_string(id);
    };
    const auto set = [](std::uint64_t id, std::int64_t change, std::size_t ago) {
        return [id, change, ago](const std::vector<Reply>& replies) {
            const auto& rows = replies[replies.size() - ago].rows;
            const std::int64_t balance = to_integer(rows.at(0).at(0)) + change;
            return "UPDATE accounts SET balance = " + std::to_string(balance) +
                   " WHERE id = " + std::to_string(id);
        };
    };
    return {{.sql = balance_of(from), .query = true},
            {.sql = balance_of(to), .query = true},
            {.sql = {}, .make = set(from, -amount, 2)},
            {.sql = {}, .make = set(to, amount, 2)}};
}

// Not zeros, which the log would hardly feel.
std::string Workload::some_bytes() {
    const auto bytes = world_.random.below(6) == 0 ? number(60000) : number(300);
    return "replace(hex(zeroblob(" + bytes + ")), '0', '" + number(10) + "')";
}

std::string Workload::random_statement() {
    const auto key = number(200);
    const auto word = "'word " + number(30) + "'";
    switch (world_.random.below(14)) {
        case 0:
            return "DELETE FROM things WHERE k = " + key;
        case 1:
            return "DELETE FROM things WHERE k BETWEEN " + key + " AND " + key + " + 40";
        case 2:
            return "UPDATE things SET t = t || 'x' WHERE k % 7 = " + key + " % 7";
        case 3:
            return "UPDATE things SET b = " + some_bytes() + " WHERE k = " + key;
        case 4:
            return "INSERT INTO words VALUES (" + word + ", 1)";
        case 5:
            return "INSERT INTO words VALUES (" + word +
                   ", 1) ON CONFLICT (w) DO UPDATE SET n = n + 3";
        case 6:
            return "INSERT INTO words SELECT 'word ' || (k % 30), k % 12 FROM things LIMIT 3";
        case 7:
            return "UPDATE OR IGNORE words SET w = 'word ' || (n + " + key + " % 30)";
        case 8:
            return "SAVEPOINT s; DELETE FROM words; UPDATE things SET t = 'gone'; ROLLBACK TO s; "
                   "RELEASE s";
        case 9:
            return "CREATE TABLE IF NOT EXISTS extra_" + number(3) + " (a, b)";
        case 10:
            return "DROP TABLE IF EXISTS extra_" + number(3);
        default:
            return "INSERT OR REPLACE INTO things VALUES (" + key + ", 'thing " + number(1000) +
                   "', " + some_bytes() + ")";
    }
}

Operation Workload::serial_write() {
    const std::uint64_t id = ++last_id_;
    std::vector<Request> requests;
    const auto add = [&](std::string sql, bool may_fail = false) {
        requests.push_back({.sql = std::move(sql), .may_fail = may_fail});
    };
    switch (world_.random.below(4)) {
        case 0:
            add(insert_history(id));
            break;
        case 1:
            add(begin_text() + "; " + transfer_text() + "; " + insert_history(id) + "; COMMIT");
            break;
        case 2:
            add(begin_text());
            for (auto more = world_.random.between(1, 3); more > 0; --more) {
                add(random_statement(), true);
            }
            add(insert_history(id));
            add("COMMIT");
            break;
        default:
            add(begin_text());
            for (Request& request : transfer_by_hand()) requests.push_back(std::move(request));
            add(insert_history(id));
            add("COMMIT");
    }
    requests.back().commits = true;
    return serial(id, std::move(requests));
}

Operation Workload::serial(std::uint64_t id, std::vector<Request> requests) {
    return {.requests = std::move(requests), .done = [this, id](const Ended& ended) {
                serial_texts_[id] = ended.texts;
                history_.add(check::Write{id, ended.began, ended.ended, ended.outcome});
                note_write(ended);
            }};
}

Operation Workload::short_write() {
    const std::uint64_t id = ++last_id_;
    return serial(id, {{.sql = insert_history(id), .commits = true}});
}

// Two statements, each a transaction, in one text: "not leader" after the first would be a lie.
Operation Workload::two_statements() {
    const std::uint64_t id = ++last_id_;
    return serial(id, {{.sql = insert_history(id) + "; UPDATE written SET n = n WHERE n < 0",
                        .commits = true,
                        .several = true}});
}

// --- reads of the history ---

Operation Workload::watched_read(std::vector<Request> requests,
                                 std::function<void(const Ended&)> look) {
    const auto done = [look = std::move(look)](const Ended& ended) {
        if (ended.committed()) look(ended);
    };
    return {.requests = std::move(requests), .done = done};
}

void Workload::note_length(const Row& row, const Ended& ended) {
    if (row[0] != row[1]) wrong("a read found a gap in the history");
    if (row[0] != row[2]) {
        wrong("a read found the trigger's count off: " + row[0] + ", " + row[2]);
    }
    bank_.read({to_integer(row[3])});
    history_.add(
        check::Read{static_cast<std::uint64_t>(to_integer(row[0])), ended.began, ended.ended});
}

Operation Workload::length_read() {
    return watched_read({{.sql = kLength, .query = true}}, [this](const Ended& ended) {
        note_length(ended.replies[0].rows.at(0), ended);
    });
}

Operation Workload::two_reads() {
    return watched_read({{.sql = "BEGIN"},
                         {.sql = kLength, .query = true},
                         {.sql = kLength, .query = true},
                         {.sql = "COMMIT"}},
                        [this](const Ended& ended) {
                            if (ended.replies[1].rows != ended.replies[2].rows) {
                                wrong("two reads of one transaction differ");
                            }
                            note_length(ended.replies[1].rows.at(0), ended);
                        });
}

// Comes in several batches, and takes long enough to give the loop away.
Operation Workload::long_read() {
    const std::string sql =
        "SELECT h.place, (SELECT n FROM written), hex(zeroblob(200)) FROM history h ORDER BY "
        "place";
    return watched_read({{.sql = sql, .query = true}}, [this](const Ended& ended) {
        const auto& rows = ended.replies[0].rows;
        const std::string length = std::to_string(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (rows[i][0] != std::to_string(i + 1) || rows[i][1] != length) {
                wrong("row " + std::to_string(i + 1) + " of " + length +
                      " of a long read is of another state: " + rows[i][0] + ", " + rows[i][1]);
                return;
            }
        }
        history_.add(check::Read{rows.size(), ended.began, ended.ended});
    });
}

// --- lists, registers, the counter ---

Operation Workload::list_transaction() {
    check::ListTransaction transaction;
    Operation operation;
    const bool appends = world_.random.chance(0.7);
    const std::uint64_t count = world_.random.between(1, 4);
    const bool alone = count == 1;
    if (!alone) operation.requests.push_back({.sql = appends ? begin_text() : "BEGIN"});
    for (std::uint64_t i = 0; i < count; ++i) {
        check::ListAction action{.key = static_cast<std::int64_t>(world_.random.below(kLists)),
                                 .append = appends && world_.random.chance(0.6),
                                 .read = {}};
        const std::string where = " WHERE k = " + std::to_string(action.key);
        if (action.append) {
            action.value = ++last_value_;
            operation.requests.push_back({.sql = "UPDATE lists SET v = v || '" +
                                                 std::to_string(action.value) + " '" + where});
        } else {
            operation.requests.push_back({.sql = "SELECT v FROM lists" + where, .query = true});
        }
        transaction.actions.push_back(std::move(action));
    }
    if (!alone) operation.requests.push_back({.sql = "COMMIT"});
    operation.requests.back().commits = true;
    operation.done = [this, alone, appends, transaction](const Ended& ended) mutable {
        transaction.began = ended.began;
        transaction.ended = ended.ended;
        transaction.outcome = ended.outcome;
        for (std::size_t i = 0; i < transaction.actions.size() && ended.committed(); ++i) {
            if (transaction.actions[i].append) continue;
            const auto& rows = ended.replies[i + (alone ? 0 : 1)].rows;
            transaction.actions[i].read = to_list(rows.at(0).at(0));
        }
        if (appends) note_write(ended);
        lists_.add(std::move(transaction));
    };
    return operation;
}

Operation Workload::register_operation() {
    using Kind = check::RegisterOperation::Kind;
    const auto key = static_cast<std::int64_t>(world_.random.below(kRegisters));
    check::RegisterOperation done;
    const std::string where = " WHERE k = " + std::to_string(key);
    Request request{.sql = {}, .commits = true};
    const std::uint64_t drawn = world_.random.below(10);
    if (drawn < 5) {
        request.sql = "SELECT v FROM registers" + where;
        request.query = true;
    } else {
        done.kind = drawn < 8 ? Kind::kWrite : Kind::kCompareAndSet;
        done.value = ++last_value_;
        request.sql = "UPDATE registers SET v = " + std::to_string(done.value) + where;
        if (done.kind == Kind::kCompareAndSet) {  // some of the newest values; many are overwritten
            done.expected = last_value_ - static_cast<std::int64_t>(world_.random.below(20));
            request.sql += " AND v = " + std::to_string(done.expected);
        }
    }
    return {.requests = {request}, .done = [this, key, done](const Ended& ended) mutable {
                done.began = ended.began;
                done.ended = ended.ended;
                done.outcome = ended.outcome;
                if (ended.committed() && done.kind == Kind::kRead) {
                    done.value = to_integer(ended.replies[0].rows.at(0).at(0));
                }
                if (ended.committed()) done.swapped = ended.replies[0].changed == 1;
                if (done.kind != Kind::kRead) note_write(ended);
                registers_.add(key, done);
            }};
}

Operation Workload::increment() {
    return {.requests = {{.sql = "UPDATE counters SET n = n + 1", .commits = true}},
            .done = [this](const Ended& ended) {
                counter_.add(ended.outcome);
                note_write(ended);
            }};
}

// --- the end ---

const std::vector<std::string>& Workload::final_queries() {
    static const std::vector<std::string> kQueries = [] {
        std::vector<std::string> queries = {"SELECT op FROM history ORDER BY place",
                                            kLength,
                                            "SELECT v FROM lists ORDER BY k",
                                            "SELECT v FROM registers ORDER BY k",
                                            "SELECT n FROM counters",
                                            "PRAGMA integrity_check"};
        queries.insert(queries.end(), kSerialTables.begin(), kSerialTables.end());
        return queries;
    }();
    return kQueries;
}

std::optional<std::string> Workload::verdict(const std::vector<std::vector<Row>>& answers) {
    const std::int64_t now = world_.now().count();
    std::vector<std::uint64_t> serial;
    for (const Row& row : answers[0]) {
        serial.push_back(static_cast<std::uint64_t>(to_integer(row[0])));
    }
    note_length(answers[1].at(0), {.began = now, .ended = now});
    check::ListTransaction last{
        .actions = {}, .began = now, .ended = now + 1, .outcome = check::Outcome::kCommitted};
    for (std::size_t i = 0; i < answers[2].size(); ++i) {
        last.actions.push_back(
            {.key = static_cast<std::int64_t>(i), .read = to_list(answers[2][i][0])});
    }
    lists_.add(last);
    for (std::size_t i = 0; i < answers[3].size(); ++i) {
        registers_.add(static_cast<std::int64_t>(i), {.value = to_integer(answers[3][i][0]),
                                                      .began = now,
                                                      .ended = now + 1,
                                                      .outcome = check::Outcome::kCommitted});
    }
    auto wrong = history_.contradiction(serial);
    if (!wrong) wrong = bank_.contradiction();
    if (!wrong) wrong = lists_.contradiction();
    if (!wrong) wrong = registers_.contradiction();
    if (!wrong) wrong = counter_.contradiction(to_integer(answers[4].at(0).at(0)));
    if (!wrong && answers[5] != std::vector<Row>{{"ok"}}) wrong = "integrity_check found damage";
    if (!wrong) wrong = compare_with_reference(serial, answers);
    if (!wrong && !complaint_.empty()) wrong = complaint_;
    return wrong;
}

// Runs the serial transactions again, in their order, on a plain SQLite.
std::optional<std::string> Workload::compare_with_reference(
    const std::vector<std::uint64_t>& serial, const std::vector<std::vector<Row>>& answers) {
    Reference reference;
    for (const std::string& sql : schema()) reference.run(sql);
    for (const std::uint64_t id : serial) {
        for (const std::string& sql : serial_texts_[id]) reference.run(sql);
    }
    const std::size_t first = answers.size() - kSerialTables.size();
    for (std::size_t i = 0; i < kSerialTables.size(); ++i) {
        const auto expected = reference.query(kSerialTables[i]);
        if (answers[first + i] == expected) continue;
        return "a plain SQLite that ran the same transactions answers otherwise: " +
               kSerialTables[i];
    }
    return {};
}

}  // namespace quorlite::sim
