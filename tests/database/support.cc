#include "tests/database/support.h"

#include <sqlite3.h>

#include <sstream>

#include "engine/base/check.h"

namespace quorlite::database {
namespace {

std::string hex(ByteView bytes) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

std::string blob_text(ByteView bytes) {
    return hex(bytes).insert(0, 1, 'x');
}

std::string real_text(double value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

std::string column_text(const Statement& statement, int column) {
    const wire::Value value = statement.value(column);
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* real = std::get_if<double>(&value)) return real_text(*real);
    if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
    if (const auto* blob = std::get_if<ByteView>(&value)) return blob_text(*blob);
    return "NULL";
}

std::string column_text(sqlite3_stmt* statement, int column) {
    const auto* const bytes =
        static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_NULL:
            return "NULL";
        case SQLITE_BLOB:
            return blob_text({bytes, size});
        case SQLITE_FLOAT:
            return real_text(sqlite3_column_double(statement, column));
        default:
            return reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
    }
}

}  // namespace

Result<std::string> query(Connection& connection, std::string_view sql) {
    auto prepared = connection.prepare(sql);
    if (!prepared) return std::move(prepared).error();
    if (!prepared->statement) return std::string();
    return rows_of(*prepared->statement);
}

Result<std::string> query_committed(Connection& connection, std::string_view sql) {
    auto prepared = connection.prepare(sql);
    if (!prepared) return std::move(prepared).error();
    connection.prefer_committed();
    return rows_of(*prepared->statement);
}

Result<std::string> rows_of(Statement& statement) {
    std::string rows;
    for (;;) {
        const auto row = statement.step();
        if (!row) return row.error();
        if (!*row) return rows;
        for (int i = 0; i < statement.column_count(); ++i) {
            if (i > 0) rows += '|';
            rows += column_text(statement, i);
        }
        rows += '\n';
    }
}

Status execute(Connection& connection, std::string_view sql) {
    while (!sql.empty()) {
        auto prepared = connection.prepare(sql);
        if (!prepared) return std::move(prepared).error();
        sql.remove_prefix(prepared->tail);
        if (!prepared->statement) break;
        for (;;) {
            const auto row = prepared->statement->step();
            if (!row) return row.error();
            if (!*row) break;
        }
    }
    return {};
}

std::string dump(const std::function<Result<std::string>(std::string_view)>& run) {
    const auto schema = run("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2");
    if (!schema) return "error: " + schema.error().message;
    std::string all = *schema;
    const auto tables =
        run("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
            "ORDER BY 1");
    std::istringstream names(*tables);
    for (std::string name; std::getline(names, name);) {
        const auto rows = run("SELECT * FROM \"" + name + "\" ORDER BY 1, 2");
        all += name + ":\n" + (rows ? *rows : "error: " + rows.error().message);
    }
    return all;
}

std::string dump(Connection& connection) {
    return dump([&](std::string_view sql) { return query(connection, sql); });
}

// --- Reference ---

Reference::Reference() {
    sqlite3* db = nullptr;
    QUORLITE_CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
    db_ = db;
    QUORLITE_CHECK(execute("PRAGMA foreign_keys=ON").ok());
}

Reference::~Reference() {
    sqlite3_close(static_cast<sqlite3*>(db_));
}

Status Reference::execute(std::string_view sql) {
    auto* const db = static_cast<sqlite3*>(db_);
    if (sqlite3_exec(db, std::string(sql).c_str(), nullptr, nullptr, nullptr) == SQLITE_OK)
        return {};
    return Error{sqlite3_extended_errcode(db), sqlite3_errmsg(db)};
}

Result<std::string> Reference::query(std::string_view sql) {
    auto* const db = static_cast<sqlite3*>(db_);
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
        SQLITE_OK) {
        return Error{sqlite3_errcode(db), sqlite3_errmsg(db)};
    }
    std::string rows;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            if (i > 0) rows += '|';
            rows += column_text(statement, i);
        }
        rows += '\n';
    }
    sqlite3_finalize(statement);
    return rows;
}

std::string Reference::dump() {
    return database::dump([&](std::string_view sql) { return query(sql); });
}

