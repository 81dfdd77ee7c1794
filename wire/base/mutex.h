// Mutexes that the compiler checks: which lock guards what is part of the declarations, and Clang
// refuses code that touches something without its lock (-Wthread-safety).
//
//   Mutex mutex_;
//   std::size_t size_ QUORLITE_GUARDED_BY(mutex_) = 0;   // only while mutex_ is held
//   void grow() QUORLITE_REQUIRES(mutex_);               // only called while it is held
//
// The analysis looks at one function at a time and not into constructors and destructors. A lambda
// is a function of its own: one that runs under a lock says so behind its parameters,
// `[&]() QUORLITE_REQUIRES(mutex_) { ... }`. Calling a member function of what is guarded counts as
// reading it. QUORLITE_UNCHECKED turns the analysis off for one function; the comment beside it
// says why no lock is needed.
//
// The names are those of Clang's manual, "Thread Safety Analysis". For other compilers the macros
// are empty, and the locks are those of the standard library, no more.
#pragma once

#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define QUORLITE_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define QUORLITE_THREAD_SAFETY(attribute)
#endif

#define QUORLITE_CAPABILITY(name) QUORLITE_THREAD_SAFETY(capability(name))
#define QUORLITE_SCOPED_CAPABILITY QUORLITE_THREAD_SAFETY(scoped_lockable)
#define QUORLITE_GUARDED_BY(mutex) QUORLITE_THREAD_SAFETY(guarded_by(mutex))
#define QUORLITE_PT_GUARDED_BY(mutex) QUORLITE_THREAD_SAFETY(pt_guarded_by(mutex))
#define QUORLITE_REQUIRES(...) QUORLITE_THREAD_SAFETY(requires_capability(__VA_ARGS__))
#define QUORLITE_EXCLUDES(...) QUORLITE_THREAD_SAFETY(locks_excluded(__VA_ARGS__))
#define QUORLITE_ACQUIRE(...) QUORLITE_THREAD_SAFETY(acquire_capability(__VA_ARGS__))
#define QUORLITE_ACQUIRE_SHARED(...) QUORLITE_THREAD_SAFETY(acquire_shared_capability(__VA_ARGS__))
#define QUORLITE_TRY_ACQUIRE(...) QUORLITE_THREAD_SAFETY(try_acquire_capability(__VA_ARGS__))
#define QUORLITE_RELEASE(...) QUORLITE_THREAD_SAFETY(release_capability(__VA_ARGS__))
#define QUORLITE_UNCHECKED QUORLITE_THREAD_SAFETY(no_thread_safety_analysis)

namespace quorlite {

// Held by a MutexLock.
class QUORLITE_CAPABILITY("mutex") Mutex {
public:
    // If true, a MutexLock must adopt it.
    bool try_lock() QUORLITE_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

private:
    friend class MutexLock;
    std::mutex mutex_;
};

// Holds a mutex until its scope ends, or until unlock().
class QUORLITE_SCOPED_CAPABILITY MutexLock {
public:
    explicit MutexLock(Mutex& mutex) QUORLITE_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
    MutexLock(Mutex& mutex, std::adopt_lock_t adopt) QUORLITE_REQUIRES(mutex)
        : lock_(mutex.mutex_, adopt) {}
    ~MutexLock() QUORLITE_RELEASE() = default;

    void lock() QUORLITE_ACQUIRE() { lock_.lock(); }
    void unlock() QUORLITE_RELEASE() { lock_.unlock(); }
    // For std::condition_variable to wait with.
    std::unique_lock<std::mutex>& native() { return lock_; }

private:
    std::unique_lock<std::mutex> lock_;
};

// Held by one WriterLock, or by any number of ReaderLocks.
class QUORLITE_CAPABILITY("mutex") SharedMutex {
    friend class WriterLock;
    friend class ReaderLock;
    std::shared_mutex mutex_;
};

class QUORLITE_SCOPED_CAPABILITY WriterLock {
public:
    explicit WriterLock(SharedMutex& mutex) QUORLITE_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
    ~WriterLock() QUORLITE_RELEASE() = default;

private:
    std::lock_guard<std::shared_mutex> lock_;
};

class QUORLITE_SCOPED_CAPABILITY ReaderLock {
public:
    explicit ReaderLock(SharedMutex& mutex) QUORLITE_ACQUIRE_SHARED(mutex) : lock_(mutex.mutex_) {}
    ~ReaderLock() QUORLITE_RELEASE() = default;

private:
    std::shared_lock<std::shared_mutex> lock_;
};

}  // namespace quorlite
