#include "engine/database/connection.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <utility>

#include "engine/base/check.h"
#include "engine/database/authorizer.h"
#include "engine/database/extra_functions.h"
#include "engine/database/functions.h"
#include "engine/database/memory.h"
#include "engine/database/sqlite.h"
#include "engine/database/temporary.h"
#include "wire/base/errors.h"

namespace quorlite::database {
namespace {

constexpr unsigned kPartsPerQuestion = 64;

Error overloaded() {
    return Error{SQLITE_BUSY,
                 "too many statements run for long at the same time: try again, or run fewer"};
}

Error snapshot_too_old() {
    return Error{
        SQLITE_BUSY_SNAPSHOT,
        "the snapshot is too old: a read transaction was open for so long that the server had to "
        "end it; start it again"};
}

Error committed_in_part(Error cause) {
    return Error{code::kLeadershipLost,
                 "the transaction is committed, but what it wrote in temporary tables is lost: " +
                     cause.message,
                 Verdict::kInDoubt};
}

std::string_view text_of(const char* text) {
    return text == nullptr ? std::string_view() : text;
}

// What a statement does besides what SQLite does for it. It is found when the statement is
// compiled, and done when it is stepped: EXPLAIN, or a PREPARE alone, does nothing.
struct Effect {
    enum class Kind { kNone, kDeleteDatabase, kBusyTimeout, kSavepoint, kRelease, kRollBackTo };
    Kind kind = Kind::kNone;
    std::string argument;  // the time, or the savepoint's name
};

// What the authorizer saw of a statement.
struct Compiled {
    Effect effect;
    bool only_temporary = false;  // it writes, and nothing that is replicated
    bool writes_replicated = false;

    void note(int code, const char* database);
};

// Whether PRAGMA delete_database was said in this transaction, and not undone since.
class Deletion {
public:
    bool said() const { return said_; }
    void say() {
        if (!std::exchange(said_, true)) depth_ = savepoints_.size();
    }
    void ended() {
        said_ = false;
        savepoints_.clear();
    }
    void savepoint(std::string name) { savepoints_.push_back(std::move(name)); }
    void release(std::string_view name) {
        savepoints_.resize(find(name));
        depth_ = std::min(depth_, savepoints_.size());
    }
    void roll_back_to(std::string_view name) {
        const std::size_t place = find(name);
        said_ = said_ && depth_ <= place;
        savepoints_.resize(std::min(place + 1, savepoints_.size()));
    }

private:
    std::size_t find(std::string_view name) const {
        std::size_t place = savepoints_.size();
        while (place > 0 && sqlite3_stricmp(savepoints_[place - 1].c_str(), name.data()) != 0) {
            --place;
        }
        return place == 0 ? savepoints_.size() : place - 1;
    }

    bool said_ = false;
    std::size_t depth_ = 0;  // of savepoints that were open when it was said
    std::vector<std::string> savepoints_;
};

class SqliteStatement;

// Large, for SQLite calls back into it from everything that it does.
class SqliteConnection final : public PinningConnection {
public:
    SqliteConnection(ConnectionContext context, std::shared_ptr<WalEpoch> epoch)
        : context_(std::move(context)), client_(context_.vfs.make_client(std::move(epoch))) {}
    ~SqliteConnection() override;
    Status open();

    Result<Prepared> prepare(std::string_view sql) override;
    void begin_work() override;
    void end_work() override;
    bool in_transaction() const override { return sqlite3_get_autocommit(db_) == 0; }
    bool holds_write_transaction() const override {
        return sqlite3_txn_state(db_, "main") == SQLITE_TXN_WRITE;
    }
    std::int64_t last_insert_rowid() const override { return sqlite3_last_insert_rowid(db_); }
    std::int64_t changes() const override { return sqlite3_changes64(db_); }
    void roll_back() override;
    void interrupt() override {
        client_->stop.store(true, std::memory_order_relaxed);
        sqlite3_interrupt(db_);
    }
    Capture take_capture() override;
    void prefer_committed() override;
    std::optional<Duration> busy_timeout() const override { return busy_timeout_; }

