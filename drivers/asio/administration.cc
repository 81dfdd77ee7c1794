#include "drivers/asio/administration.h"

namespace quorlite::async {
namespace detail {

using core::AdminRequest;
using wire::RequestType;

namespace {

// The end of one step: the task goes on.
class Answered : public completion {
public:
    Answered(std::shared_ptr<administrator> own, std::shared_ptr<RunningTask> running)
        : own_(std::move(own)), running_(std::move(running)) {}
    void complete(op_result) override {
        const Time now = running_->with->now();
        asio::post(own_->strand(),
                   [own = own_, running = running_, now] { own->proceed(running, now); });
    }

private:
    const std::shared_ptr<administrator> own_;
    const std::shared_ptr<RunningTask> running_;
};

template <class AdminTask>
std::shared_ptr<void> make_running(std::unique_ptr<AdminTask> task,
                                   std::function<std::any(AdminTask&)> read) {
    auto made = std::make_shared<RunningTask>();
    made->task = std::move(task);
    made->read = [read = std::move(read)](core::AdminTask& own) -> std::any {
        return read ? read(static_cast<AdminTask&>(own)) : std::any();
    };
    return made;
}

std::shared_ptr<void> single_request(AdminRequest request, std::string node = {},
                                     std::function<std::any(core::RequestTask&)> read = {}) {
    return make_running<core::RequestTask>(
        std::make_unique<core::RequestTask>(std::move(request), std::move(node)), std::move(read));
}

}  // namespace

administrator::administrator(const asio::any_io_executor& executor,
                             std::shared_ptr<quorlite::detail::cluster_state> cluster,
                             MakeAsyncTransport make_transport)
    : executor_(executor),
      strand_(asio::make_strand(executor)),
      cluster_(std::move(cluster)),
      make_transport_(std::move(make_transport)) {}

std::shared_ptr<session> administrator::make_session(std::string node) const {
    return std::make_shared<session>(executor_, cluster_, core::Target{std::move(node), {}},
                                     make_transport_);
}

void administrator::proceed(const std::shared_ptr<RunningTask>& running, Time now) {
    if (const auto step = running->task->next(now)) return ask(running, *step);
    if (running->with) close_later(running->with);
    op_result ended{.error = running->task->error()};
    if (!ended.error) ended.value = running->read(*running->task);
    running->handler->complete(std::move(ended));
}

void administrator::ask(const std::shared_ptr<RunningTask>& running, const core::AdminStep& step) {
    if (!running->with || running->node != step.node) {
        if (running->with) close_later(running->with);
        running->node = step.node;
        running->with = make_session(step.node);
    }
    running->op = step.operation;
    start(running->with, step.operation,
          {.kind = detail::op_kind::administer, .chosen = step.chosen},
          std::make_unique<Answered>(shared_from_this(), running));
    // The task itself says what it means that it was not gone through with.
    if (running->cancelled) detail::cancel(running->with, running->op);
}

void administrator::cancel(const std::shared_ptr<RunningTask>& running) {
    running->cancelled = true;
    if (running->op) detail::cancel(running->with, running->op);
}

std::shared_ptr<void> name(const std::shared_ptr<administrator>&, const request& op) {
    return op.of;
}

void start(const std::shared_ptr<administrator>& own, const std::shared_ptr<void>& operation,
           const request&, std::unique_ptr<completion> waiting) {
    const auto begun = std::static_pointer_cast<RunningTask>(operation);
    begun->handler = std::move(waiting);
    asio::post(own->strand(), [own, begun] { own->proceed(begun, {}); });
}

void cancel(const std::shared_ptr<administrator>& own, const std::shared_ptr<void>& operation) {
    const auto stopped = std::static_pointer_cast<RunningTask>(operation);
    asio::post(own->strand(), [own, stopped] { own->cancel(stopped); });
}

asio::any_io_executor executor_of(const administrator& own) {
    return own.executor();
}

std::shared_ptr<void> nodes() {
    return single_request({RequestType::kCluster, {}, {}, 0}, {},
                          [](core::RequestTask& own) { return std::any(own.response().nodes); });
}

std::shared_ptr<void> leader() {
    return single_request({RequestType::kLeader, {}, {}, 0}, {},
                          [](core::RequestTask& own) { return std::any(own.response().leader); });
}

std::shared_ptr<void> add(node_info node) {
    return make_running<core::AddNodeTask>(std::make_unique<core::AddNodeTask>(std::move(node)),
                                           {});
}

std::shared_ptr<void> assign(std::uint64_t id, node_role role) {
    return single_request({RequestType::kAssign, NodeId(id), {}, static_cast<std::uint64_t>(role)});
}

std::shared_ptr<void> remove(std::uint64_t id) {
    return single_request({RequestType::kRemove, NodeId(id), {}, 0});
}

std::shared_ptr<void> transfer(std::uint64_t id) {
    return single_request({RequestType::kTransfer, NodeId(id), {}, 0});
}

std::shared_ptr<void> describe(std::string node) {
    return single_request({RequestType::kDescribe, {}, {}, 0}, std::move(node),
                          [](core::RequestTask& own) {
                              const core::Metadata& found = own.response().metadata;
                              return std::any(node_description{found.failure_domain, found.weight});
                          });
}

std::shared_ptr<void> set_weight(std::string node, std::uint64_t weight) {
    return single_request({RequestType::kWeight, {}, {}, weight}, std::move(node));
}

std::shared_ptr<void> status(const administrator& own) {
    return make_running<core::ClusterStatusTask>(
        std::make_unique<core::ClusterStatusTask>(own.settings()),
        [](core::ClusterStatusTask& done) { return std::any(done.take_status()); });
}

}  // namespace detail

administration::administration(std::shared_ptr<detail::administrator> own) : own_(std::move(own)) {}

administration::administration(asio::any_io_executor executor, const cluster& owner)
    : administration(
          std::make_shared<detail::administrator>(executor, quorlite::detail::state_of(owner))) {}

dump_stream administration::dump(std::string database, std::string node) const {
    const auto session = own_->make_session(std::move(node));
    const auto operation = core::make_admin({wire::RequestType::kDump, {}, std::move(database), 0});
    auto stream = std::make_shared<detail::StreamKeeper>(session, operation);
    detail::start(session, operation, {.kind = detail::op_kind::stream}, nullptr);
    return {session, std::move(stream), std::make_shared<detail::Keeper>(session)};
}

}  // namespace quorlite::async
