// Real nodes for the drivers' tests: processes on this machine, started, killed and stopped.
//
// Every process that is started is ended, by its own number, when the object goes. Data lies under
// the folder that the build names, and is removed.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace quorlite::testing {

class Process {
public:
    Process() = default;
    ~Process();
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;

    static Process start(const std::vector<std::string>& command, const std::string& log);
    bool running() const { return pid_ > 0; }
    void kill();  // SIGKILL, and waits
    void signal(int number);
    int stop();  // SIGTERM, and waits; the exit status

private:
    pid_t pid_ = -1;
};

// Three nodes of quorlited, or of Debian's dqlite.
class Nodes {
public:
    enum class Kind { kQuorlite, kDqlite };

    explicit Nodes(const std::string& name, Kind kind = Kind::kQuorlite, int count = 3);
    ~Nodes();

    const std::vector<std::string>& addresses() const { return addresses_; }
    std::size_t index_of(const std::string& address) const;
    void start(std::size_t index);
    Process& process(std::size_t index) { return processes_[index]; }
    // Waits until all nodes are voters, and returns the leader's index.
    std::size_t settle();
    // As the cluster sees it now; waits for one.
    std::size_t leader();

private:
    void form_dqlite();

    Kind kind_;
    std::string folder_;
    std::vector<std::string> addresses_;
    std::vector<Process> processes_;
    std::vector<bool> started_before_;
};

}  // namespace quorlite::testing
