// The compiled parts of quorlite/connection.h.
#include <algorithm>
#include <thread>

#include "drivers/core/bulk.h"
#include "drivers/core/limits.h"
#include "drivers/core/row_source.h"
#include "drivers/sync/session.h"
#include "quorlite/connection.h"

namespace quorlite {

using core::misuse;
using core::OperationKind;
using core::OperationPtr;

namespace {

execute_result result_of(const core::Operation& operation) {
    return {operation.last_insert_id, operation.rows_affected};
}

// Rows that are fetched as they are read.
class StreamedRows : public detail::row_source {
public:
    StreamedRows(std::shared_ptr<detail::session> session, call_options chosen,
                 OperationPtr operation)
        : row_source(std::move(operation)), session_(std::move(session)), chosen_(chosen) {}
    ~StreamedRows() override { session_->abandon(operation_); }

protected:
    result<std::optional<core::Piece>> next_piece() override {
        session_->await_piece(operation_, chosen_);
        return row_source::next_piece();
    }

private:
    const std::shared_ptr<detail::session> session_;
    const call_options chosen_;
};

result<rows> begin_rows(std::unique_ptr<detail::row_source> source) {
    result<void> begun = source->begin();
    if (!begun) return std::move(begun).error();
    return rows(std::move(source));
}

result<execute_result> execute_text(detail::session& session, std::string_view sql, arguments bound,
                                    const call_options& chosen) {
    result<OperationPtr> made = core::make_statement(OperationKind::kExecute, sql, bound);
    if (!made) return std::move(made).error();
    const OperationPtr& operation = *made;
    if (operation->yields_rows) operation->kind = OperationKind::kQuery;
    session.start(operation, chosen);
    do {
        session.await_piece(operation, chosen);
        operation->pieces.clear();  // rows that nobody asked for
        operation->held_bytes = 0;
    } while (!operation->finished);
    if (operation->error) return *operation->error;
    return result_of(*operation);
}

}  // namespace

// ---- queries ----

struct batch::impl {
    std::vector<result<OperationPtr>> statements;
};

queries::queries() = default;
queries::queries(std::shared_ptr<detail::session> session, const call_options& changed)
    : session_(std::move(session)), options_(changed) {}
queries::queries(const queries& other) = default;
queries::queries(queries&& other) noexcept = default;
queries& queries::operator=(queries&& other) noexcept = default;
queries::~queries() = default;

result<execute_result> queries::try_execute_list(std::string_view sql, arguments bound) {
    return execute_text(*session_, sql, bound, options_);
}

result<rows> queries::try_query_list(std::string_view sql, arguments bound) {
    result<OperationPtr> made = core::make_statement(OperationKind::kQuery, sql, bound);
    if (!made) return std::move(made).error();
    session_->start(*made, options_);
    return begin_rows(std::make_unique<StreamedRows>(session_, options_, *made));
}

result<rows> queries::try_query_whole(std::string_view sql, arguments bound) {
    result<OperationPtr> made = core::make_statement(OperationKind::kQuery, sql, bound);
    if (!made) return std::move(made).error();
    (*made)->whole = true;
    session_->run(*made, options_);
    if ((*made)->error) return *(*made)->error;
    return begin_rows(std::make_unique<detail::row_source>(*made));
}

error_info queries::no_row() const {
    error_info error = misuse("the query gave no row");
    error.node = node();
    return error;
}

statement queries::prepare(std::string_view sql) {
    return try_prepare(sql).value();
}

result<statement> queries::try_prepare(std::string_view sql) {
    result<OperationPtr> made = core::make_statement(OperationKind::kPrepare, sql, {});
    if (!made) return std::move(made).error();
    session_->run(*made, options_);
    if ((*made)->error) return *(*made)->error;
    return statement(*this, std::string(sql), (*made)->parameters);
}

namespace {

// Of a script of which a part has been done: the whole is neither done nor not done.
error_info after_others(error_info error, std::size_t kept) {
    if (kept == 0) return error;
    error.verdict = verdict::in_doubt;
    error.may_retry = false;
    error.message += " (what the script had changed before, and committed, is done)";
    return error;
}

}  // namespace

result<void> queries::try_execute_script(std::string_view sql, std::size_t* done) {
    std::size_t at = 0;
    std::size_t kept = 0;  // statements that changed something for good
    while (true) {
        if (done) *done = at;
        const core::SqlText text = core::analyse(sql.substr(at));
        if (text.effect == core::Effect::kNone) break;
        const std::string_view first = sql.substr(at, text.end);
        const bool inside = in_transaction();
        result<execute_result> executed = execute_text(*session_, first, {}, options_);
        if (!executed) return after_others(std::move(executed).error(), kept);
        const bool writes = !inside && text.effect == core::Effect::kWrite;
        const bool commits = inside && text.effect != core::Effect::kRollback && !in_transaction();
        if (writes || commits) ++kept;
        at += text.end;
    }
    if (done) *done = sql.size();
    return {};
}

std::vector<result<rows>> queries::run(batch& statements) {
    std::vector<result<rows>> results;
    const auto made = std::exchange(statements.impl_->statements, {});
    for (const result<OperationPtr>& each : made) {
        if (each.ok()) session_->start(*each, options_);
    }
    results.reserve(made.size());
    for (const result<OperationPtr>& each : made) {
        if (!each.ok()) {
            results.emplace_back(each.error());
            continue;
        }
        session_->await(*each);
        if ((*each)->error) {
            results.emplace_back(*(*each)->error);
        } else {
            results.push_back(begin_rows(std::make_unique<detail::row_source>(*each)));
        }
    }
    return results;
}

queries queries::with(const call_options& changed) const {
    return {session_, merged(changed)};
}

call_options queries::merged(const call_options& changed) const {
    call_options both = options_;
    if (changed.timeout) both.timeout = changed.timeout;
    both.idempotent = both.idempotent || changed.idempotent;
    return both;
}

const options& queries::settings() const {
    return session_->settings();
}

std::string queries::node() const {
    return session_->node();
}

bool queries::in_transaction() const {
    return session_->in_transaction();
}

bool queries::transaction_lost() const {
    return session_->transaction_lost();
}

statement::statement(queries own, std::string sql, std::size_t parameter_count)
    : queries_(std::move(own)), sql_(std::move(sql)), parameter_count_(parameter_count) {}

// ---- batch ----

batch::batch() : impl_(std::make_unique<impl>()) {}
batch::batch(batch&& other) noexcept = default;
batch& batch::operator=(batch&& other) noexcept = default;
batch::~batch() = default;

batch& batch::add_list(std::string_view sql, arguments bound) {
    result<OperationPtr> made = core::make_statement(OperationKind::kQuery, sql, bound);
    if (made) (*made)->whole = true;
    impl_->statements.push_back(std::move(made));
    return *this;
}

std::size_t batch::size() const {
    return impl_->statements.size();
}

// ---- transactions ----

transaction::transaction(std::shared_ptr<detail::session> session, const call_options& changed)
    : queries(std::move(session), changed) {}

transaction::transaction(transaction&& other) noexcept
    : queries(static_cast<queries&&>(other)), open_(std::exchange(other.open_, false)) {}

transaction& transaction::operator=(transaction&& other) noexcept {
    if (this == &other) return *this;
    if (open_) static_cast<void>(try_rollback());
    queries::operator=(static_cast<queries&&>(other));
    open_ = std::exchange(other.open_, false);
    return *this;
}

transaction::~transaction() {
    if (!open_) return;
    const auto patience = session_->settings().interrupt_timeout;
    options_.timeout = std::min(options_.timeout.value_or(patience), patience);
    // Whatever happens, the connection is closed rather than left in the transaction.
    static_cast<void>(try_rollback());
}

result<void> transaction::try_commit() {
    if (!open_) return misuse("the transaction has ended already");
    result<execute_result> committed = try_execute_list("COMMIT", {});
    open_ = session_->in_transaction();
    if (!committed) return std::move(committed).error();
    return {};
}

result<void> transaction::try_rollback() {
    if (!open_) return misuse("the transaction has ended already");
    open_ = false;
    result<execute_result> rolled_back = try_execute_list("ROLLBACK", {});
    if (!rolled_back) return std::move(rolled_back).error();
    return {};
}

// ---- bulk insert ----

struct bulk_insert::impl {
    impl(std::shared_ptr<detail::session> own, const call_options& chosen,
         std::unique_ptr<core::Bulk> packing)
        : session(std::move(own)),
          options(chosen),
          bulk(std::move(packing)),
          window(session->settings().pipelined_bytes_max) {}

