// A scripted world: three nodes that speak the protocol and know a dozen words of SQL, a clock that
// moves only when somebody waits, and streams of which any step can be made to fail.
//
// The nodes share one list of numbers, the "database": INSERT adds its integer parameters to it,
// SELECT yields it in batches of two rows, BEGIN, COMMIT and ROLLBACK do what they say, and a
// statement with the word "slow" in it lasts until it is interrupted. What a client was told can so
// be compared with what really happened.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/core/time.h"
#include "wire/client.h"

namespace quorlite::testing {

using core::Time;

// How a step fails.
enum class Fault {
    kBefore,   // nothing of it happens, and the stream is over
    kAfter,    // it happens, and the stream is over: an answer never comes
    kGarbage,  // a read yields bytes that mean nothing
};

class World;

// One client's conversation with one node.
class Conversation {
public:
    Conversation(World& world, std::size_t node) : world_(world), node_(node), in_(1 << 24) {}

    void receive(ByteView bytes);
    Bytes& output() { return out_; }
    bool broken() const { return broken_; }

private:
    void answer(const wire::Request& request);
    void execute(const std::string& sql, const wire::Parameters& parameters);
    void query(const std::string& sql, const wire::Parameters& parameters);
    bool refuse();
    void end_transaction();
    void stop();
    void fail(std::uint64_t code, const std::string& message);
    bool leads() const;
    void change(std::uint64_t id);
    void tell_leader(bool with_cluster);
    void tell_nodes();
    std::optional<ClusterId> cluster(bool wanted) const;

    World& world_;
    std::size_t node_;
    wire::MessageReader in_;
    bool greeted_ = false;
    bool open_ = false;
    bool broken_ = false;
    bool slow_ = false;  // a statement runs that does not end by itself
    bool in_transaction_ = false;
    std::vector<std::int64_t> pending_;
    std::map<std::uint32_t, std::string> statements_;
    Bytes out_;
};

class World {
public:
    // ---- What happened ----
    std::vector<std::int64_t> database;
    std::vector<std::uint64_t> changes;  // of the membership, by the node's id
    std::vector<std::string> requests;   // names, as they were answered
    std::vector<std::string> dialled;    // addresses

    // ---- What is to happen ----
    std::vector<std::string> addresses = {"a:1", "b:1", "c:1"};
    std::size_t leader = 0;
    // What a node tells otherwise than the cluster does, by its number: who leads, which nodes
    // there are, and which cluster it is (none: it tells no id, as dqlite).
    std::map<std::size_t, std::string> hints;
    std::map<std::size_t, std::vector<std::string>> lists;
    std::map<std::size_t, ClusterId> clusters;
    // Answers to the next statements, in order.
    struct Refusal {
        std::uint64_t code = 0;
        std::string message;
        bool done_nevertheless = false;
        bool ends_transaction = false;
    };
    std::deque<Refusal> refusals;
    bool old_server = false;        // dqlite 1.11: answers PREPARE with schema 0
    bool empty_time = false;        // SELECT yields one row, an empty text of a column of times
    bool silent = false;            // nothing is answered
    std::string silent_about = {};  // nor is the request of this name
    std::string breaks_at = {};     // a request whose name begins so ends the stream
    std::string misanswers = {};    // the request of this name is answered with EMPTY
    int fail_step = -1;
    Fault fault = Fault::kBefore;

    // ---- Streams. An empty answer of dial() and write() means that it went well. ----
    Time now() const { return now_; }
    void wait_until(Time at) { now_ = std::max(now_, at); }
    int steps() const { return steps_; }

    using StreamId = int;
    std::string dial(const std::string& address, StreamId& stream);
    std::string write(StreamId stream, ByteView bytes);
    bool readable(StreamId stream);
    // Bytes, or a problem.
    std::string read(StreamId stream, std::size_t max, Bytes& into);
    void close(StreamId stream) { streams_.erase(stream); }

private:
    struct Stream {
        std::unique_ptr<Conversation> conversation;
        bool broken = false;
    };
    bool fails() { return steps_++ == fail_step; }

    Time now_ = Time{} + std::chrono::hours(1);
    int steps_ = 0;
    int next_ = 1;
    std::map<StreamId, Stream> streams_;
};

}  // namespace quorlite::testing
