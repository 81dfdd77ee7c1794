#include "tests/drivers/live/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <utility>

#include "quorlite/cluster.h"
#include "tests/support/ports.h"

extern char** environ;

namespace quorlite::testing {
namespace {

constexpr std::chrono::seconds kPatience{60};

const char* variable(const char* name, const char* fallback) {
    const char* const value = std::getenv(name);
    return value ? value : fallback;
}

}  // namespace

Process::~Process() {
    if (pid_ <= 0) return;
    signal(SIGCONT);
    kill();
}

Process::Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Process& Process::operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
}

Process Process::start(const std::vector<std::string>& command, const std::string& log) {
    std::vector<char*> arguments;
    for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                       0644);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
    Process process;
    const int status =
        ::posix_spawn(&process.pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (status != 0) throw std::runtime_error("cannot start " + command[0]);
    return process;
}

void Process::signal(int number) {
    if (pid_ > 0) ::kill(pid_, number);
}

void Process::kill() {
    signal(SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
}

int Process::stop() {
    signal(SIGTERM);
    int status = -1;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Nodes::Nodes(const std::string& name, Kind kind, int count)
    : kind_(kind),
      folder_(std::string(variable("QUORLITE_TEST_DATA", "run")) + "/" + name + "." +
              std::to_string(::getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    for (int i = 0; i < count; ++i) addresses_.push_back(test::free_address());
    processes_.resize(addresses_.size());
    started_before_.resize(addresses_.size());
    for (std::size_t i = 0; i < addresses_.size(); ++i) {
        start(i);
        if (i == 0) leader();
    }
    if (kind_ == Kind::kDqlite) form_dqlite();
    settle();
}

Nodes::~Nodes() {
    processes_.clear();
    if (std::getenv("QUORLITE_KEEP_DATA") == nullptr) std::filesystem::remove_all(folder_);
}

std::size_t Nodes::index_of(const std::string& address) const {
    const auto found = std::find(addresses_.begin(), addresses_.end(), address);
    return static_cast<std::size_t>(found - addresses_.begin());
}

void Nodes::start(std::size_t index) {
    const std::string number = std::to_string(index + 1);
    const std::string own = folder_ + "/" + number;
    std::vector<std::string> command;
    if (kind_ == Kind::kQuorlite) {
        command = {variable("QUORLITED", "build/release/engine/server/quorlited"), "--dir", own};
        if (!started_before_[index]) {
            command.insert(command.end(), {"--address", addresses_[index]});
            if (index == 0) command.emplace_back("--bootstrap");
            if (index > 0) command.insert(command.end(), {"--join", addresses_[0]});
        }
    } else {
        command = {variable("DQLITE_NODE", "build/release/tests/benchmark/dqlite_node"),
                   "--id",
                   number,
                   "--address",
                   addresses_[index],
                   "--dir",
                   own};
    }
    started_before_[index] = true;
    processes_[index] = Process::start(command, own + ".log");
}

void Nodes::form_dqlite() {
    quorlite::cluster cluster({addresses_[0]});
    for (std::size_t i = 1; i < addresses_.size(); ++i) {
        cluster.add({i + 1, addresses_[i], node_role::voter});
    }
}

std::size_t Nodes::settle() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        quorlite::cluster cluster(addresses_);
        const auto nodes = cluster.try_nodes();
        const auto votes = [](const node_info& node) { return node.role == node_role::voter; };
        if (nodes && std::count_if(nodes->begin(), nodes->end(), votes) == std::ssize(addresses_)) {
            return leader();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error("the cluster does not form: see " + folder_);
}

std::size_t Nodes::leader() {
    const options patient{.timeout = kPatience};
    return index_of(quorlite::cluster(addresses_, patient).leader().address);
}

}  // namespace quorlite::testing
