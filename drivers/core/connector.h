// Connector: comes to a channel with the node that is wanted, the leader or one of a given address,
// and pauses after each failure, for longer each time.
//
// Numbers the channels, and tells its owner by take_actions() which to dial and which to close. The
// channel that it comes to is handed out by take_found(), and is the owner's from then on.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "drivers/core/channel.h"
#include "drivers/core/directory.h"
#include "drivers/core/rules.h"
#include "drivers/core/search.h"
#include "quorlite/options.h"

namespace quorlite::core {

struct Action {
    ChannelId channel = 0;
    std::string dial;  // HOST:PORT to be connected to; empty: close the channel
};

class Connector {
public:
    // `node`: HOST:PORT, or empty for whichever leads. What is referred to outlives it.
    Connector(const std::string& node, const options& settings, Directory& directory,
              std::mt19937_64& generator);
    ~Connector();
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    // Begins, unless that has been done or a pause is not over.
    void start(Time now);
    // The channel that was found is of no use any more: start() may begin after a pause.
    void pause(Time now);
    // Something succeeded: the next pause is short again.
    void reset_pause() { backoff_.reset(); }
    // When start() may begin; never, if no pause is under way.
    Time pause_over_at() const { return pausing_ ? retry_at_ : kNever; }

    // Null if the channel is none of the connector's.
    Channel* find(ChannelId id);
    void dialled(ChannelId id, Time now);
    void failed(ChannelId id, const std::string& reason, Time now);
    // To be called after bytes were fed to the channel's input().
    void received(ChannelId id, Time now);
    void tick(Time now);
    Time wake_at() const;

    // The channel that it came to, once.
    std::optional<LeaderSearch::Found> take_found() { return std::exchange(found_, std::nullopt); }
    // Why it is no use to go on trying, once.
    std::optional<error_info> take_failure() { return std::exchange(failure_, std::nullopt); }

    void close(ChannelId id) { actions_.push_back(Action{id, {}}); }
    bool has_actions() const { return !actions_.empty(); }
    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }

    // Of the node that is being dialled, if it was asked for by its address.
    std::string address() const { return dialling_ ? dialling_->channel.address() : std::string(); }
    // Why there is no connection, as far as is known.
    std::string trouble() const;
    void set_trouble(std::string trouble) { trouble_ = std::move(trouble); }
    // The same, if all nodes were asked in vain since the last call.
    std::optional<std::string> take_vain_search();

private:
    ChannelId dial(const std::string& address);
    void follow_search(Time now);
    void fail_dialling(const std::string& reason, Time now);

    const std::string& node_;
    const options& settings_;
    Directory& directory_;
    std::mt19937_64& generator_;

    std::vector<Action> actions_;
    ChannelId next_channel_ = 1;
    std::optional<LeaderSearch> search_;
    std::optional<LeaderSearch::Found> dialling_;
    Time dialled_by_ = kNever;
    std::optional<LeaderSearch::Found> found_;
    std::optional<error_info> failure_;
    Backoff backoff_;
    bool pausing_ = false;
    Time retry_at_ = {};
    std::string trouble_;
    bool searched_in_vain_ = false;
};

}  // namespace quorlite::core
