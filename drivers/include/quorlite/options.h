// What can be set: times, limits and habits of a cluster's clients, and of single calls.
//
// What: options belong to a cluster and everything made from it; call_options to one call.
//
// Errors: none. A limit of zero is taken as one.
//
// Exception safety and lifetimes: plain values, which share a stop_signal.
//
// Thread safety: distinct objects may be used from distinct threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace quorlite {

class stop_signal;

struct options {
    // How long a call may take in all, reconnecting and retrying included, unless it is told
    // otherwise. There is no way to wait for ever.
    std::chrono::milliseconds timeout{30'000};
    // How long one node may take to accept a connection and to say who leads.
    std::chrono::milliseconds connect_timeout{3'000};
    // How long a statement that finds the database locked is tried again.
    std::chrono::milliseconds busy_timeout{5'000};
    // How long an interrupted statement is waited for before its connection is given up.
    std::chrono::milliseconds interrupt_timeout{2'000};
    // The pause before a retry doubles from the first to the last of these, and is jittered; while
    // the database is locked it stops at 20 ms.
    std::chrono::milliseconds retry_pause_min{5};
    std::chrono::milliseconds retry_pause_max{500};
    // The list of nodes is read from the cluster this often, by connections in use.
    std::chrono::milliseconds refresh_interval{30'000};

    std::size_t probes_max = 3;          // nodes asked for the leader at the same time
    std::size_t statements_cached = 64;  // prepared statements kept per connection
    std::size_t pipelined_max = 512;     // requests sent and not yet answered
    std::size_t pipelined_bytes_max = 1u << 20;
    // A stream of rows is read ahead up to the first; up to the second if the connection is needed
    // for something else before the rows have been read, or if a result is to be held as a whole.
    std::size_t read_ahead_bytes = 256u << 10;
    std::size_t rows_held_bytes_max = 256u << 20;

    // Stops blocking calls while it is raised; null: nothing but connection::interrupt() does.
    std::shared_ptr<stop_signal> stop = nullptr;
    // Called each time that all nodes were asked and none leads: with what they said or did, in one
    // line. By a blocking call in its thread, by Asio's front end on its executor. Must not call
    // anything of the cluster.
    std::function<void(const std::string& trouble)> waiting = nullptr;
};

struct call_options {
    std::optional<std::chrono::milliseconds> timeout = {};  // instead of options::timeout
    // Executing the statement (or the transaction) twice does no harm: retry also in doubt.
    bool idempotent = false;
};

}  // namespace quorlite
