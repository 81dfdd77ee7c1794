// PageRepair: pages of the base files that this node's disk has lost, or changed by itself, fetched
// from the other nodes.
//
//   a read fails ──▶ damaged() ── PageRequest ──▶ all other members, again and again
//        ▲               │ repair ◀── PageReply ──  whoever has the page
//        └── the scan ◀──┘
//
// Nobody votes on it: a page that matches the checksum that is kept here is the page, whoever sends
// it (see database::Store::repair()).
//
// Where one page is damaged others often are. So that not each of them costs a reader an error, the
// first begins a scan of the whole file: first of what comes after the page, for a reader goes that
// way too, then of what is before it. It reads at most 128 MiB/s, in the background, and rests
// while many pages are wanted already.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/base/clock.h"
#include "engine/base/executor.h"
#include "engine/base/lifetime.h"
#include "engine/database/database.h"
#include "engine/replica/peer_codec.h"

namespace quorlite::replica {

class PageRepair {
public:
    using Ask = std::function<void(const PageRequest& request)>;  // all other members

    PageRepair(database::Store& store, Executor& executor, Ask ask)
        : store_(store), executor_(executor), ask_(std::move(ask)) {}

    // True if it is news.
    bool damaged(const std::string& database, std::uint32_t page, TimePoint now);
    // Asks again for what did not come.
    void tick(TimePoint now);
    PageReply answer(const PageRequest& request) const;
    // `newer` as for Store::repair(). True if a page was repaired by it.
    bool receive(const PageReply& reply, bool newer);

private:
    using Page = std::pair<std::string, std::uint32_t>;
    struct Range {
        std::string database;
        std::uint32_t next;
        std::uint32_t last;
    };
    void start_scan(const Page& found);
    void scan();
    void scanned(std::uint32_t next);

    database::Store& store_;
    Executor& executor_;
    Ask ask_;
    std::map<Page, TimePoint> wanted_;  // and when it is asked for again
    std::deque<Range> scans_;           // one after the other
    bool scanning_ = false;             // pages are being read, or the pause after that is not over
    Lifetime lifetime_;
};

}  // namespace quorlite::replica
