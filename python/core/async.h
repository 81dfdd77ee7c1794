// Connections for event loops: questions go to the driver's Asio front end, which one thread of the
// process runs; answers come back through a LoopBridge, whose file descriptor the loop watches.
//
// That thread never touches Python, and no thread waits for a single call: an answer is queued
// as it is, and becomes Python's when the loop empties it, all that are there at once.
// A future is named by a number until then. Everything here runs in the loop's thread, with the
// GIL, unless it says otherwise.
#pragma once

#include <pybind11/pybind11.h>

#include <asio/cancellation_signal.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/session.h"
#include "core/values.h"
#include "quorlite/asio.h"
#include "wire/base/mutex.h"

namespace quorlite::python {

// What became of one question.
struct Completion {
    std::uint64_t number = 0;
    std::optional<error_info> error = {};
    rows found = {};
    execute_result done = {};
    bool more = false;  // of a stream: there is a batch
};

// Completions on their way from the driver's thread. An eventfd is readable while there are any.
class CompletionQueue {
public:
    CompletionQueue();
    ~CompletionQueue();
    CompletionQueue(const CompletionQueue&) = delete;
    CompletionQueue& operator=(const CompletionQueue&) = delete;

    int descriptor() const { return descriptor_; }
    void put(Completion completion);  // any thread
    std::vector<Completion> take();

private:
    const int descriptor_;
    Mutex mutex_;
    std::vector<Completion> completions_ QUORLITE_GUARDED_BY(mutex_);
};

// One event loop's.
class LoopBridge {
public:
    int descriptor() const { return queue_->descriptor(); }
    // Tells the futures whose answers have come.
    void deliver();
    // Sends an INTERRUPT after a question that has not been answered.
    void stop(std::uint64_t number);

private:
    friend class AsyncSession;
    friend class Stream;

    struct Waiting {
        py::object future;
        asio::cancellation_signal stop;
    };
    // The handler of an operation whose answer goes to `future`.
    std::pair<std::uint64_t, asio::cancellation_slot> expect(py::object future);

    const std::shared_ptr<CompletionQueue> queue_ = std::make_shared<CompletionQueue>();
    std::uint64_t last_ = 0;
    std::unordered_map<std::uint64_t, Waiting> waiting_;
};

// An answer: all rows of a statement, or a batch of them.
class Reply {
public:
    explicit Reply(Completion completion);

    const Completion& completion() const { return completion_; }
    py::tuple columns() const { return columns_; }
    // All rows that are left as tuples, or so many.
    py::list fetch(const Decoding& decoding, std::optional<std::size_t> limit);
    // Adds rows until there are so many, or none left here.
    void fetch_into(Columns& columns, std::size_t rows_max);

private:
    Completion completion_;
    py::tuple columns_;
    RowBuffer buffer_;
};

class AsyncSession;

// Rows in batches, as they come; destroying it stops the query.
class Stream {
public:
    Stream(std::shared_ptr<AsyncSession> session, async::row_stream batches)
        : session_(std::move(session)), batches_(std::move(batches)) {}
    // Each of these returns the number by which LoopBridge::stop() knows the question.
    std::uint64_t next(py::object future);

private:
    const std::shared_ptr<AsyncSession> session_;
    async::row_stream batches_;
};

class AsyncSession : public std::enable_shared_from_this<AsyncSession> {
public:
    AsyncSession(std::shared_ptr<LoopBridge> bridge, const cluster& nodes,
                 const std::string& database);
    ~AsyncSession();

    std::uint64_t connect(py::object future, const call_options& options);
    // Whether rows are worth a stream.
    static bool yields_rows(std::string_view sql);
    std::uint64_t query(std::string_view sql, py::handle bound, py::object future,
                        const call_options& options);
    Stream stream(std::string_view sql, py::handle bound, const call_options& options);
    // One statement for each set, sent without waiting in between; one answer for all: the first
    // failure, or the sum.
    std::uint64_t execute_many(std::string_view sql, const py::list& sets, py::object future);
    void close();
    // After the last answer that was delivered, or is about to be.
    bool in_transaction() const { return *in_transaction_; }

private:
    friend class Stream;
    async::connection& used();
    // A handler that writes the answer into a completion.
    template <class Read>
    auto complete(std::uint64_t number, Read read) const;

    const unsigned made_at_ = forks();
    const std::shared_ptr<LoopBridge> bridge_;
    std::shared_ptr<async::detail::session> session_;
    std::optional<async::connection> connection_;
    // Set by the driver's thread.
    const std::shared_ptr<std::atomic<bool>> in_transaction_ =
        std::make_shared<std::atomic<bool>>(false);
};

void define_async(py::module_& module);

}  // namespace quorlite::python