// --- Node ---

Node::Node(std::uint64_t seed, Options chosen)
    : options(chosen), random(seed), disk(std::make_unique<sim::SimDisk>(seed)) {
    disk->attach(executor);
}

Node::~Node() {
    store.reset();
    executor.clear();
}

Status Node::open() {
    disk->attach(executor);
    Disk& chosen = real_disk ? *real_disk : static_cast<Disk&>(*disk);
    auto opened = Store::open(chosen, executor, executor, random, options);
    if (!opened) return std::move(opened).error();
    store = std::move(*opened);
    return {};
}

void Node::kill() {
    store.reset();
    executor.clear();
    disk->kill();
}

void Node::crash(const sim::Tail& tail) {
    store.reset();
    executor.clear();
    disk->crash(tail);
}

void Node::catch_up(const Log& log, std::uint64_t last) {
    for (std::uint64_t i = store->applied_index().value() + 1; i <= last; ++i) {
        ASSERT_OK(store->apply(Index(i), Term(1), *log[i - 1]));
        store->log_durable(Index(i));
    }
}

void Node::flush() {
    store->log_durable(store->applied_index());
    executor.advance(2 * options.flush_interval);
}

std::unique_ptr<Connection> Node::connect(std::string_view name) {
    auto database = store->open_database(name);
    EXPECT_OK(database);
    auto connection = (*database)->connect();
    EXPECT_OK(connection);
    return std::move(*connection);
}

std::uint64_t Node::checksum(std::string_view name) {
    Database* const database = store->find(name);
    if (database == nullptr) return 0;
    const auto sum = database->checksum();
    EXPECT_OK(sum);
    return *sum;
}

// --- Writer ---

Writer::Writer(Node& node, Log& log, std::string name)
    : node_(node), log_(log), name_(std::move(name)) {
    reconnect();
}

namespace {

Node& opened(Node& node) {
    EXPECT_OK(node.open());
    return node;
}

}  // namespace

Leading::Leading(std::uint64_t seed, Options options)
    : node(seed, std::move(options)), writer(opened(node), log) {}

void Writer::reconnect() {
    connection_.reset();
    ticket_ = WriterQueue::Ticket::kNone;
    database_ = *node_.store->open_database(name_);
    connection_ = node_.connect(name_);
}

Status Writer::run(std::string_view sql) {
    Status status;
    while (!sql.empty() && status) {
        auto prepared = connection_->prepare(sql);
        if (!prepared) {
            status = std::move(prepared).error();
            break;
        }
        sql.remove_prefix(prepared->tail);
        if (!prepared->statement) break;
        status = run_one(*prepared->statement);
    }
    if (!status && connection_->in_transaction()) connection_->roll_back();
    if (ticket_ != WriterQueue::Ticket::kNone && !connection_->holds_write_transaction()) {
        database_->writers().release(std::exchange(ticket_, WriterQueue::Ticket::kNone));
    }
    return status;
}

Status Writer::run_one(Statement& statement) {
    if (statement.takes_write_lock() && ticket_ == WriterQueue::Ticket::kNone) {
        bool granted = false;
        ticket_ = database_->writers().acquire("writer", std::chrono::seconds(1),
                                               [&](Status status) { granted = status.ok(); });
        if (!granted) {  // the queue waits for a checkpoint, or until a flush is done
            commit();
            node_.store->log_durable(Index(log_.size()));
            node_.executor.run();
        }
        QUORLITE_CHECK(granted);
    }
    Status status;
    for (;;) {
        const auto row = statement.step();
        if (!row) status = row.error();
        if (!row || !*row) break;
    }
    propose();
    if (ticket_ != WriterQueue::Ticket::kNone && !connection_->in_transaction()) {
        database_->writers().release(std::exchange(ticket_, WriterQueue::Ticket::kNone));
    }
    return status;
}

void Writer::commit(std::uint64_t index) {
    committed_ = std::max(committed_, index);
    node_.store->committed(Index(committed_));
}

