#include "quorlite/pool.h"

#include <condition_variable>
#include <string>
#include <vector>

#include "drivers/core/pool.h"
#include "drivers/sync/session.h"
#include "wire/base/mutex.h"

namespace quorlite {

using std::chrono::steady_clock;

struct pool::impl {
    impl(const cluster& own, std::string_view name, const pool_options& chosen)
        : owner(own),
          database(name),
          options(chosen),
          queue(chosen.size_max, chosen.check_after, chosen.idle_max),
          connections(std::max<std::size_t>(chosen.size_max, 1)) {}

    // Closes what was idle for too long. The connections are destroyed by the caller, unlocked.
    std::vector<std::unique_ptr<connection>> take_expired() QUORLITE_REQUIRES(mutex) {
        std::vector<std::unique_ptr<connection>> over;
        for (const std::size_t slot : queue.expire(steady_clock::now())) {
            over.push_back(std::move(connections[slot]));
        }
        return over;
    }

    cluster owner;
    const std::string database;
    const pool_options options;
    Mutex mutex;
    std::condition_variable freed;
    core::PoolQueue queue QUORLITE_GUARDED_BY(mutex);
    // By slot; null while lent out.
    std::vector<std::unique_ptr<connection>> connections QUORLITE_GUARDED_BY(mutex);
};

pool::pool(const cluster& owner, std::string_view database, const pool_options& chosen)
    : impl_(std::make_shared<impl>(owner, database, chosen)) {}
pool::pool(pool&& other) noexcept = default;
pool::~pool() = default;

result<pool::lease> pool::try_acquire() {
    std::vector<std::unique_ptr<connection>> over;
    std::unique_ptr<connection> borrowed;
    std::optional<core::PoolQueue::Grant> grant;
    {
        MutexLock lock(impl_->mutex);
        over = impl_->take_expired();
        const core::PoolQueue::Ticket ticket = impl_->queue.ask();
        const auto is_granted = [&]() QUORLITE_REQUIRES(impl_->mutex) {
            grant = impl_->queue.grant(ticket, steady_clock::now());
            return grant.has_value();
        };
        const bool granted =
            impl_->freed.wait_for(lock.native(), impl_->options.acquire_timeout, is_granted);
        if (!granted) {
            impl_->queue.give_up(ticket);
            impl_->freed.notify_all();
            return core::all_in_use();
        }
        borrowed = std::move(impl_->connections[grant->slot]);
    }
    // Whoever is next in the line may find another slot free.
    impl_->freed.notify_all();
    if (!borrowed) {
        borrowed = std::make_unique<connection>(impl_->owner.connect_lazily(impl_->database));
    }
    lease lent(impl_, grant->slot, std::move(borrowed));
    // A ping repairs the connection if it can be repaired.
    if (grant->check) {
        result<void> well = lent->try_ping();
        if (!well) return std::move(well).error();
    }
    return lent;
}

pool_usage pool::usage() const {
    const MutexLock lock(impl_->mutex);
    return {impl_->queue.in_use(), impl_->queue.idle(), impl_->queue.waiting()};
}

pool::lease::lease(std::shared_ptr<impl> owner, std::size_t slot,
                   std::unique_ptr<connection> borrowed)
    : owner_(std::move(owner)), slot_(slot), connection_(std::move(borrowed)) {}
pool::lease::lease(lease&& other) noexcept = default;

pool::lease& pool::lease::operator=(lease&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    owner_ = std::move(other.owner_);
    slot_ = other.slot_;
    connection_ = std::move(other.connection_);
    return *this;
}

pool::lease::~lease() {
    give_back();
}

void pool::lease::give_back() noexcept {
    if (!connection_) return;
    bool kept = true;
    if (connection_->in_transaction()) {
        const auto patience = std::chrono::seconds(2);
        kept = connection_->with({patience, false}).try_execute("ROLLBACK").ok();
    }
    {
        const MutexLock lock(owner_->mutex);
        if (kept) owner_->connections[slot_] = std::move(connection_);
        owner_->queue.release(slot_, kept, steady_clock::now());
    }
    owner_->freed.notify_all();
    connection_.reset();
}

}  // namespace quorlite
