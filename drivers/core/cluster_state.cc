#include "drivers/core/cluster_state.h"

#include "drivers/core/rules.h"

namespace quorlite::detail {

result<std::shared_ptr<core::Directory>> cluster_state::directory() {
    const MutexLock lock(mutex_);
    if (directory_) return directory_;
    result<std::vector<node_info>> nodes = store->load();
    if (!nodes) return std::move(nodes).error();
    if (nodes->empty()) {
        return core::make_error(error_kind::store, code::kCannotOpen, "the list of nodes is empty");
    }
    directory_ = std::make_shared<core::Directory>(*std::move(nodes));
    return directory_;
}

void cluster_state::save() {
    const MutexLock lock(mutex_);
    // A store that cannot be written now is written at the next change; the nodes are known.
    static_cast<void>(store->save(directory_->nodes()));
}

}  // namespace quorlite::detail