void Writer::propose() {
    const Capture capture = connection_->take_capture();
    if (capture.commands.empty()) return;
    log_.insert(log_.end(), capture.commands.begin(), capture.commands.end());
    database_->proposed(Index(log_.size()));
}

std::string Writer::must_query(std::string_view sql) {
    const auto rows = query(*connection_, sql);
    EXPECT_OK(rows);
    return rows ? *rows : "";
}

// --- SqlWorkload ---

std::string SqlWorkload::setup() {
    return "CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, t TEXT);"
           "CREATE TABLE b(id INTEGER PRIMARY KEY, a INT REFERENCES a(id) ON DELETE CASCADE, v "
           "BLOB);"
           "CREATE INDEX b_a ON b(a);"
           "CREATE TABLE w(k TEXT PRIMARY KEY, v INT) WITHOUT ROWID;"
           "CREATE VIRTUAL TABLE f USING fts5(body);"
           "CREATE TRIGGER a_w AFTER UPDATE ON a BEGIN "
           "INSERT INTO w VALUES('a' || new.id, 1) ON CONFLICT(k) DO UPDATE SET v = v + 1; END;";
}

std::string SqlWorkload::text(std::size_t bytes_max) {
    std::string text;
    const std::uint64_t words = 1 + random_.below(bytes_max / 6 + 1);
    for (std::uint64_t i = 0; i < words; ++i) {
        text += static_cast<char>('a' + random_.below(26));
        text += "ord" + number(100) + " ";
    }
    return "'" + text + "'";
}

std::string SqlWorkload::change() {
    switch (random_.below(14)) {
        case 0:
        case 1:
        case 2:
            return "INSERT OR REPLACE INTO a VALUES(" + number(300) + "," + number(1000) + "," +
                   text(200) + ");";
        case 3:
            return "UPDATE a SET n = n + 1, t = " + text(60) + " WHERE id % 7 = " + number(7) + ";";
        case 4:
            return "DELETE FROM a WHERE id BETWEEN " + number(300) + " AND " + number(300) + ";";
        case 5:
            return "INSERT INTO b(a, v) SELECT id, zeroblob(" + number(9000) +
                   ") FROM a ORDER BY id LIMIT " + number(20) + ";";
        case 6:
            return "INSERT INTO f VALUES(" + text(300) + ");";
        case 7:
            return "DELETE FROM f WHERE rowid % 5 = " + number(5) + ";";
        case 8:
            return "INSERT INTO w VALUES(" + text(40) + "," + number(9) +
                   ") ON CONFLICT DO UPDATE SET v = v + 1;";
        case 9:
            return "DELETE FROM b;";
        case 10:
            return "CREATE TABLE IF NOT EXISTS x" + number(5) + "(p, q UNIQUE);";
        case 11:
            return "DROP TABLE IF EXISTS x" + number(5) + ";";
        case 12:
            return "UPDATE b SET v = CAST(" + text(6000) +
                   " AS BLOB) WHERE id % 11 = " + number(11) + ";";
        default:
            return "PRAGMA user_version = " + number(1000) + ";";
    }
}

std::string SqlWorkload::next() {
    const std::uint64_t kind = random_.below(40);
    if (kind == 0) return "VACUUM;";
    if (kind == 1) return "DELETE FROM a; DELETE FROM w; DELETE FROM f;";
    if (kind == 2) return "REINDEX; ANALYZE;";
    if (kind < 12) {
        std::string sql = "BEGIN;";
        for (std::uint64_t i = 0, count = 1 + random_.below(6); i < count; ++i) {
            sql += change();
            if (random_.below(4) == 0) {
                sql += "SAVEPOINT s;" + change() + change();
                sql += random_.below(2) == 0 ? "ROLLBACK TO s;" : "RELEASE s;";
            }
        }
        return sql + (random_.below(4) == 0 ? "ROLLBACK;" : "COMMIT;");
    }
    return change();
}

FatalGuard::FatalGuard() {
    set_fatal_handler([](std::string_view what) { throw Died{std::string(what)}; });
}

FatalGuard::~FatalGuard() {
    set_fatal_handler(nullptr);
}

}  // namespace quorlite::database
