// A thread whose stack does not depend on `ulimit -s`: SQLite calls itself for each level of what
// it compiles, and bounds the levels, not the stack.
#pragma once

#include <pthread.h>

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/executor.h"
#include "engine/base/limits.h"

namespace quorlite::server {

class Thread {
public:
    Thread() = default;
    // Throws std::system_error if there can be none.
    explicit Thread(Task work) {
        auto task = std::make_unique<Task>(std::move(work));
        pthread_attr_t attributes;
        QUORLITE_CHECK(::pthread_attr_init(&attributes) == 0);
        QUORLITE_CHECK(::pthread_attr_setstacksize(&attributes, limits::kStackBytes) == 0);
        const int failure = ::pthread_create(&thread_.emplace(), &attributes, run, task.get());
        ::pthread_attr_destroy(&attributes);
        if (failure != 0) {
            thread_.reset();
            throw std::system_error(failure, std::generic_category());
        }
        task.release();
    }
    Thread(Thread&& other) noexcept : thread_(std::exchange(other.thread_, std::nullopt)) {}
    Thread& operator=(Thread&& other) noexcept {
        std::swap(thread_, other.thread_);
        return *this;
    }
    ~Thread() { QUORLITE_CHECK(!thread_); }

    void join() {
        ::pthread_join(*thread_, nullptr);
        thread_.reset();
    }

private:
    static void* run(void* task) {
        const std::unique_ptr<Task> work(static_cast<Task*>(task));
        (*work)();
        return nullptr;
    }

    std::optional<pthread_t> thread_;
};

}  // namespace quorlite::server
