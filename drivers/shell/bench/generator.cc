#include "drivers/shell/bench/generator.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>

#include "drivers/sync/awake.h"

namespace quorlite::benchmark {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

constexpr auto kDrainTime = std::chrono::seconds(10);

nanoseconds in_seconds(double seconds) {
    return duration_cast<nanoseconds>(duration<double>(seconds));
}

struct Client {
    Client(Link opened, Drawer draws) : link(std::move(opened)), drawer(std::move(draws)) {}

    Link link;
    Drawer drawer;
    std::array<std::uint32_t, kStatementCount> statement_ids = {};
    std::span<const StatementId> steps;  // of the current operation; empty while idle
    std::size_t step = 0;
    Time due = {};
    std::uint64_t rows = 0;     // of the current statement
    bool rolling_back = false;  // the operation failed inside its transaction
    bool wants_output = false;
    bool pausing = false;
};

bool leader_is_lost(int code) {
    // kNotFound: the handle that a former leader forgot.
    return code == kLinkLost || code == code::kNotLeader || code == code::kLeadershipLost ||
           code == code::kNotFound || code == code::kNotLeaderOld ||
           code == code::kLeadershipLostOld;
}

class Generator {
public:
    explicit Generator(const LoadPlan& plan) : plan_(plan), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
    ~Generator() { close(epoll_); }

    Result<LoadReport> run();

private:
    Result<Client> connect(std::uint64_t number);
    void watch(Client& client, int operation);
    void start(Client& client, Time due);
    void send(Client& client);
    void flush(Client& client);
    void receive(Client& client);
    void answered(Client& client, const wire::Response& response);
    void rows_arrived(Client& client, const wire::RowsResponse& rows);
    void failed(Client& client, int code);
    void step_done(Client& client, bool as_expected);
    void operation_done(Client& client);
    void reconnect(Client& client);
    void start_what_is_due(Time now);
    void resume_what_paused(Time now);
    Time next_timer(Time latest) const;
    void wait_for_events(Time until);

