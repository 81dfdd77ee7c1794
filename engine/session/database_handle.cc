#include "engine/session/database_handle.h"

#include <algorithm>
#include <chrono>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace quorlite::session {

Result<std::unique_ptr<DatabaseHandle>> DatabaseHandle::open(replica::Replica& replica,
                                                             std::string_view name,
                                                             Duration idle_max) {
    auto database = replica.store().open_database(name);
    if (!database.ok()) return std::move(database).error();
    auto connection = (*database)->connect();
    if (!connection.ok()) return std::move(connection).error();
    return std::unique_ptr<DatabaseHandle>(new DatabaseHandle(
        **database, std::move(*connection), replica.leadership_epoch(), idle_max));
}

DatabaseHandle::DatabaseHandle(database::Database& database,
                               std::unique_ptr<database::Connection> connection,
                               std::uint64_t epoch, Duration idle_max)
    : database_(database), connection_(std::move(connection)), epoch_(epoch), idle_max_(idle_max) {}

DatabaseHandle::~DatabaseHandle() {
    table_.clear();
    cache_.clear();
    if (connection_->in_transaction()) connection_->roll_back();
    connection_.reset();
    unlock();
}

Result<Prepared> DatabaseHandle::prepare(std::string_view sql) {
    if (sql.size() > limits::kSqlBytesMax) {
        return Error{code::kTooBig, "statement too long: a text may have " +
                                        std::to_string(limits::kSqlBytesMax) + " bytes"};
    }
    // SQLite copies a text that does not end in a zero byte, which for a long text of many
    // statements would add up to its square.
    QUORLITE_CHECK(*(sql.data() + sql.size()) == '\0');
    const auto own = idle_pragma(sql);
    if (!own.ok()) return own.error();
    if (own->has_value()) return prepare_idle_pragma(**own);
    auto prepared = connection_->prepare({sql.data(), sql.size() + 1});
    if (!prepared.ok()) return std::move(prepared).error();
    const std::size_t length = std::min(prepared->tail, sql.size());
    const bool pragma = prepared->statement && starts_with_pragma(sql);
    const bool changes_rows =
        prepared->statement && prepared->statement->writes() && starts_with_row_change(sql);
    return Prepared{.statement = std::move(prepared->statement),
                    .sql_bytes = length,
                    .pragma = pragma,
                    .changes_rows = changes_rows,
                    .boundary = boundary_of(sql)};
}

// It shows its value, as those of SQLite do.
Result<Prepared> DatabaseHandle::prepare_idle_pragma(const IdlePragma& pragma) {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(pragma.value.value_or(idle_max_));
    const std::string sql = "SELECT " + std::to_string(ms.count()) + " AS idle_transaction";
    auto prepared = connection_->prepare({sql.data(), sql.size() + 1});
    if (!prepared.ok()) return std::move(prepared).error();
    return Prepared{.statement = std::move(prepared->statement),
                    .sql_bytes = pragma.sql_bytes,
                    .pragma = true,
                    .idle_max = pragma.value};
}

void DatabaseHandle::lock(std::string holder, Duration timeout,
                          database::WriterQueue::Granted granted) {
    QUORLITE_CHECK(!has_lock());
    ticket_ = database_.writers().acquire(std::move(holder), timeout, std::move(granted));
}

void DatabaseHandle::unlock() {
    if (!has_lock()) return;
    const auto ticket = std::exchange(ticket_, database::WriterQueue::Ticket::kNone);
    database_.writers().release(ticket);
}

void DatabaseHandle::expire() {
    connection_->roll_back();
    unlock();
    expired_ = true;
}

Status DatabaseHandle::admit(Boundary next) {
    if (!expired_) return {};
    expired_ = next == Boundary::kNone;
    if (next == Boundary::kBegin) return {};
    if (next == Boundary::kRollback) return begin();  // there is something to be rolled back
    return rested();
}

Error DatabaseHandle::rested() const {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(idle_max_);
    return {code::kRolledBack, "the transaction was rolled back: nothing was asked for in " +
                                   std::to_string(ms.count()) +
                                   " ms (--idle-transaction): ROLLBACK, then begin again"};
}

Status DatabaseHandle::begin() {
    using namespace std::string_view_literals;
    const auto prepared = connection_->prepare("BEGIN\0"sv);
    if (!prepared.ok()) return prepared.error();
    const Result<bool> row = prepared->statement->step();
    return row.ok() ? Status() : Status(row.error());
}

void DatabaseHandle::unlock_if_idle() {
    if (has_lock() && !connection_->holds_write_transaction()) unlock();
}

}  // namespace quorlite::session
