// LeaderSearch: finds the node that leads, by asking several at the same time.
//
// The node that led last has a short head start. Then up to `probes_max` nodes are asked in
// parallel, each on a channel of its own. Whoever names another node as leader makes that one be
// asked at once; a node that names itself is the leader, and its channel is handed on in use. Nodes
// that failed lately are asked only when all others have nothing to say.
//
// Bytes and events in; channels to be dialled and closed out. The owner numbers the channels.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "drivers/core/channel.h"
#include "drivers/core/directory.h"
#include "drivers/core/time.h"

namespace quorlite::core {

using ChannelId = std::uint32_t;

class LeaderSearch {
public:
    struct Owner {
        std::function<ChannelId(const std::string& address)> dial;
        std::function<void(ChannelId)> close;
    };

    LeaderSearch(Directory& directory, Owner owner, std::size_t probes_max,
                 std::chrono::milliseconds connect_timeout, Time now, std::uint64_t random);
    ~LeaderSearch();
    LeaderSearch(const LeaderSearch&) = delete;
    LeaderSearch& operator=(const LeaderSearch&) = delete;

    // Null if the channel is not of this search.
    Channel* channel(ChannelId id);

    void dialled(ChannelId id);
    void failed(ChannelId id, const std::string& reason, Time now);
    // To be called after bytes were fed to the channel's input().
    void received(ChannelId id, Time now);
    void tick(Time now);
    Time wake_at() const;

    struct Found {
        ChannelId id;
        Channel channel;
    };
    // The leader's channel, once: afterwards the search is over.
    std::optional<Found> take_found() { return std::exchange(found_, std::nullopt); }
    // Nobody is left to be asked.
    bool exhausted() const { return probes_.empty() && waiting_.empty() && !found_; }
    // What each node said or did, in one line.
    std::string story() const { return story_; }

private:
    struct Probe {
        ChannelId id;
        Channel channel;
        Time give_up;
        bool connected = false;
    };
    Probe* probe(ChannelId id);
    void drop(ChannelId id, const std::string& why);
    void start(const std::string& address, Time now);
    void fill(Time now);
    void follow(const std::string& address, Time now);
    void tell(const std::string& address, const std::string& what);

    Directory& directory_;
    Owner owner_;
    std::size_t probes_max_;
    std::chrono::milliseconds connect_timeout_;
    Time fan_out_at_;
    std::vector<std::string> waiting_;  // next to be asked in front
    std::vector<std::string> failing_;
    std::vector<std::string> asked_;
    std::vector<Probe> probes_;
    int hints_ = 0;
    std::optional<Found> found_;
    std::string story_;
};

}  // namespace quorlite::core
