// The canary of the analysis of locks: what a mutex guards is touched without it. A build that
// compiles this would not refuse any other.
#include "wire/base/mutex.h"

namespace quorlite {

class Unlocked {
public:
    void count() { ++counted_; }

private:
    Mutex mutex_;
    int counted_ QUORLITE_GUARDED_BY(mutex_) = 0;
};

}  // namespace quorlite