    void start(const OperationPtr& operation) {
        window.started(operation);
        session->start(operation, options);
        session->push();
        while (window.full()) await_first();
    }

    void await_first() {
        session->await(window.under_way().front());
        window.settle();
    }

    const std::shared_ptr<detail::session> session;
    const call_options options;
    const std::unique_ptr<core::Bulk> bulk;
    core::BulkWindow window;
};

bulk_insert::bulk_insert(std::unique_ptr<impl> state) : impl_(std::move(state)) {}
bulk_insert::bulk_insert(bulk_insert&& other) noexcept = default;
bulk_insert::~bulk_insert() = default;

result<void> bulk_insert::try_add_list(arguments row) {
    if (impl_->window.error()) return *impl_->window.error();
    result<OperationPtr> full = impl_->bulk->add(row);
    if (!full) return std::move(full).error();
    if (*full) impl_->start(*full);
    if (impl_->window.error()) return *impl_->window.error();
    return {};
}

result<std::uint64_t> bulk_insert::try_finish() {
    if (const OperationPtr rest = impl_->bulk->rest()) impl_->start(rest);
    while (!impl_->window.empty()) impl_->await_first();
    if (impl_->window.error()) return *impl_->window.error();
    return impl_->window.take_rows();
}

bulk_insert transaction::bulk_insert(std::string_view table, std::vector<std::string> columns) {
    return try_bulk_insert(table, std::move(columns)).value();
}

result<bulk_insert> transaction::try_bulk_insert(std::string_view table,
                                                 std::vector<std::string> columns) {
    result<std::unique_ptr<core::Bulk>> bulk = core::make_bulk(table, columns);
    if (!bulk) return std::move(bulk).error();
    return quorlite::bulk_insert(
        std::make_unique<quorlite::bulk_insert::impl>(session_, options_, *std::move(bulk)));
}

// ---- connection ----

connection::connection(std::shared_ptr<detail::session> session, const call_options& changed)
    : queries(std::move(session), changed) {}
connection::connection(connection&& other) noexcept = default;
connection& connection::operator=(connection&& other) noexcept = default;
connection::~connection() = default;

result<transaction> connection::try_begin(transaction_kind kind, const call_options& changed) {
    const call_options both = merged(changed);
    const char* const sql = kind == transaction_kind::write ? "BEGIN IMMEDIATE" : "BEGIN";
    result<execute_result> begun = with(both).try_execute_list(sql, {});
    if (!begun) return std::move(begun).error();
    return transaction(session_, both);
}

void connection::interrupt() noexcept {
    session_->interrupt();
}

result<void> connection::try_ping() {
    const OperationPtr request = core::make_admin({wire::RequestType::kLeader, {}, {}, 0});
    session_->run(request, options_);
    if (request->error) return *request->error;
    return {};
}

// ---- attempts ----

namespace detail {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

attempts::attempts(const options& settings, const call_options& chosen)
    : pause_min_(settings.retry_pause_min),
      pause_max_(settings.retry_pause_max),
      idempotent_(chosen.idempotent),
      deadline_(core::later(steady_clock::now(), chosen.timeout.value_or(settings.timeout))) {}

call_options attempts::left() const {
    const auto rest = std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now());
    return {std::max(rest, milliseconds(1)), false};
}

std::optional<milliseconds> attempts::pause(const error_info& error) {
    in_doubt_ = in_doubt_ || error.verdict == verdict::in_doubt;
    if (!core::may_rerun(error, idempotent_)) return std::nullopt;
    // It may be the transaction that breaks whatever executes it.
    const bool broke = error.kind == error_kind::connection;
    if (broke && ++losses_ >= core::limits::kLossesMax) return std::nullopt;
    const milliseconds longest = std::min(pause_max_, pause_min_ * (1 << std::min(failures_, 10u)));
    ++failures_;
    // Two that got into each other's way must not meet again: the clock's last digits differ.
    const auto jitter = steady_clock::now().time_since_epoch().count() % 1000;
    const milliseconds pause = longest / 2 + longest / 2 * jitter / 1000;
    if (steady_clock::now() + pause >= deadline_) return std::nullopt;
    return pause;
}

bool attempts::again(const error_info& error) {
    const std::optional<milliseconds> length = pause(error);
    if (length) std::this_thread::sleep_for(*length);
    return length.has_value();
}

error_info attempts::summary(error_info last) const {
    if (in_doubt_ && last.verdict == verdict::not_committed) last.verdict = verdict::in_doubt;
    return last;
}

void attempts::rethrow(const error& last) const {
    if (in_doubt_ && last.verdict() == verdict::not_committed) throw_error(summary(last.info()));
    throw;
}

}  // namespace detail
}  // namespace quorlite