    const LoadPlan& plan_;
    const int epoll_;
    sync::AwakeWait awake_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<Client*> idle_;
    std::deque<std::pair<Time, Client*>> paused_;  // in the order of their times
    std::vector<wire::Value> row_;
    Time measured_from_ = {};
    Time measured_to_ = {};
    Time next_due_ = {};
    std::optional<Error> fatal_;
    LoadReport report_;
};

Result<Client> Generator::connect(std::uint64_t number) {
    const Time deadline = SteadyClock::now() + in_seconds(plan_.patience_seconds);
    Result<Link> link = dial_leader(plan_.nodes, deadline);
    if (!link) return link.error();
    Client client(std::move(*link), Drawer(*plan_.workload, number));
    wire::OpenRequest open;
    open.name = kDatabaseName;
    if (const auto opened = client.link.call(open, deadline); !opened) return opened.error();
    for (std::uint8_t id = 0; id < kStatementCount; ++id) {
        wire::PrepareRequest prepare;
        prepare.sql = statement(StatementId{id}).sql;
        const Result<wire::Response> prepared = client.link.call(prepare, deadline);
        if (!prepared) return prepared.error();
        const auto* answer = std::get_if<wire::StmtResponse>(&*prepared);
        if (answer == nullptr) return Error{code::kProtocol, "no STMT for PREPARE"};
        client.statement_ids[id] = answer->statement;
    }
    return client;
}

void Generator::watch(Client& client, int operation) {
    epoll_event event = {};
    event.events = EPOLLIN;
    if (client.wants_output) event.events |= EPOLLOUT;
    event.data.ptr = &client;
    epoll_ctl(epoll_, operation, client.link.fd(), &event);
}

void Generator::start(Client& client, Time due) {
    client.due = due;
    client.steps = client.drawer.operation();
    client.step = 0;
    client.rolling_back = false;
    send(client);
}

void Generator::send(Client& client) {
    const StatementId id = client.rolling_back ? kRollback : client.steps[client.step];
    client.rows = 0;
    if (statement(id).is_query()) {
        wire::QueryRequest request;
        request.statement = client.statement_ids[id];
        request.parameters = client.drawer.parameters(id);
        client.link.queue(request);
    } else {
        wire::ExecRequest request;
        request.statement = client.statement_ids[id];
        request.parameters = client.drawer.parameters(id);
        client.link.queue(request);
    }
    flush(client);
}

void Generator::flush(Client& client) {
    // A failure shows in the next receive() as well, and is dealt with there.
    (void)client.link.flush();
    if (client.link.unsent() == client.wants_output) return;
    client.wants_output = client.link.unsent();
    watch(client, EPOLL_CTL_MOD);
}

void Generator::receive(Client& client) {
    if (const Result<bool> received = client.link.receive(); !received) {
        failed(client, received.error().code);
        return;
    }
    for (;;) {
        const Result<std::optional<wire::Response>> response = client.link.next();
        if (!response) {
            failed(client, response.error().code);
            return;
        }
        if (!*response) return;
        answered(client, **response);
    }
}

void Generator::answered(Client& client, const wire::Response& response) {
    if (client.steps.empty()) {
        failed(client, kLinkLost);
    } else if (const auto* failure = std::get_if<wire::FailureResponse>(&response)) {
        failed(client, static_cast<int>(failure->code));
    } else if (const auto* rows = std::get_if<wire::RowsResponse>(&response)) {
        rows_arrived(client, *rows);
    } else {
        const auto* result = std::get_if<wire::ResultResponse>(&response);
        const bool one_change =
            !client.rolling_back && statement(client.steps[client.step]).gives == Gives::kOneChange;
        step_done(client, result != nullptr && (!one_change || result->rows_affected == 1));
    }
}

void Generator::rows_arrived(Client& client, const wire::RowsResponse& rows) {
    Result<wire::RowsReader> reader = wire::RowsReader::open(rows.content);
    if (!reader) {
        failed(client, kLinkLost);
        return;
    }
    for (;;) {
        const Result<wire::RowsReader::Step> step = reader->next(row_);
        if (!step) {
            failed(client, kLinkLost);
            return;
        }
        if (*step == wire::RowsReader::Step::kPart) return;
        if (*step == wire::RowsReader::Step::kDone) break;
        ++client.rows;
    }
    const bool all = statement(client.steps[client.step]).gives == Gives::kAllItems;
    step_done(client, client.rows == (all ? std::uint64_t{kItemCount} : 1));
}

void Generator::step_done(Client& client, bool as_expected) {
    if (!as_expected) ++report_.wrong_answers;
    if (client.rolling_back) {
        start(client, client.due);
        return;
    }
    if (++client.step < client.steps.size()) {
        send(client);
        return;
    }
    operation_done(client);
}

void Generator::operation_done(Client& client) {
    const Time now = SteadyClock::now();
    if (client.due >= measured_from_ && client.due < measured_to_) {
        const auto latency = duration_cast<nanoseconds>(now - client.due).count();
        report_.latencies.record(static_cast<std::uint64_t>(latency));
    }
    if (now >= measured_from_ && now < measured_to_) {
        ++report_.completed;
        report_.rows += client.rows;
    }
    client.steps = {};
    if (plan_.rate == 0 && now < measured_to_) {
        start(client, now);
    } else {
        idle_.push_back(&client);
    }
}

void Generator::failed(Client& client, int code) {
    if (code == code::kBusy) {
        ++report_.busy_retries;
        if (plan_.busy_pause_us == 0) {
            send(client);
        } else {
            const Time until = SteadyClock::now() + in_seconds(plan_.busy_pause_us / 1e6);
            client.pausing = true;
            paused_.emplace_back(until, &client);
        }
        return;
    }
    ++report_.errors[code];
    if (leader_is_lost(code)) {
        reconnect(client);
        return;
    }
    const bool in_transaction = client.step > 0 && !client.rolling_back;
    client.rolling_back = in_transaction;
    if (in_transaction) {
        send(client);
    } else {
        start(client, client.due);
    }
}

void Generator::reconnect(Client& client) {
    ++report_.reconnects;
    Result<Client> again = connect(report_.reconnects + plan_.connections);
    if (!again) {
        fatal_ = again.error();
        return;
    }
    client.link = std::move(again->link);
    client.statement_ids = again->statement_ids;
    client.wants_output = false;
    client.pausing = false;
    watch(client, EPOLL_CTL_ADD);
    if (!client.steps.empty()) start(client, client.due);
}

void Generator::start_what_is_due(Time now) {
    if (plan_.rate == 0) return;
    while (next_due_ <= now && next_due_ < measured_to_ && !idle_.empty()) {
        Client* const client = idle_.back();
        idle_.pop_back();
        start(*client, next_due_);
        next_due_ += in_seconds(1 / plan_.rate);
    }
}

void Generator::resume_what_paused(Time now) {
    while (!paused_.empty() && paused_.front().first <= now) {
        Client* const client = paused_.front().second;
        paused_.pop_front();
        // Not if its connection was lost meanwhile: then it has started anew.
        if (std::exchange(client->pausing, false)) send(*client);
    }
}

Time Generator::next_timer(Time latest) const {
    Time next = latest;
    if (!paused_.empty()) next = std::min(next, paused_.front().first);
    if (plan_.rate != 0 && !idle_.empty() && next_due_ < measured_to_) {
        next = std::min(next, next_due_);
    }
    return next;
}

void Generator::wait_for_events(Time until) {
    std::array<epoll_event, 128> events;
    int count = 0;
    awake_.wait(until, [&](const timespec& timeout) {
        const int room = static_cast<int>(events.size());
        count = epoll_pwait2(epoll_, events.data(), room, &timeout, nullptr);
        return count > 0;
    });
    for (int i = 0; i < count && !fatal_; ++i) {
        Client& client = *static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (events[static_cast<std::size_t>(i)].events & EPOLLOUT) flush(client);
        if (events[static_cast<std::size_t>(i)].events & ~static_cast<unsigned>(EPOLLOUT)) {
            receive(client);
        }
    }
}

Result<LoadReport> Generator::run() {
    for (std::uint64_t number = 0; number < plan_.connections; ++number) {
        Result<Client> client = connect(number);
        if (!client) return client.error();
        clients_.push_back(std::make_unique<Client>(std::move(*client)));
        watch(*clients_.back(), EPOLL_CTL_ADD);
    }
    next_due_ = SteadyClock::now();
    measured_from_ = next_due_ + in_seconds(plan_.warmup_seconds);
    measured_to_ = measured_from_ + in_seconds(plan_.seconds);
    for (const auto& client : clients_) {
        if (plan_.rate == 0) {
            start(*client, SteadyClock::now());
        } else {
            idle_.push_back(client.get());
        }
    }
    const Time drained_by = measured_to_ + kDrainTime;
    for (Time now = SteadyClock::now(); now < drained_by && !fatal_; now = SteadyClock::now()) {
        start_what_is_due(now);
        resume_what_paused(now);
        const bool all_due = plan_.rate == 0 || next_due_ >= measured_to_;
        if (now >= measured_to_ && all_due && idle_.size() == clients_.size()) break;
        wait_for_events(next_timer(drained_by));
    }
    if (fatal_) return *fatal_;
    report_.unfinished = clients_.size() - idle_.size();
    return std::move(report_);
}

}  // namespace

Result<LoadReport> generate_load(const LoadPlan& plan) {
    return Generator(plan).run();
}

}  // namespace quorlite::benchmark
