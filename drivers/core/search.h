// LeaderSearch: finds the node that leads, by asking several at the same time.
//
// The node that led last has a short head start. Then up to `probes_max` nodes are asked in
// parallel, each on a channel of its own. Whoever names another node as leader makes that one be
// asked at once; a node that names itself is the leader, and its channel is handed on in use. Nodes
// that failed lately are asked only when all others have nothing to say.
//
// A server could name any address as the leader's. So nothing is handed on unless it is of the
// client's cluster: a node of another id is refused, and one that tells no id (dqlite, Quorlite
// 0.1) has to name, in its own list of nodes, one that the client knows already, or that the node
// which led to it names as well.
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
    // The same, with those that have not answered yet.
    std::string story_so_far() const;
    // Why the client has nobody to talk to, if all that were asked are of another cluster.
    std::optional<std::string> only_strangers() const {
        return strangers_ == asked_.size() ? stranger_ : std::nullopt;
    }

private:
    // How the search came to an address that the client was not given and whose node it does not
    // know yet: by whom, and which nodes that one lists.
    struct Referral {
        std::string by;
        std::vector<std::string> list;
    };
    struct Probe {
        ChannelId id;
        Channel channel;
        Time give_up;
        bool connected = false;
        std::optional<Referral> referral = {};
        // Its list of nodes was asked for: because of the leader that it named, or to get to know
        // it, which says that it leads itself.
        bool listing = false;
        std::string named = {};
        ClusterId cluster = {};
    };
    Probe* probe(ChannelId id);
    void drop(ChannelId id, const std::string& why);
    void start(const std::string& address, Time now);
    void fill(Time now);
    void follow(const std::string& address, std::optional<Referral> referral, Time now);
    void refuse(ChannelId id, std::string why, Time now);
    void ask_for_list(Probe& probe, Time now);
    void take_leader(Probe& asked, const wire::ServerResponse& server, Time now);
    void take_list(Probe& asked, const wire::ServersResponse& servers, Time now);
    void take_hint(ChannelId from, const std::string& leader, std::optional<Referral> referral,
                   Time now);
    bool related(const std::string& address, const std::vector<std::string>& list,
                 const Referral& referral) const;
    void find(Probe& leader);
    void tell(const std::string& address, const std::string& what);

    Directory& directory_;
    Owner owner_;
    std::size_t probes_max_;
    std::chrono::milliseconds connect_timeout_;
    Time fan_out_at_;
    std::vector<std::string> waiting_;  // next to be asked in front
    std::vector<std::string> failing_;
    std::vector<std::string> listed_;  // by the directory, when the search began
    std::vector<std::string> asked_;
    std::vector<Probe> probes_;
    std::size_t strangers_ = 0;
    std::optional<std::string> stranger_;
    int hints_ = 0;
    std::optional<Found> found_;
    std::string story_;
};

}  // namespace quorlite::core
