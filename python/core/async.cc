#include "core/async.h"

#include <pybind11/stl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <system_error>
#include <thread>

#include "core/errors.h"
#include "drivers/asio/session.h"
#include "drivers/core/sql.h"

namespace quorlite::python {
namespace {

// The thread that runs the driver. A child of a fork has no such thread, so it makes one for
// itself; what it has from its parent is left as it is.
class Driver {
public:
    static Driver& of_this_process() {
        static Driver* current = nullptr;  // under the GIL
        static unsigned made_at = 0;
        if (current == nullptr || made_at != forks()) {
            current = new Driver();
            made_at = forks();
        }
        return *current;
    }

    asio::any_io_executor executor() { return context_.get_executor(); }

    // At the end of the interpreter: what is under way stays unanswered.
    void stop() {
        const py::gil_scoped_release released;
        context_.stop();
        if (thread_.joinable()) thread_.join();
    }

private:
    Driver() : thread_([this] { context_.run(); }) {
        py::module_::import("atexit").attr("register")(py::cpp_function([this, made_at = forks()] {
            if (made_at == forks()) stop();
        }));
    }

    asio::io_context context_{1};
    const asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::thread thread_;
};

// The answers of one execute_many(). Used in the driver's thread.
struct Sum {
    Completion completion;
    std::size_t outstanding = 0;
};

}  // namespace

// ---- CompletionQueue and LoopBridge ----

CompletionQueue::CompletionQueue() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
}

CompletionQueue::~CompletionQueue() {
    ::close(descriptor_);
}

void CompletionQueue::put(Completion completion) {
    const MutexLock lock(mutex_);
    completions_.push_back(std::move(completion));
    // One wake for all that come until the loop looks. It fails only if it is awake already.
    if (completions_.size() == 1) static_cast<void>(::eventfd_write(descriptor_, 1));
}

std::vector<Completion> CompletionQueue::take() {
    const MutexLock lock(mutex_);
    eventfd_t count = 0;
    static_cast<void>(::eventfd_read(descriptor_, &count));
    return std::exchange(completions_, {});
}

std::pair<std::uint64_t, asio::cancellation_slot> LoopBridge::expect(py::object future) {
    Waiting& waiting = waiting_[++last_];
    waiting.future = std::move(future);
    return {last_, waiting.stop.slot()};
}

void LoopBridge::deliver() {
    for (Completion& completion : queue_->take()) {
        auto found = waiting_.extract(completion.number);
        if (found.empty()) continue;
        const py::object future = std::move(found.mapped().future);
        if (py::cast<bool>(future.attr("done")())) continue;
        if (completion.error) {
            future.attr("set_exception")(exception_of(*completion.error));
        } else {
            future.attr("set_result")(std::make_shared<Reply>(std::move(completion)));
        }
    }
}

void LoopBridge::stop(std::uint64_t number) {
    const auto found = waiting_.find(number);
    if (found != waiting_.end()) found->second.stop.emit(asio::cancellation_type::terminal);
}

// ---- Reply ----

Reply::Reply(Completion completion)
    : completion_(std::move(completion)), columns_(column_names(completion_.found)) {}

py::list Reply::fetch(const Decoding& decoding, std::optional<std::size_t> limit) {
    py::list found;
    if (columns_.empty()) return found;
    while (!limit || found.size() < *limit) {
        if (buffer_.size() == 0) {
            buffer_ = RowBuffer();
            buffer_.fill(completion_.found, limit.value_or(kRowsTaken));
            if (buffer_.size() == 0) break;
        }
        found.append(buffer_.take(decoding));
    }
    return found;
}

void Reply::fetch_into(Columns& columns, std::size_t rows_max) {
    while (columns.row_count() < rows_max && buffer_.size() > 0) buffer_.take(columns);
    // With the GIL, which is all that keeps threads that share a cursor apart.
    columns.fill(completion_.found, rows_max);
}

// ---- AsyncSession and Stream ----

AsyncSession::AsyncSession(std::shared_ptr<LoopBridge> bridge, const cluster& nodes,
                           const std::string& database)
    : bridge_(std::move(bridge)),
      session_(std::make_shared<async::detail::session>(Driver::of_this_process().executor(),
                                                        detail::state_of(nodes),
                                                        core::Target{{}, database})),
      connection_(std::in_place, session_) {}

AsyncSession::~AsyncSession() {
    if (made_at_ == forks()) return;
    static_cast<void>(new auto(std::move(connection_)));  // the parent's
    static_cast<void>(new auto(std::move(session_)));
}

async::connection& AsyncSession::used() {
    check_process(made_at_);
    if (!connection_) throw_misuse("the connection is closed");
    return *connection_;
}

template <class Read>
auto AsyncSession::complete(std::uint64_t number, Read read) const {
    return [queue = bridge_->queue_, session = session_, in_transaction = in_transaction_, number,
            read](auto answer) {
        Completion completion;
        completion.number = number;
        if (answer) {
            read(completion, answer);
        } else {
            completion.error = std::move(answer).error();
        }
        *in_transaction = session->in_transaction();
        queue->put(std::move(completion));
    };
}

std::uint64_t AsyncSession::connect(py::object future, const call_options& options) {
    async::connection& db = used();
    const auto [number, slot] = bridge_->expect(std::move(future));
    db.connect(asio::bind_cancellation_slot(
                   slot,
                   [queue = bridge_->queue_, id = number](const std::exception_ptr& failure) {
                       Completion completion;
                       completion.number = id;
                       try {
                           if (failure) std::rethrow_exception(failure);
                       } catch (const error& failed) {
                           completion.error = failed.info();
                       }
                       queue->put(std::move(completion));
                   }),
               options);
    return number;
}

bool AsyncSession::yields_rows(std::string_view sql) {
    return core::analyse(sql).yields_rows;
}

