// quorlited: one node of a cluster as a server process. A thin layer over quorlite::Node.
//
// Exit status:
//   0   stopped as asked                     64  an option makes no sense
//   70  broken: a disk write failed          71  the directory cannot be used
//   72  the port cannot be had               73  the cluster does not take the node in
//   74  the node is no member: the cluster has removed it, or --join names another cluster
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <variant>

#include "engine/base/line.h"
#include "engine/base/memory_reserve.h"
#include "engine/server/command_line.h"
#include "quorlite/node.h"

namespace {

using quorlite::Node;
using quorlite::NodeError;
using quorlite::NodeOptions;

constexpr std::size_t kMemoryReserveBytes = 16u << 20;

int exit_status(NodeError::Kind kind) {
    switch (kind) {
        case NodeError::Kind::kOptions:
            return 64;
        case NodeError::Kind::kDirectory:
            return 71;
        case NodeError::Kind::kListen:
            return 72;
        case NodeError::Kind::kJoin:
            return 73;
        case NodeError::Kind::kRemoved:
            return 74;
        case NodeError::Kind::kTimeout:
        case NodeError::Kind::kOther:
            return 70;
    }
    return 70;
}

int complain(const NodeError& error) {
    quorlite::print_line("quorlited: " + error.message);
    return exit_status(error.kind);
}

// Each client is a descriptor.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

sigset_t ending_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    return signals;
}

// Signals that would end the process and ask for nothing that it does: the end of a terminal or of
// an ssh session, "reload" of a service manager, timers, a limit on the size of files.
void ignore_other_signals() {
    for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
                             SIGPWR, SIGSTKFLT, SIGXFSZ}) {
        ::signal(signal, SIG_IGN);
    }
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) ::signal(signal, SIG_IGN);
}

// The next one ends the process at once, as if nobody had ever blocked it.
void let_second_signal_through() {
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    const sigset_t signals = ending_signals();
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// Runs the node until a signal; the last line of its log is written when this returns.
void run(NodeOptions options, const sigset_t& signals, std::optional<NodeError>& failure) {
    Node::Expected started = Node::start(std::move(options));
    if (!started) {
        failure = started.error();
        return;
    }
    int signal = 0;
    ::sigwait(&signals, &signal);
    let_second_signal_through();
    started.node().stop();
}

int serve(NodeOptions options) {
    const sigset_t signals = ending_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ignore_other_signals();
    std::optional<NodeError> failure;  // written by the node at most once, before it is stopped
    options.on_failed = [&](const NodeError& error) {
        failure = error;
        ::kill(::getpid(), SIGTERM);
    };
    run(std::move(options), signals, failure);
    return failure ? complain(*failure) : 0;
}

}  // namespace

int main(int argc, char** argv) {
    auto read = quorlite::server::read_command_line(argc, argv);
    if (const auto* end = std::get_if<quorlite::server::CommandLineEnd>(&read)) {
        if (end->status == 0) std::fputs(end->text.c_str(), stdout);
        if (end->status != 0) quorlite::print_line("quorlited: " + end->text);
        return end->status;
    }
    auto& [options, warnings] = std::get<quorlite::server::CommandLine>(read);
    for (const std::string& warning : warnings) quorlite::print_line("quorlited: " + warning);
    raise_descriptor_limit();
    quorlite::keep_memory_reserve(kMemoryReserveBytes);
    return serve(std::move(options));
}
