// What everything made from one cluster object shares: its options, its list of nodes, and where
// that list is stored. Safe from any thread.
#pragma once

#include <memory>

#include "drivers/core/directory.h"
#include "quorlite/cluster.h"
#include "quorlite/node_store.h"
#include "quorlite/options.h"
#include "wire/base/mutex.h"

namespace quorlite::detail {

struct cluster_state {
    cluster_state(std::shared_ptr<node_store> nodes, const options& chosen)
        : store(std::move(nodes)), settings(chosen) {}
    virtual ~cluster_state() = default;

    // Loads the list of nodes, the first time.
    result<std::shared_ptr<core::Directory>> directory();
    void save();

    const std::shared_ptr<node_store> store;
    const options settings;

private:
    Mutex mutex_;  // of the store's calls, too
    std::shared_ptr<core::Directory> directory_ QUORLITE_GUARDED_BY(mutex_);
};

}  // namespace quorlite::detail