    void evict() override;
    const std::shared_ptr<Client>& client() const override { return client_; }
    void limit_page_cache(std::size_t bytes) override;

    // For its statements.
    Result<bool> step(sqlite3_stmt* statement, const Effect& effect);
    void reset(sqlite3_stmt* statement);
    ColumnOrigin origin(sqlite3_stmt* statement, int column) const;
    Error error(int result);

private:
    static int authorize(void* self, int code, const char* first, const char* second,
                         const char* database, const char* trigger);
    static int progress(void* self);
    WalEpoch& epoch() const { return *client_->epoch; }
    bool current() const { return !epoch().retired(); }
    Result<bool> run(sqlite3_stmt* statement);
    Status before(const Effect& effect);
    void after(const Effect& effect);
    void note_busy_timeout(std::string_view value);
    int set_page_cache();
    void check_captured();
    Status empty_database();
    Result<int> schema_version();

    ConnectionContext context_;
    const std::shared_ptr<Client> client_;
    sqlite3* db_ = nullptr;
    bool overloaded_ = false;       // the executor wants the statement to end
    bool shows_committed_ = false;  // to what the next step begins
    std::atomic<bool> at_work_{
        false};  // from a step until take_capture(): another thread may hold a row
    std::atomic<bool> evicted_{false};
    std::optional<Duration> busy_timeout_;
    Deletion deletion_;
    Compiled compiled_;  // of the statement that is being compiled
    unsigned compiled_parts_ = 0;
    bool ended_ = false;                // what was compiled had to end
    bool finishing_ = false;            // what runs must not be interrupted
    bool trusted_ = false;              // what is compiled is our own
    std::size_t page_cache_bytes_ = 0;  // as set; context_ has what it should be
    std::string_view denial_;           // why the authorizer refused
};

class SqliteStatement final : public Statement {
public:
    SqliteStatement(SqliteConnection& connection, sqlite3_stmt* statement, Compiled compiled)
        : connection_(connection), statement_(statement), compiled_(std::move(compiled)) {}
    SqliteStatement(const SqliteStatement&) = delete;
    SqliteStatement& operator=(const SqliteStatement&) = delete;
    ~SqliteStatement() override {
        reset();
        sqlite3_finalize(statement_);
    }

    int parameter_count() const override { return sqlite3_bind_parameter_count(statement_); }
    std::string_view parameter_name(int parameter) const override {
        return text_of(sqlite3_bind_parameter_name(statement_, parameter));
    }
    int parameter_index(const std::string& name) const override {
        return sqlite3_bind_parameter_index(statement_, name.c_str());
    }
    int column_count() const override { return sqlite3_column_count(statement_); }
    std::string_view column_name(int column) const override {
        return text_of(sqlite3_column_name(statement_, column));
    }
    DeclaredType declared_type(int column) const override;
    std::string_view declaration(int column) const override {
        return text_of(sqlite3_column_decltype(statement_, column));
    }
    ColumnOrigin origin(int column) const override {
        return connection_.origin(statement_, column);
    }

    bool read_only() const override { return sqlite3_stmt_readonly(statement_) != 0; }
    bool explains() const override { return sqlite3_stmt_isexplain(statement_) != 0; }
    bool writes() const override { return !read_only() && !explains(); }
    bool takes_write_lock() const override { return writes() && !compiled_.only_temporary; }
    void reset() override { connection_.reset(statement_); }
    void clear_bindings() override { sqlite3_clear_bindings(statement_); }
    Status bind(int parameter, const wire::Value& value) override;

