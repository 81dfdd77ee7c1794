// Administration of a cluster for Asio: the nodes are asked and changed without waiting.
//
// What: what cluster.h does for the nodes of a cluster, with the completion tokens of asio.h. Each
// call has connections of its own, so calls do not wait for each other.
//
//     quorlite::async::administration nodes(executor, cluster);
//     co_await nodes.add(4, "10.0.0.4:9001", quorlite::node_role::voter, asio::use_awaitable);
//
// Errors: as in asio.h. Every question to a node has options::timeout, so every call ends. A change
// that is cancelled when it was under way is in doubt.
//
// Exception safety: strong, except for calls that end in doubt. Handlers are never called from
// within the call that starts them.
//
// Lifetimes: texts are copied. A call that is under way goes on when the object is destroyed;
// destroying a dump_stream stops it. The executor's context must outlive both.
//
// Thread safety: every function may be called from any thread at any time; a dump_stream is for one
// user at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorlite/asio.h"
#include "quorlite/cluster.h"

namespace quorlite::async {

// A part of a file of a dump: see quorlite::dump_part.
struct dump_piece {
    std::string file;
    std::uint64_t file_bytes = 0;  // of the whole file
    std::vector<std::byte> bytes;
};

namespace detail {

class administrator;

std::shared_ptr<void> name(const std::shared_ptr<administrator>& own, const request& op);
void start(const std::shared_ptr<administrator>& own, const std::shared_ptr<void>& operation,
           const request& op, std::unique_ptr<completion> waiting);
void cancel(const std::shared_ptr<administrator>& own, const std::shared_ptr<void>& operation);
asio::any_io_executor executor_of(const administrator& own);

// What is to be done, as the `of` of a request.
std::shared_ptr<void> nodes();
std::shared_ptr<void> leader();
std::shared_ptr<void> add(node_info node);
std::shared_ptr<void> assign(std::uint64_t id, node_role role);
std::shared_ptr<void> remove(std::uint64_t id);
std::shared_ptr<void> transfer(std::uint64_t id);
std::shared_ptr<void> describe(std::string node);
std::shared_ptr<void> set_weight(std::string node, std::uint64_t weight);
std::shared_ptr<void> status(const administrator& own);

}  // namespace detail

// A database as files that SQLite can open, in pieces as they come. The timeout is that of each.
class dump_stream {
public:
    dump_stream() = default;

    // A piece, or nothing at the end.
    template <class Token>
    auto next(Token&& token) {
        return ask<detail::throwing>(std::forward<Token>(token));
    }
    template <class Token>
    auto try_next(Token&& token) {
        return ask<detail::quiet>(std::forward<Token>(token));
    }

private:
    friend class administration;
    dump_stream(std::shared_ptr<detail::session> session, std::shared_ptr<void> stream,
                std::shared_ptr<void> keeper)
        : session_(std::move(session)), stream_(std::move(stream)), keeper_(std::move(keeper)) {}

    template <template <class, class> class ErrorPolicy, class Token>
    auto ask(Token&& token) {
        using Piece = std::optional<dump_piece>;
        return detail::ask<ErrorPolicy<Piece, detail::read_value<Piece>>>(
            session_, {.kind = detail::op_kind::next, .of = stream_}, std::forward<Token>(token));
    }

    std::shared_ptr<detail::session> session_;
    std::shared_ptr<void> stream_;
    std::shared_ptr<void> keeper_;  // closes the session
};

class administration {
public:
    explicit administration(std::shared_ptr<detail::administrator> own);  // for tests
    administration(asio::any_io_executor executor, const cluster& owner);

    asio::any_io_executor get_executor() const { return detail::executor_of(*own_); }

    // The cluster's own list, from the leader.
    template <class Token>
    auto nodes(Token&& token) {
        return ask<detail::throwing, std::vector<node_info>>(detail::nodes(), token);
    }
    template <class Token>
    auto try_nodes(Token&& token) {
        return ask<detail::quiet, std::vector<node_info>>(detail::nodes(), token);
    }
    template <class Token>
    auto leader(Token&& token) {
        return ask<detail::throwing, node_info>(detail::leader(), token);
    }
    template <class Token>
    auto try_leader(Token&& token) {
        return ask<detail::quiet, node_info>(detail::leader(), token);
    }

    // See cluster::add(), assign(), remove() and transfer(). Not a node_info: GCC 12 destroys one
    // that is made within a co_await twice.
    template <class Token>
    auto add(std::uint64_t id, std::string address, node_role role, Token&& token) {
        return ask<detail::throwing, void>(detail::add({id, std::move(address), role}), token);
    }
    template <class Token>
    auto try_add(std::uint64_t id, std::string address, node_role role, Token&& token) {
        return ask<detail::quiet, void>(detail::add({id, std::move(address), role}), token);
    }
    template <class Token>
    auto assign(std::uint64_t id, node_role role, Token&& token) {
        return ask<detail::throwing, void>(detail::assign(id, role), token);
    }
    template <class Token>
    auto try_assign(std::uint64_t id, node_role role, Token&& token) {
        return ask<detail::quiet, void>(detail::assign(id, role), token);
    }
    template <class Token>
    auto remove(std::uint64_t id, Token&& token) {
        return ask<detail::throwing, void>(detail::remove(id), token);
    }
    template <class Token>
    auto try_remove(std::uint64_t id, Token&& token) {
        return ask<detail::quiet, void>(detail::remove(id), token);
    }
    template <class Token>
    auto transfer(std::uint64_t id, Token&& token) {
        return ask<detail::throwing, void>(detail::transfer(id), token);
    }
    template <class Token>
    auto try_transfer(std::uint64_t id, Token&& token) {
        return ask<detail::quiet, void>(detail::transfer(id), token);
    }

    // Of the node at this address.
    template <class Token>
    auto describe(std::string node, Token&& token) {
        return ask<detail::throwing, node_description>(detail::describe(std::move(node)), token);
    }
    template <class Token>
    auto try_describe(std::string node, Token&& token) {
        return ask<detail::quiet, node_description>(detail::describe(std::move(node)), token);
    }
    template <class Token>
    auto set_weight(std::string node, std::uint64_t weight, Token&& token) {
        return ask<detail::throwing, void>(detail::set_weight(std::move(node), weight), token);
    }
    template <class Token>
    auto try_set_weight(std::string node, std::uint64_t weight, Token&& token) {
        return ask<detail::quiet, void>(detail::set_weight(std::move(node), weight), token);
    }

    // All nodes that are known, each asked; nodes that do not answer are part of the result.
    template <class Token>
    auto status(Token&& token) {
        return ask<detail::throwing, std::vector<node_status>>(detail::status(*own_), token);
    }
    template <class Token>
    auto try_status(Token&& token) {
        return ask<detail::quiet, std::vector<node_status>>(detail::status(*own_), token);
    }

    // From the leader, or from the node at this address.
    dump_stream dump(std::string database, std::string node = {}) const;

private:
    template <template <class, class> class ErrorPolicy, class T, class Token>
    auto ask(std::shared_ptr<void> task, Token&& token) {
        return detail::ask<ErrorPolicy<T, detail::read_value<T>>>(
            own_, {.kind = detail::op_kind::administer, .of = std::move(task)},
            std::forward<Token>(token));
    }

    std::shared_ptr<detail::administrator> own_;
};

}  // namespace quorlite::async
