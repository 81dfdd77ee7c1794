#include "drivers/core/pipeline.h"

#include <algorithm>

namespace quorlite::core {

void Pipeline::attach(ChannelId id, Channel channel) {
    id_ = id;
    channel_ = std::move(channel);
}

void Pipeline::detach() {
    *this = Pipeline();
}

void Pipeline::set_ready() {
    ready_ = true;
    open_by = kNever;
}

void Pipeline::lose(std::string reason, error_kind kind) {
    if (!failure_) failure_ = ChannelFailure{make_error(kind, code::kIo, std::move(reason)), false};
}

void Pipeline::refuse(error_info error) {
    if (!failure_) failure_ = ChannelFailure{std::move(error), true};
}

Result<void> Pipeline::ask(const wire::Request& request, OperationPtr operation, std::string sql) {
    const auto mark = channel_->append(request);
    if (!mark) return mark.error();
    const auto type = std::visit([](const auto& each) { return each.kType; }, request);
    const bool barrier = operation && operation->barrier() &&
                         operation->kind != OperationKind::kAdmin &&
                         operation->kind != OperationKind::kDump;
    outstanding_.push_back({type, std::move(operation), *mark, std::move(sql), barrier});
    return {};
}

void Pipeline::disown(const OperationPtr& operation) {
    for (Outstanding& each : outstanding_) {
        if (each.operation == operation) each.operation = nullptr;
    }
}

bool Pipeline::has_statements() const {
    return std::any_of(outstanding_.begin(), outstanding_.end(), [](const Outstanding& each) {
        return each.request != wire::RequestType::kInterrupt &&
               each.request != wire::RequestType::kFinalize;
    });
}

void Pipeline::add_overdue(Time now, std::vector<OperationPtr>& overdue) const {
    for (const Outstanding& each : outstanding_) {
        if (each.operation && each.operation->deadline <= now) overdue.push_back(each.operation);
    }
}

Time Pipeline::earliest_deadline() const {
    Time earliest = kNever;
    for (const Outstanding& each : outstanding_) {
        if (each.operation) earliest = std::min(earliest, each.operation->deadline);
    }
    return earliest;
}

}  // namespace quorlite::core