    Result<bool> step() override { return connection_.step(statement_, compiled_.effect); }
    wire::Value value(int column) const override;

private:
    int bind_text(int parameter, std::string_view text) {
        return sqlite3_bind_text64(statement_, parameter, text.data() == nullptr ? "" : text.data(),
                                   text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    int bind_blob(int parameter, ByteView blob) {
        if (blob.empty()) return sqlite3_bind_zeroblob(statement_, parameter, 0);
        return sqlite3_bind_blob64(statement_, parameter, blob.data(), blob.size(),
                                   SQLITE_TRANSIENT);
    }

    SqliteConnection& connection_;
    sqlite3_stmt* const statement_;
    const Compiled compiled_;
};

// A connection without a mutex may use a column's value as it is, which saves asking for its type,
// its content and its size one by one.
wire::Value SqliteStatement::value(int column) const {
    sqlite3_value* const value = sqlite3_column_value(statement_, column);
    switch (sqlite3_value_type(value)) {
        case SQLITE_INTEGER:
            return std::int64_t{sqlite3_value_int64(value)};
        case SQLITE_FLOAT:
            return sqlite3_value_double(value);
        case SQLITE_TEXT: {
            const auto* const text = reinterpret_cast<const char*>(sqlite3_value_text(value));
            if (text == nullptr) return std::string_view();
            return std::string_view(text, static_cast<std::size_t>(sqlite3_value_bytes(value)));
        }
        case SQLITE_BLOB: {
            const auto* const blob = static_cast<const std::uint8_t*>(sqlite3_value_blob(value));
            if (blob == nullptr) return ByteView();
            return ByteView(blob, static_cast<std::size_t>(sqlite3_value_bytes(value)));
        }
        default:
            return wire::Null();
    }
}

DeclaredType SqliteStatement::declared_type(int column) const {
    const char* const declared = sqlite3_column_decltype(statement_, column);
    if (declared == nullptr) return DeclaredType::kPlain;
    for (const char* const date : {"DATETIME", "DATE", "TIMESTAMP"}) {
        if (sqlite3_stricmp(declared, date) == 0) return DeclaredType::kDate;
    }
    return sqlite3_stricmp(declared, "BOOLEAN") == 0 ? DeclaredType::kBoolean
                                                     : DeclaredType::kPlain;
}

template <class... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

Status SqliteStatement::bind(int parameter, const wire::Value& value) {
    const int result = std::visit(
        Overloaded{
            [&](wire::Null) { return sqlite3_bind_null(statement_, parameter); },
            [&](std::int64_t number) { return sqlite3_bind_int64(statement_, parameter, number); },
            [&](double number) { return sqlite3_bind_double(statement_, parameter, number); },
            [&](std::string_view text) { return bind_text(parameter, text); },
            [&](ByteView blob) { return bind_blob(parameter, blob); },
            [&](wire::UnixTime time) {
                return sqlite3_bind_int64(statement_, parameter, time.seconds);
            },
            [&](wire::Iso8601 date) { return bind_text(parameter, date.text); },
            [&](wire::Boolean boolean) {
                return sqlite3_bind_int64(statement_, parameter, boolean.truth() ? 1 : 0);
            },
        },
        value);
    if (result != SQLITE_OK) return connection_.error(result);
    return {};
}

SqliteConnection::~SqliteConnection() {
    if (db_ != nullptr) {
        roll_back();
        sqlite3_progress_handler(db_, 0, nullptr, nullptr);
        sqlite3_set_authorizer(db_, nullptr, nullptr);
        sqlite3_rollback_hook(db_, nullptr, nullptr);
        sqlite3_close_v2(std::exchange(db_, nullptr));
    }
    end_work();
    if (context_.on_closed) context_.on_closed(*this);
}

Status SqliteConnection::open() {
    epoch().index().hide_committed();
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    const int opened =
        sqlite3_open_v2(Vfs::file_name(*client_).c_str(), &db_, flags, context_.vfs.name().c_str());
    if (db_ == nullptr) return Error{code::kNoMemory, "out of memory"};
    if (opened != SQLITE_OK) return error(opened);
    sqlite3_extended_result_codes(db_, 1);
    restrict_sqlite(db_);
    sqlite3_wal_autocheckpoint(db_, 0);
    int added = replace_functions(db_);
    if (added == SQLITE_OK) added = add_extra_functions(db_);
    if (added != SQLITE_OK) return error(added);
    // Freed pages are not replicated as zeros: what is dropped may be larger than the limit on a
    // transaction.
    const char* const settings = "PRAGMA synchronous=OFF; PRAGMA secure_delete=OFF";
    int set = sqlite3_exec(db_, settings, nullptr, nullptr, nullptr);
    if (set == SQLITE_OK) set = set_page_cache();
    if (set != SQLITE_OK) return error(set);
    sqlite3_set_authorizer(db_, authorize, this);
    sqlite3_progress_handler(db_, context_.operations_per_yield, progress, this);
    sqlite3_rollback_hook(
        db_, [](void* self) { static_cast<SqliteConnection*>(self)->deletion_.ended(); }, this);
    return {};
}

Result<Connection::Prepared> SqliteConnection::prepare(std::string_view sql) {
    if (!current()) return leadership_lost();
    if (sql.size() > static_cast<std::size_t>(0x7fffffff)) {
        return Error{SQLITE_TOOBIG, "string or blob too big"};
    }
    denial_ = {};
    compiled_ = {};
    ended_ = false;
    client_->read_committed = false;  // the schema is read as it is now
    epoch().index().hide_committed();
    if (sql.empty()) return Prepared{};
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    client_->stop.store(false);
    int result = SQLITE_OK;
    {
        const BoundedMemory bounded(&client_->stop);
        client_->stepping = true;
        result =
            sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, &tail);
        client_->stepping = false;
    }
    const bool stopped = std::exchange(client_->stopped, false) || client_->stop.load();
    if (result != SQLITE_OK) {
        if (evicted_.exchange(false)) {
            roll_back();
            return snapshot_too_old();
        }
        return (stopped || ended_) && !overloaded_ && current() ? interruption() : error(result);
    }
    Prepared prepared;
    prepared.tail = static_cast<std::size_t>(tail - sql.data());
    if (statement != nullptr) {
        if (sqlite3_stmt_isexplain(statement) != 0) compiled_ = {};
        prepared.statement =
            std::make_unique<SqliteStatement>(*this, statement, std::move(compiled_));
    }
    return prepared;
}

ColumnOrigin SqliteConnection::origin([[maybe_unused]] sqlite3_stmt* statement,
                                      [[maybe_unused]] int column) const {
    ColumnOrigin origin;
#if QUORLITE_SQLITE_COLUMN_METADATA
    const char* const database = sqlite3_column_database_name(statement, column);
    const char* const table = sqlite3_column_table_name(statement, column);
    const char* const name = sqlite3_column_origin_name(statement, column);
    if (table == nullptr || name == nullptr) return origin;
    origin.table = table;
    origin.column = name;
    int not_null = 0;
    int primary_key = 0;
    int auto_increment = 0;
    const int found = sqlite3_table_column_metadata(db_, database, table, name, nullptr, nullptr,
                                                    &not_null, &primary_key, &auto_increment);
    if (found != SQLITE_OK) return origin;
    origin.not_null = not_null != 0;
    origin.primary_key = primary_key != 0;
    origin.auto_increment = auto_increment != 0;
#endif
    return origin;
}

// A failure may be due to the prefix, as when a table is not there yet: it is not reported; the
// statement runs again at the newest state.
Result<bool> SqliteConnection::step(sqlite3_stmt* statement, const Effect& effect) {
    begin_work();
    if (Status allowed = before(effect); !allowed) return std::move(allowed).error();
    const bool shown = std::exchange(shows_committed_, false);
    // What it goes on with keeps its snapshot; what reads no table has none.
    if (!in_transaction() && sqlite3_stmt_busy(statement) == 0) client_->read_committed = shown;
    Result<bool> row = run(statement);
    if (shown) {
        epoch().index().hide_committed();
        if (!row.ok() && row.error().code != code::kInterrupted) {
            sqlite3_reset(statement);
            client_->read_committed = false;
            row = run(statement);
        }
    }
    if (row.ok()) after(effect);
    return row;
}

void SqliteConnection::prefer_committed() {
    begin_work();
    if (!in_transaction()) shows_committed_ = epoch().show_committed(*client_);
}

void SqliteConnection::begin_work() {
    if (at_work_.load(std::memory_order_relaxed)) return;
    at_work_.store(true, std::memory_order_relaxed);
    epoch().index().hide_committed();
    epoch().count_at_work(1);
}

void SqliteConnection::end_work() {
    if (std::exchange(shows_committed_, false)) epoch().index().hide_committed();
    if (at_work_.exchange(false, std::memory_order_relaxed)) epoch().count_at_work(-1);
    if (page_cache_bytes_ != context_.page_cache_bytes && db_ != nullptr) set_page_cache();
}

void SqliteConnection::limit_page_cache(std::size_t bytes) {
    context_.page_cache_bytes = bytes;
    if (!at_work_.load(std::memory_order_relaxed)) set_page_cache();
}

// If it fails it is tried again after the connection's next work.
int SqliteConnection::set_page_cache() {
    const std::string sql =
        "PRAGMA cache_size=-" + std::to_string(context_.page_cache_bytes / 1024);
    trusted_ = true;  // clients cannot set it
    const int set = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    trusted_ = false;
    if (set != SQLITE_OK) return set;
    if (context_.page_cache_bytes < page_cache_bytes_) sqlite3_db_release_memory(db_);
    page_cache_bytes_ = context_.page_cache_bytes;
    return SQLITE_OK;
}

void SqliteConnection::check_captured() {
    TemporarySpace::end_commit();
    if (!std::exchange(client_->captured, false)) return;
    // The command is on its way to the log, and cannot be called back.
    if (epoch().published()) return;
    fatal(std::string("SQLite failed in the middle of a commit: ") + sqlite3_errmsg(db_));
}

// --- what statements do besides ---

Status SqliteConnection::before(const Effect& effect) {
    if (effect.kind != Effect::Kind::kDeleteDatabase || holds_write_transaction()) return {};
    return Error{SQLITE_AUTH,
                 "not authorized: PRAGMA delete_database needs a write transaction: BEGIN "
                 "IMMEDIATE first"};
}

void SqliteConnection::after(const Effect& effect) {
    switch (effect.kind) {
        case Effect::Kind::kNone:
            break;
        case Effect::Kind::kDeleteDatabase:
            deletion_.say();
            break;
        case Effect::Kind::kBusyTimeout:
            note_busy_timeout(effect.argument);
            break;
        case Effect::Kind::kSavepoint:
            deletion_.savepoint(effect.argument);
            break;
        case Effect::Kind::kRelease:
            deletion_.release(effect.argument);
            break;
        case Effect::Kind::kRollBackTo:
            deletion_.roll_back_to(effect.argument);
            break;
    }
    if (!in_transaction()) deletion_.ended();
}

// PRAGMA delete_database is said in a transaction of its own, and done when that is committed;
// still under the write lock. SQLite's own way of making a database empty, whatever is in it. The
// number of the schema begins anew with that, and other connections could take the new one for the
// one that they know: so it goes on from the old. Nothing interrupts that: the database is empty
// already.
Status SqliteConnection::empty_database() {
    const auto version = schema_version();
    if (!version) return version.error();
    trusted_ = true;
    sqlite3_db_config(db_, SQLITE_DBCONFIG_RESET_DATABASE, 1, nullptr);
    int result = sqlite3_exec(db_, "VACUUM", nullptr, nullptr, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_RESET_DATABASE, 0, nullptr);
    check_captured();
    if (result == SQLITE_OK) {
        const std::string sql = "PRAGMA schema_version=" + std::to_string(*version + 1);
        sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 0, nullptr);
        finishing_ = true;
        do {
            result = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
        } while ((result & 0xff) == SQLITE_INTERRUPT && current());
        finishing_ = false;
        sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
        check_captured();
    }
    trusted_ = false;
    return result == SQLITE_OK ? Status() : Status(error(result));
}

Result<int> SqliteConnection::schema_version() {
    sqlite3_stmt* statement = nullptr;
    int result = sqlite3_prepare_v2(db_, "PRAGMA schema_version", -1, &statement, nullptr);
    if (result == SQLITE_OK) result = sqlite3_step(statement);
    const int version = result == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    const bool found = result == SQLITE_ROW;
    sqlite3_finalize(statement);
    if (!found) return error(result);
    return version;
}

Result<bool> SqliteConnection::run(sqlite3_stmt* statement) {
    if (!current()) return leadership_lost();
    client_->taken_by_other.store(false, std::memory_order_relaxed);
    denial_ = {};
    ended_ = false;
    int result = SQLITE_INTERRUPT;
    if (!evicted_.load(std::memory_order_acquire)) {
        // An interruption may have come when the statement before had already ended.
        if (sqlite3_stmt_busy(statement) == 0) client_->stop.store(false);
        const BoundedMemory bounded;
        client_->stepping = true;
        result = sqlite3_step(statement);
        client_->stepping = false;
    }
    const bool captured = client_->captured;
    check_captured();
    const bool stopped = std::exchange(client_->stopped, false);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE && deletion_.said() && !in_transaction()) {
        deletion_.ended();
        if (captured) return false;  // it is ignored in a transaction that also writes
        Status emptied = empty_database();
        if (!emptied) return std::move(emptied).error();
    }
    if (result == SQLITE_DONE) return false;
    // A statement OR FAIL that violates a constraint keeps, and commits, what it did before.
    const bool or_fail = (result & 0xff) == SQLITE_CONSTRAINT;
    if (captured && !or_fail && current()) return committed_in_part(error(result));
    if (evicted_.exchange(false)) {
        roll_back();
        return snapshot_too_old();
    }
    const bool ended = (stopped || ended_) && !overloaded_;
    return ended && current() ? interruption() : error(result);
}

// SQLite would commit an unfinished INSERT ... RETURNING when it is reset. A transaction counts
// only once step() said that it is done, so here it is undone.
void SqliteConnection::reset(sqlite3_stmt* statement) {
    epoch().index().hide_committed();
    const bool unfinished = sqlite3_stmt_busy(statement) != 0 && !sqlite3_stmt_readonly(statement);
    if (unfinished && !in_transaction()) {
        sqlite3_interrupt(db_);
        sqlite3_step(statement);
    }
    sqlite3_reset(statement);
}

Error SqliteConnection::error(int result) {
    Error found{sqlite3_extended_errcode(db_), sqlite3_errmsg(db_)};
    if ((found.code & 0xff) != (result & 0xff)) {
        found = Error{result, sqlite3_errstr(result)};  // misuse leaves no trace in the connection
    }
    if (!current()) return leadership_lost();
    if (std::exchange(overloaded_, false)) return overloaded();
    if ((result & 0xff) == SQLITE_NOMEM) {
        found.message =
            "out of memory: all statements and the values at work together reach the limit "
            "(--memory-max)";
    }
    if (TemporarySpace::take_exhausted() && (result & 0xff) == SQLITE_FULL) {
        found.message = "temporary files are too large: sort or materialise less, or add an index";
    }
    if (found.code == SQLITE_IOERR_READ && current()) found.message = epoch().read_error();
    if (found.code == SQLITE_CORRUPT) {
        found.message +=
            ": if other nodes do not say so, this node's copy is damaged: remove it from "
            "the cluster and let it join anew with an empty directory";
    }
    if (!denial_.empty()) found = {SQLITE_AUTH, "not authorized: " + std::string(denial_)};
    if (client_->transaction_too_large) {
        client_->transaction_too_large = false;
        found.message = "the transaction is too large: the limit is " +
                        std::to_string(epoch().transaction_bytes_max()) + " bytes of pages";
    }
    return found;
}

void SqliteConnection::roll_back() {
    epoch().index().hide_committed();
    for (sqlite3_stmt* statement = sqlite3_next_stmt(db_, nullptr); statement != nullptr;
         statement = sqlite3_next_stmt(db_, statement)) {
        if (sqlite3_stmt_busy(statement) != 0) reset(statement);
    }
    if (in_transaction()) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Capture SqliteConnection::take_capture() {
    end_work();
    return epoch().take_capture(*client_);
}

void SqliteConnection::evict() {
    if (evicted_.exchange(true)) return;
    if (at_work_.load(std::memory_order_relaxed)) {
        sqlite3_interrupt(db_);
    } else {
        roll_back();
    }
}

// Unless it is known to leave the replicated database alone it is assumed to write.
void Compiled::note(int code, const char* database) {
    switch (code) {
        case SQLITE_SELECT:
        case SQLITE_READ:
        case SQLITE_FUNCTION:
        case SQLITE_RECURSIVE:
            return;
        case SQLITE_CREATE_TEMP_INDEX:
        case SQLITE_CREATE_TEMP_TABLE:
        case SQLITE_CREATE_TEMP_TRIGGER:
        case SQLITE_CREATE_TEMP_VIEW:
        case SQLITE_DROP_TEMP_INDEX:
        case SQLITE_DROP_TEMP_TABLE:
        case SQLITE_DROP_TEMP_TRIGGER:
        case SQLITE_DROP_TEMP_VIEW:
            break;
        case SQLITE_INSERT:
        case SQLITE_UPDATE:
        case SQLITE_DELETE:
        case SQLITE_CREATE_INDEX:
        case SQLITE_CREATE_TABLE:
        case SQLITE_DROP_INDEX:
        case SQLITE_DROP_TABLE:
        case SQLITE_REINDEX:
            if (database == nullptr || sqlite3_stricmp(database, "main") == 0) {
                writes_replicated = true;
            }
            break;
        default:
            writes_replicated = true;
    }
    only_temporary = !writes_replicated;
}

// As SQLite's authorizer is told it.
Effect effect_of(int code, const char* first, const char* second) {
    using Kind = Effect::Kind;
    const std::string argument = second == nullptr ? "" : second;
    const auto is = [&](const char* name) { return sqlite3_stricmp(first, name) == 0; };
    if (code == SQLITE_PRAGMA) {
        if (is("delete_database")) return {Kind::kDeleteDatabase, {}};
        if (is("busy_timeout") && second != nullptr) return {Kind::kBusyTimeout, argument};
        return {};
    }
    if (is("BEGIN")) return {Kind::kSavepoint, argument};
    return {is("RELEASE") ? Kind::kRelease : Kind::kRollBackTo, argument};
}

int SqliteConnection::authorize(void* self, int code, const char* first, const char* second,
                                const char* database, const char*) {
    auto& connection = *static_cast<SqliteConnection*>(self);
    if (connection.trusted_) return SQLITE_OK;
    // SQLite says here what it compiles, which is more often than it asks whether to go on.
    if (++connection.compiled_parts_ % kPartsPerQuestion == 0 && progress(self) != 0) {
        connection.ended_ = true;
        return SQLITE_DENY;
    }
    const std::string_view refusal = refusal_of({code, first, second});
    if (!refusal.empty()) {
        connection.denial_ = refusal;
        return SQLITE_DENY;
    }
    if (code == SQLITE_PRAGMA && is_ignored_pragma(first, second)) return SQLITE_IGNORE;
    connection.compiled_.note(code, database);
    if (code == SQLITE_PRAGMA || code == SQLITE_SAVEPOINT) {
        connection.compiled_.effect = effect_of(code, first, second);
    }
    return SQLITE_OK;
}

void SqliteConnection::note_busy_timeout(std::string_view value) {
    int timeout_ms = 0;
    std::from_chars(value.data(), value.data() + value.size(), timeout_ms);
    busy_timeout_ = std::chrono::milliseconds(std::max(timeout_ms, 0));
}

int SqliteConnection::progress(void* self) {
    auto& connection = *static_cast<SqliteConnection*>(self);
    if (connection.finishing_) return 0;
    if (connection.client_->stepping && !connection.context_.executor.may_yield()) {
        connection.overloaded_ = true;
        return 1;
    }
    const bool evicted = connection.evicted_.load(std::memory_order_relaxed);
    return evicted || !connection.current() ? 1 : 0;
}

}  // namespace

Result<std::unique_ptr<PinningConnection>> open_connection(ConnectionContext context,
                                                           std::shared_ptr<WalEpoch> epoch) {
    auto connection = std::make_unique<SqliteConnection>(std::move(context), std::move(epoch));
    Status opened = connection->open();
    if (!opened) return std::move(opened).error();
    return std::unique_ptr<PinningConnection>(std::move(connection));
}

}  // namespace quorlite::database