std::uint64_t AsyncSession::query(std::string_view sql, py::handle bound, py::object future,
                                  const call_options& options) {
    async::connection& db = used();
    const Parameters parameters(sql, bound);
    const auto [number, slot] = bridge_->expect(std::move(future));
    const auto read = [](Completion& completion, result<rows>& answer) {
        completion.found = *std::move(answer);
        completion.done = completion.found.executed();
    };
    db.try_query(std::string(sql), async::parameters(parameters.view()),
                 asio::bind_cancellation_slot(slot, complete(number, read)), options);
    return number;
}

Stream AsyncSession::stream(std::string_view sql, py::handle bound, const call_options& options) {
    async::connection& db = used();
    const Parameters parameters(sql, bound);
    return {shared_from_this(),
            db.stream(std::string(sql), async::parameters(parameters.view()), options)};
}

std::uint64_t Stream::next(py::object future) {
    session_->used();
    const auto [number, slot] = session_->bridge_->expect(std::move(future));
    const auto read = [](Completion& completion, result<std::optional<rows>>& answer) {
        completion.more = answer->has_value();
        if (completion.more) completion.found = **std::move(answer);
    };
    batches_.try_next(asio::bind_cancellation_slot(slot, session_->complete(number, read)));
    return number;
}

std::uint64_t AsyncSession::execute_many(std::string_view sql, const py::list& sets,
                                         py::object future) {
    async::connection& db = used();
    std::vector<async::parameters> all;
    for (const py::handle each : sets) {
        const Parameters parameters(sql, each);
        all.emplace_back(parameters.view());
    }
    const std::uint64_t number = bridge_->expect(std::move(future)).first;
    const auto sum = std::make_shared<Sum>();
    sum->completion.number = number;
    sum->outstanding = all.size();
    const auto add = [queue = bridge_->queue_, session = session_, sum,
                      in_transaction = in_transaction_](result<execute_result> answer) {
        Completion& completion = sum->completion;
        if (answer) {
            completion.done.last_insert_id = answer->last_insert_id;
            completion.done.rows_affected += answer->rows_affected;
        } else if (!completion.error) {
            completion.error = answer.error();
        }
        if (--sum->outstanding > 0) return;
        *in_transaction = session->in_transaction();
        queue->put(std::move(completion));
    };
    // RETURNING yields a row for each that was changed.
    const auto count = [add](result<rows> answer) {
        if (!answer) return add(std::move(answer).error());
        rows found = *std::move(answer);
        execute_result done = found.executed();
        while (found.next()) ++done.rows_affected;
        add(done);
    };
    const bool counted = yields_rows(sql);
    for (async::parameters& each : all) {
        if (counted) {
            db.try_query(std::string(sql), std::move(each), count);
        } else {
            db.try_execute(std::string(sql), std::move(each), add);
        }
    }
    return number;
}

void AsyncSession::close() {
    check_process(made_at_);
    connection_.reset();
}

// ---- What Python sees ----

namespace {

void define_replies(py::module_& module) {
    py::class_<Reply, std::shared_ptr<Reply>>(module, "Reply")
        .def_property_readonly("columns", &Reply::columns)
        .def_property_readonly("more", [](const Reply& self) { return self.completion().more; })
        .def_property_readonly(
            "rows_affected", [](const Reply& self) { return self.completion().done.rows_affected; })
        .def_property_readonly(
            "last_insert_id",
            [](const Reply& self) { return self.completion().done.last_insert_id; })
        .def("fetch", &Reply::fetch, py::arg("decoding"), py::arg("rows_max") = py::none())
        .def("fetch_into", &Reply::fetch_into, py::arg("columns"), py::arg("rows_max"));
    py::class_<LoopBridge, std::shared_ptr<LoopBridge>>(module, "LoopBridge")
        .def(py::init<>())
        .def_property_readonly("descriptor", &LoopBridge::descriptor)
        .def("deliver", &LoopBridge::deliver)
        .def("stop", &LoopBridge::stop, py::arg("number"));
}

}  // namespace

void define_async(py::module_& module) {
    define_replies(module);
    py::class_<Stream>(module, "Stream").def("next", &Stream::next, py::arg("future"));
    py::class_<AsyncSession, std::shared_ptr<AsyncSession>>(module, "AsyncSession")
        .def(
            "connect",
            [](AsyncSession& self, py::object future, py::handle timeout) {
                return self.connect(std::move(future), chosen(timeout, false));
            },
            py::arg("future"), py::arg("timeout") = py::none())
        .def_static("yields_rows",
                    [](py::handle sql) { return AsyncSession::yields_rows(text_of(sql)); })
        .def(
            "query",
            [](AsyncSession& self, py::handle sql, py::handle bound, py::object future,
               py::handle timeout, bool idempotent) {
                return self.query(text_of(sql), bound, std::move(future),
                                  chosen(timeout, idempotent));
            },
            py::arg("sql"), py::arg("parameters"), py::arg("future"),
            py::arg("timeout") = py::none(), py::arg("idempotent") = false)
        .def(
            "stream",
            [](AsyncSession& self, py::handle sql, py::handle bound, bool idempotent) {
                return self.stream(text_of(sql), bound, chosen(py::none(), idempotent));
            },
            py::arg("sql"), py::arg("parameters"), py::arg("idempotent") = false)
        .def(
            "execute_many",
            [](AsyncSession& self, py::handle sql, const py::list& sets, py::object future) {
                return self.execute_many(text_of(sql), sets, std::move(future));
            },
            py::arg("sql"), py::arg("sets"), py::arg("future"))
        .def_property_readonly("in_transaction", &AsyncSession::in_transaction)
        .def("close", &AsyncSession::close);
}

}  // namespace quorlite::python
