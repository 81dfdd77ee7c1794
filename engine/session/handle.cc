#include "engine/session/handle.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace quorlite::session {
namespace {

bool starts_with_pragma(std::string_view sql) {
    constexpr std::string_view kWord = "pragma";
    sql = skip_blanks(sql);
    if (sql.size() < kWord.size()) return false;
    return std::equal(kWord.begin(), kWord.end(), sql.begin(),
                      [](char lower, char any) { return lower == (any | 0x20); });
}

}  // namespace

std::string_view skip_blanks(std::string_view sql) {
    for (;;) {
        const std::size_t start = sql.find_first_not_of("; \t\n\f\r");
        if (start == std::string_view::npos) return {};
        sql.remove_prefix(start);
        std::string_view end;
        if (sql.starts_with("--")) {
            end = "\n";
        } else if (sql.starts_with("/*")) {
            end = "*/";
        } else {
            return sql;
        }
        const std::size_t found = sql.find(end, 2);
        if (found == std::string_view::npos) return {};  // SQLite ends a comment at the end of text
        sql.remove_prefix(found + end.size());
    }
}

Result<std::unique_ptr<Handle>> Handle::open(replica::Replica& replica, std::string_view name) {
    auto database = replica.store().open_database(name);
    if (!database.ok()) return std::move(database).error();
    auto connection = (*database)->connect();
    if (!connection.ok()) return std::move(connection).error();
    return std::unique_ptr<Handle>(
        new Handle(**database, std::move(*connection), replica.leadership_epoch()));
}

Handle::Handle(database::Database& database, std::unique_ptr<database::Connection> connection,
               std::uint64_t epoch)
    : database_(database), connection_(std::move(connection)), epoch_(epoch) {}

Handle::~Handle() {
    statements_.clear();
    remembered_.clear();
    if (connection_->in_transaction()) connection_->roll_back();
    connection_.reset();
    unlock();
}

Result<Prepared> Handle::prepare(std::string_view sql) {
    if (sql.size() > limits::kSqlBytesMax) return Error{code::kTooBig, "statement too long"};
    // SQLite copies a text that does not end in a zero byte, which for a long text of many
    // statements would add up to its square.
    QUORLITE_CHECK(*(sql.data() + sql.size()) == '\0');
    auto prepared = connection_->prepare({sql.data(), sql.size() + 1});
    if (!prepared.ok()) return std::move(prepared).error();
    const std::size_t length = std::min(prepared->tail, sql.size());
    const bool pragma = prepared->statement && starts_with_pragma(sql);
    return Prepared{std::move(prepared->statement), length, pragma};
}

Prepared* Handle::remember(std::string_view sql, Prepared prepared) {
    Remembered* place = nullptr;
    if (remembered_.size() < kRememberedMax) {
        remembered_.reserve(kRememberedMax);
        place = &remembered_.emplace_back();
    } else {
        place = &*std::ranges::min_element(remembered_, {}, &Remembered::used);
    }
    *place = {std::string(sql), std::move(prepared), ++uses_};
    return &place->prepared;
}

Prepared* Handle::recall(std::string_view sql) {
    for (Remembered& remembered : remembered_) {
        if (remembered.sql != sql) continue;
        remembered.used = ++uses_;
        return &remembered.prepared;
    }
    return nullptr;
}

Result<std::uint32_t> Handle::keep(Prepared prepared) {
    if (lowest_free_ >= limits::kStatementsPerSessionMax) {
        return Error{code::kError,
                     "too many prepared statements on this connection: finalize some"};
    }
    if (sql_bytes_ + prepared.sql_bytes > limits::kPreparedSqlBytesMax) {
        return Error{code::kError,
                     "the prepared statements of this connection are too long: finalize some"};
    }
    sql_bytes_ += prepared.sql_bytes;
    const std::size_t id = lowest_free_;
    if (id == statements_.size()) statements_.emplace_back();
    statements_[id] = std::move(prepared);
    while (lowest_free_ < statements_.size() && statements_[lowest_free_].statement) ++lowest_free_;
    return static_cast<std::uint32_t>(id);
}

Prepared* Handle::find(std::uint64_t id) {
    if (id >= statements_.size() || !statements_[id].statement) return nullptr;
    return &statements_[id];
}

void Handle::drop(std::uint64_t id) {
    QUORLITE_CHECK(find(id) != nullptr);
    sql_bytes_ -= statements_[id].sql_bytes;
    statements_[id] = {};
    lowest_free_ = std::min(lowest_free_, static_cast<std::size_t>(id));
}

void Handle::lock(std::string holder, Duration timeout, database::WriterQueue::Granted granted) {
    QUORLITE_CHECK(!has_lock());
    ticket_ = database_.writers().acquire(std::move(holder), timeout, std::move(granted));
}

void Handle::unlock() {
    if (!has_lock()) return;
    const auto ticket = std::exchange(ticket_, database::WriterQueue::Ticket::kNone);
    database_.writers().release(ticket);
}

void Handle::unlock_if_idle() {
    if (has_lock() && !connection_->holds_write_transaction()) unlock();
}

}  // namespace quorlite::session
