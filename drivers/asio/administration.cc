#include "drivers/asio/administration.h"

namespace quorlite::async {
namespace detail {

using core::AdminRequest;
using wire::RequestType;

namespace {

// The end of one question: the errand goes on.
class Answered : public completion {
public:
    Answered(std::shared_ptr<administrator> own, std::shared_ptr<Mission> mission)
        : own_(std::move(own)), mission_(std::move(mission)) {}
    void complete(answer) override {
        const Time now = mission_->with->now();
        asio::post(own_->strand(),
                   [own = own_, mission = mission_, now] { own->proceed(mission, now); });
    }

private:
    const std::shared_ptr<administrator> own_;
    const std::shared_ptr<Mission> mission_;
};

template <class Errand>
std::shared_ptr<void> mission(std::unique_ptr<Errand> errand,
                              std::function<std::any(Errand&)> read) {
    auto made = std::make_shared<Mission>();
    made->errand = std::move(errand);
    made->read = [read = std::move(read)](core::Errand& own) -> std::any {
        return read ? read(static_cast<Errand&>(own)) : std::any();
    };
    return made;
}

std::shared_ptr<void> inquiry(AdminRequest request, std::string node = {},
                              std::function<std::any(core::Inquiry&)> read = {}) {
    return mission<core::Inquiry>(
        std::make_unique<core::Inquiry>(std::move(request), std::move(node)), std::move(read));
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

void administrator::proceed(const std::shared_ptr<Mission>& mission, Time now) {
    if (const auto question = mission->errand->next(now)) return ask(mission, *question);
    if (mission->with) close_later(mission->with);
    answer given{.error = mission->errand->error()};
    if (!given.error) given.value = mission->read(*mission->errand);
    mission->told->complete(std::move(given));
}

void administrator::ask(const std::shared_ptr<Mission>& mission, const core::Question& question) {
    if (!mission->with || mission->node != question.node) {
        if (mission->with) close_later(mission->with);
        mission->node = question.node;
        mission->with = make_session(question.node);
    }
    mission->asked = question.operation;
    start(mission->with, question.operation,
          {.kind = detail::question::administer, .chosen = question.chosen},
          std::make_unique<Answered>(shared_from_this(), mission));
    // The errand itself says what it means that it was not gone through with.
    if (mission->cancelled) detail::cancel(mission->with, mission->asked);
}

void administrator::cancel(const std::shared_ptr<Mission>& mission) {
    mission->cancelled = true;
    if (mission->asked) detail::cancel(mission->with, mission->asked);
}

std::shared_ptr<void> name(const std::shared_ptr<administrator>&, const request& asked) {
    return asked.of;
}

void start(const std::shared_ptr<administrator>& own, const std::shared_ptr<void>& operation,
           const request&, std::unique_ptr<completion> waiting) {
    const auto begun = std::static_pointer_cast<Mission>(operation);
    begun->told = std::move(waiting);
    asio::post(own->strand(), [own, begun] { own->proceed(begun, {}); });
}

void cancel(const std::shared_ptr<administrator>& own, const std::shared_ptr<void>& operation) {
    const auto stopped = std::static_pointer_cast<Mission>(operation);
    asio::post(own->strand(), [own, stopped] { own->cancel(stopped); });
}

asio::any_io_executor executor_of(const administrator& own) {
    return own.executor();
}

std::shared_ptr<void> nodes() {
    return inquiry({RequestType::kCluster, {}, {}, 0}, {},
                   [](core::Inquiry& own) { return std::any(own.answer().nodes); });
}

std::shared_ptr<void> leader() {
    return inquiry({RequestType::kLeader, {}, {}, 0}, {},
                   [](core::Inquiry& own) { return std::any(own.answer().leader); });
}

std::shared_ptr<void> add(node_info node) {
    return mission<core::Addition>(std::make_unique<core::Addition>(std::move(node)), {});
}

std::shared_ptr<void> assign(std::uint64_t id, node_role role) {
    return inquiry({RequestType::kAssign, NodeId(id), {}, static_cast<std::uint64_t>(role)});
}

std::shared_ptr<void> remove(std::uint64_t id) {
    return inquiry({RequestType::kRemove, NodeId(id), {}, 0});
}

std::shared_ptr<void> transfer(std::uint64_t id) {
    return inquiry({RequestType::kTransfer, NodeId(id), {}, 0});
}

std::shared_ptr<void> describe(std::string node) {
    return inquiry({RequestType::kDescribe, {}, {}, 0}, std::move(node), [](core::Inquiry& own) {
        const core::Metadata& found = own.answer().metadata;
        return std::any(node_description{found.failure_domain, found.weight});
    });
}

std::shared_ptr<void> set_weight(std::string node, std::uint64_t weight) {
    return inquiry({RequestType::kWeight, {}, {}, weight}, std::move(node));
}

std::shared_ptr<void> status(const administrator& own) {
    return mission<core::Survey>(std::make_unique<core::Survey>(own.settings()),
                                 [](core::Survey& done) { return std::any(done.take_status()); });
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
    detail::start(session, operation, {.kind = detail::question::stream}, nullptr);
    return {session, std::move(stream), std::make_shared<detail::Keeper>(session)};
}

}  // namespace quorlite::async
