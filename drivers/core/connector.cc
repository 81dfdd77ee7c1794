#include "drivers/core/connector.h"

#include <algorithm>

namespace quorlite::core {

Connector::Connector(const std::string& node, const options& settings, Directory& directory,
                     std::mt19937_64& generator)
    : node_(node),
      settings_(settings),
      directory_(directory),
      generator_(generator),
      backoff_(settings.retry_pause_min, settings.retry_pause_max) {}

// A search that is under way closes its channels: the list of actions must still be there.
Connector::~Connector() {
    search_.reset();
}

void Connector::start(Time now) {
    if (search_ || dialling_ || found_ || (pausing_ && now < retry_at_)) return;
    pausing_ = false;
    if (!node_.empty()) {
        dialling_ = LeaderSearch::Found{dial(node_), Channel(node_)};
        dialled_by_ = later(now, settings_.connect_timeout);
        return;
    }
    LeaderSearch::Owner owner;
    owner.dial = [this](const std::string& address) { return dial(address); };
    owner.close = [this](ChannelId id) { close(id); };
    search_.emplace(directory_, std::move(owner), settings_.probes_max, settings_.connect_timeout,
                    now, generator_());
    follow_search(now);
}

ChannelId Connector::dial(const std::string& address) {
    actions_.push_back(Action{next_channel_, address});
    return next_channel_++;
}

void Connector::pause(Time now) {
    pausing_ = true;
    retry_at_ = now + backoff_.next(generator_());
}

Channel* Connector::find(ChannelId id) {
    if (dialling_ && id == dialling_->id) return &dialling_->channel;
    return search_ ? search_->channel(id) : nullptr;
}

void Connector::dialled(ChannelId id, Time now) {
    if (dialling_ && id == dialling_->id) {
        directory_.answered(node_);
        found_ = std::exchange(dialling_, std::nullopt);
        dialled_by_ = kNever;
    } else if (search_) {
        search_->dialled(id);
        follow_search(now);
    }
}

void Connector::failed(ChannelId id, const std::string& reason, Time now) {
    if (dialling_ && id == dialling_->id) {
        fail_dialling(reason, now);
    } else if (search_) {
        search_->failed(id, reason, now);
        follow_search(now);
    }
}

void Connector::received(ChannelId id, Time now) {
    if (!search_) return;
    search_->received(id, now);
    follow_search(now);
}

void Connector::tick(Time now) {
    if (now >= dialled_by_) fail_dialling("cannot be reached in time", now);
    if (!search_) return;
    search_->tick(now);
    follow_search(now);
}

Time Connector::wake_at() const {
    return search_ ? search_->wake_at() : dialled_by_;
}

void Connector::follow_search(Time now) {
    if (auto found = search_->take_found()) {
        search_.reset();
        found_ = std::move(found);
    } else if (search_->exhausted()) {
        const std::string story = search_->story();
        trouble_ = story.empty() ? "no node is known" : story;
        searched_in_vain_ = true;
        const auto strangers = search_->only_strangers();
        search_.reset();
        if (strangers) failure_ = unavailable(*strangers);
        pause(now);
    }
}

void Connector::fail_dialling(const std::string& reason, Time now) {
    trouble_ = node_ + ": " + reason;
    close(dialling_->id);
    dialling_.reset();
    dialled_by_ = kNever;
    directory_.failed(node_, now);
    failure_ = classify_loss(false, reason, error_kind::connection, {}).error;
    failure_->node = node_;
    pause(now);
}

std::string Connector::trouble() const {
    return trouble_.empty() && search_ ? search_->story_so_far() : trouble_;
}

std::optional<std::string> Connector::take_vain_search() {
    return std::exchange(searched_in_vain_, false) ? std::optional(trouble_) : std::nullopt;
}

}  // namespace quorlite::core
