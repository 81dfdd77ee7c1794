#include "drivers/asio/pool.h"

#include <algorithm>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>

namespace quorlite::async {
namespace detail {

using core::PoolQueue;

namespace {

op_result cancelled(const char* why) {
    return {.error = core::make_error(error_kind::cancelled, code::kInterrupted, why)};
}

// What the user of a pool holds: when the last copy goes, the pool is closed.
struct PoolKeeper {
    explicit PoolKeeper(std::shared_ptr<lender> kept) : own(std::move(kept)) {}
    PoolKeeper(const PoolKeeper&) = delete;
    PoolKeeper& operator=(const PoolKeeper&) = delete;
    ~PoolKeeper() {
        asio::post(own->strand(), [closed = own] { closed->close(); });
    }
    std::shared_ptr<lender> own;
};

}  // namespace

loan::~loan() {
    asio::post(owner_->strand(),
               [owner = owner_, slot = slot_, lent = lent_] { owner->give_back(slot, lent); });
}

lender::lender(const asio::any_io_executor& executor,
               std::shared_ptr<quorlite::detail::cluster_state> cluster, std::string database,
               const pool_options& chosen, MakeAsyncTransport make_transport)
    : executor_(executor),
      strand_(asio::make_strand(executor)),
      cluster_(std::move(cluster)),
      database_(std::move(database)),
      options_(chosen),
      make_transport_(std::move(make_transport)),
      transport_(make_transport_(strand_)),
      queue_(chosen.size_max, chosen.check_after, chosen.idle_max),
      resting_(std::max<std::size_t>(chosen.size_max, 1)) {}

void lender::acquire(const std::shared_ptr<Asker>& asker) {
    if (closed_) return asker->handler->complete(cancelled("the pool was closed"));
    const Time now = transport_->now();
    for (const PoolQueue::Slot slot : queue_.expire(now)) resting_[slot].reset();
    asker->ticket = queue_.ask();
    asker->until = core::later(now, options_.acquire_timeout);
    line_.push_back(asker);
    serve();
}

void lender::cancel(const std::shared_ptr<Asker>& asker) {
    asker->stop.emit(asio::cancellation_type::total);
    if (std::erase(line_, asker) == 0) return;
    queue_.give_up(asker->ticket);
    asker->handler->complete(cancelled("interrupted"));
    serve();
}

// Lends whatever can be lent.
void lender::serve() {
    while (!line_.empty()) {
        const std::shared_ptr<Asker> first = line_.front();
        const auto grant = queue_.grant(first->ticket, transport_->now());
        if (!grant) break;
        line_.pop_front();
        lend(*grant, first);
    }
    set_alarm();
    const MutexLock lock(mutex_);
    shown_ = {queue_.in_use(), queue_.idle(), queue_.waiting()};
}

void lender::lend(const PoolQueue::Grant& grant, const std::shared_ptr<Asker>& asker) {
    std::optional<connection> chosen = std::exchange(resting_[grant.slot], std::nullopt);
    if (!chosen) {
        chosen.emplace(std::make_shared<session>(executor_, cluster_, core::Target{{}, database_},
                                                 make_transport_));
    }
    connection db = *std::move(chosen);
    auto lent = std::make_shared<loan>(shared_from_this(), grant.slot, db);
    if (!grant.check) return asker->handler->complete({.lent = std::move(lent)});
    // A ping repairs the connection if it can be repaired.
    auto checked = [asker, lent = std::move(lent)](result<void> well) mutable {
        op_result ended;
        if (well) {
            ended.lent = std::move(lent);
        } else {
            ended.error = std::move(well).error();
        }
        asker->handler->complete(std::move(ended));
    };
    db.try_ping(asio::bind_cancellation_slot(asker->stop.slot(),
                                             asio::bind_executor(strand_, std::move(checked))));
}

void lender::give_back(PoolQueue::Slot slot, const connection& lent) {
    auto tidied = [self = shared_from_this(), slot, lent](const result<void>& done) {
        const bool kept = done.ok() && !self->closed_;
        if (kept) self->resting_[slot] = lent;
        self->queue_.release(slot, kept, self->transport_->now());
        self->serve();
    };
    connection(lent).try_tidy(asio::bind_executor(strand_, std::move(tidied)));
}

// Asks whether the time of whoever waits longest is over, when it may be.
void lender::set_alarm() {
    const Time at = line_.empty() ? core::kNever : line_.front()->until;
    if (at == alarm_) return;
    alarm_ = at;
    transport_->alarm(at, [self = shared_from_this()] { self->ring(); });
}

void lender::ring() {
    alarm_ = core::kNever;
    while (!line_.empty() && line_.front()->until <= transport_->now()) {
        const std::shared_ptr<Asker> late = line_.front();
        line_.pop_front();
        queue_.give_up(late->ticket);
        late->handler->complete({.error = core::all_in_use()});
    }
    serve();
}

void lender::close() {
    closed_ = true;
    for (const std::shared_ptr<Asker>& each : std::exchange(line_, {})) {
        queue_.give_up(each->ticket);
        each->handler->complete(cancelled("the pool was closed"));
    }
    resting_.assign(resting_.size(), std::nullopt);
    serve();
}

pool_usage lender::usage() const {
    const MutexLock lock(mutex_);
    return shown_;
}

std::shared_ptr<void> name(const std::shared_ptr<lender>&, const request&) {
    return std::make_shared<Asker>();
}

void start(const std::shared_ptr<lender>& of, const std::shared_ptr<void>& operation,
           const request&, std::unique_ptr<completion> waiting) {
    const auto asker = std::static_pointer_cast<Asker>(operation);
    asker->handler = std::move(waiting);
    asio::post(of->strand(), [of, asker] { of->acquire(asker); });
}

void cancel(const std::shared_ptr<lender>& of, const std::shared_ptr<void>& operation) {
    const auto asker = std::static_pointer_cast<Asker>(operation);
    asio::post(of->strand(), [of, asker] { of->cancel(asker); });
}

asio::any_io_executor executor_of(const lender& own) {
    return own.executor();
}

}  // namespace detail

pool::lease::lease(std::shared_ptr<void> loan)
    : connection_(std::static_pointer_cast<detail::loan>(loan)->lent()),
      loan_(std::make_unique<std::shared_ptr<void>>(std::move(loan))) {}

pool::pool(std::shared_ptr<detail::lender> lender)
    : lender_(std::move(lender)), keeper_(std::make_shared<detail::PoolKeeper>(lender_)) {}

pool::pool(asio::any_io_executor executor, const cluster& owner, std::string_view database,
           const pool_options& chosen)
    : pool(std::make_shared<detail::lender>(std::move(executor), quorlite::detail::state_of(owner),
                                            std::string(database), chosen)) {}

pool_usage pool::usage() const {
    return lender_->usage();
}

}  // namespace quorlite::async
