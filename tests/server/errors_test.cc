// What an operator sees when a node cannot start: one line that says what is wrong and what to do,
// and the exit status that quorlited's documentation gives.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/ports.h"
#include "tests/support/sanitizer.h"
#include "wire/client.h"

namespace quorlite {
namespace {

using test::free_address;

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

// A quorlited process, ended with the object.
class Process {
public:
    explicit Process(const Arguments& arguments, rlim_t addresses_max = RLIM_INFINITY) {
        int ends[2];
        if (::pipe(ends) != 0) std::abort();
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(ends[1], STDERR_FILENO);
            ::dup2(ends[1], STDOUT_FILENO);
            ::close(ends[0]);
            const rlimit addresses{.rlim_cur = addresses_max, .rlim_max = addresses_max};
            if (addresses_max != RLIM_INFINITY) ::setrlimit(RLIMIT_AS, &addresses);
            std::vector<char*> line{const_cast<char*>(QUORLITED)};
            for (const std::string& argument : arguments) {
                line.push_back(const_cast<char*>(argument.c_str()));
            }
            line.push_back(nullptr);
            ::execv(QUORLITED, line.data());
            std::_Exit(127);
        }
        ::close(ends[1]);
        output_ = ends[0];
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
        ::close(output_);
    }

    // Reads until `text` appears or the process ends; what was read so far.
    std::string read_until(const std::string& text) {
        std::array<char, 4096> buffer;
        while (seen_.find(text) == std::string::npos) {
            const ssize_t count = ::read(output_, buffer.data(), buffer.size());
            if (count <= 0) break;
            seen_.append(buffer.data(), static_cast<std::size_t>(count));
        }
        return seen_;
    }

    void signal(int number) { ::kill(pid_, number); }

    // What it writes from now on has no place to go.
    void fill_output() {
        const std::string name = "/proc/" + std::to_string(pid_) + "/fd/2";
        const int writing = ::open(name.c_str(), O_WRONLY | O_NONBLOCK);
        ASSERT_GE(writing, 0);
        for (const std::size_t size : {4096u, 1u}) {
            while (::write(writing, std::string(size, 'x').data(), size) > 0) {
            }
        }
        ::close(writing);
    }

    // The exit status; that of a killed process is 128 and the signal.
    int wait() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

private:
    pid_t pid_ = -1;
    int output_ = -1;
    std::string seen_;
};

class ErrorsTest : public testing::Test {
protected:
    ErrorsTest() {
        const std::string name = "server_errors_" + std::to_string(::getpid());
        root = fs::current_path() / name;
        fs::create_directories(root);
    }
    ~ErrorsTest() override { fs::remove_all(root); }

    std::string path(const std::string& name) const { return (root / name).string(); }

    // Expects that a node started so ends with this status, and with one line that holds these
    // texts; before it there may be lines about a node that runs.
    void expect(int status, const std::vector<std::string>& texts, const Arguments& arguments) {
        Process process(arguments);
        std::string output = process.read_until("\1");
        while (output.find(" info quorlited: ") < output.find('\n')) {
            output.erase(0, output.find('\n') + 1);
        }
        EXPECT_EQ(process.wait(), status) << output;
        EXPECT_EQ(output.rfind("quorlited: ", 0), 0u) << output;
        EXPECT_EQ(output.find('\n'), output.size() - 1) << output;
        for (const std::string& text : texts) {
            EXPECT_NE(output.find(text), std::string::npos) << "no '" << text << "' in: " << output;
        }
    }

    // Expects that the options are refused beside others that make sense.
    void expect_refused(const std::vector<std::string>& texts, const Arguments& options) {
        Arguments arguments = {"--dir", path("node"), "--address", "h:1"};
        arguments.insert(arguments.end(), options.begin(), options.end());
        expect(64, texts, arguments);
    }

    // Expects that a node started so becomes ready.
    void expect_ready(const Arguments& arguments) {
        Process process(arguments);
        const std::string output = process.read_until("quorlited: ready");
        EXPECT_NE(output.find("ready"), std::string::npos) << output;
    }

    // A stopped node's directory.
    std::string made_directory(const std::string& name, const std::string& address) {
        Process process({"--dir", path(name), "--address", address, "--bootstrap", "--id", "5"});
        const std::string output = process.read_until("quorlited: ready id=5 address=" + address);
        EXPECT_NE(output.find("ready"), std::string::npos) << output;
        process.signal(SIGTERM);
        EXPECT_EQ(process.wait(), 0) << process.read_until("\1");
        return path(name);
    }

    fs::path root;
};

TEST_F(ErrorsTest, OptionsThatMakeNoSense) {
    const std::string dir = path("node");
    expect(64, {"--dir"}, {});
    expect(64, {"unknown option --foo"}, {"--foo"});
    expect(64, {"--nonsense"}, {"--dir", dir, "--nonsense"});
    expect(64, {"'here' is not of the form HOST:PORT"}, {"--dir", dir, "--address", "here"});
    expect(64, {"'h:99999' is not of the form"}, {"--dir", dir, "--address", "h:99999"});
    expect_refused({"'x' is not of the form"}, {"--join", "a:1,x"});
    expect_refused({"--heartbeat"}, {"--heartbeat", "1s", "--election-timeout", "2s"});
    expect_refused({"--disk"}, {"--disk", "floppy"});
    expect_refused({"--id", "'-3' is not a whole number"}, {"--id", "-3"});
    expect_refused({"--id", "is not a whole number"}, {"--id", "99999999999999999999"});
    expect_refused({"--connections-max", "'many' is not a whole number"},
                   {"--connections-max", "many"});
    expect_refused({"--connections-max", "99999999999"}, {"--connections-max", "99999999999"});
    expect_refused({"--failure-domain", "'-1' is not a whole number"}, {"--failure-domain", "-1"});
    expect(64, {"--log-level", "loud not in {debug,info,warning,error,off}"},
           {"--dir", dir, "--address", "h:1", "--log-level", "loud"});
    for (const char* const time : {"0", "-1s", "soon", "1 parsec", "100000000000000000000ms"}) {
        expect_refused({"--write-timeout"}, {"--write-timeout", time});
    }
    for (const char* const time : {"-1us", "1s", "11ms"}) {
        expect_refused({"--busy-poll"}, {"--busy-poll", time});
    }
}

TEST_F(ErrorsTest, AddressesThatNobodyCanReach) {
    const std::string dir = path("node");
    expect(64, {"'::1:9001' is not of the form", "[ADDRESS]:PORT"},
           {"--dir", dir, "--address", "::1:9001"});
    for (const char* const address : {"0.0.0.0:9001", "[::]:9001"}) {
        expect(64, {"nobody can reach", address, "--listen"}, {"--dir", dir, "--address", address});
    }
    expect_refused({"--join names only the node itself"}, {"--join", "h:1"});
}

TEST_F(ErrorsTest, SizesThatMakeNoSense) {
    for (const char* const option :
         {"--cache-per-connection", "--cache-total", "--memory-max", "--buffers-max",
          "--temporary-max", "--transaction-max", "--flush-size", "--log-tail"}) {
        for (const char* const size : {"0", "10EB"}) {
            expect_refused({option, "it must be from"}, {option, size});
        }
        for (const char* const size : {"-1", "99999999999999999999", "much"}) {
            expect_refused({option, size, "is not a whole number"}, {option, size});
        }
    }
}

TEST_F(ErrorsTest, ConfigurationFilesThatMakeNoSense) {
    const std::string file = path("node.conf");
    const auto expect_line_refused = [&](const char* line, const char* text) {
        std::ofstream(file) << "dir = \"" << path("node") << "\"\n" << line << "\n";
        expect(64, {text}, {"--config", file});
    };
    expect_line_refused("adress = \"h:1\"", "no option is called 'adress'");
    expect_line_refused("address = \"here\"", "'here' is not of the form");
    expect_line_refused("connections-max = many", "--connections-max");
    expect_line_refused("connections = 5 6", "'5 6' is not a whole number");
    expect_line_refused("busy-timeout = 5parsecs", "--busy-timeout");
    expect(64, {path("missing.conf")}, {"--config", path("missing.conf")});
    expect(64, {root.string()}, {"--config", root.string()});
}

TEST_F(ErrorsTest, NamesAndIpv6AreAddresses) {
    const std::string port = free_address().substr(std::string("127.0.0.1").size());
    for (const std::string& address : {"localhost" + port, "[::1]" + port}) {
        made_directory("node" + std::to_string(address.size()), address);
    }
    expect(72, {"cannot listen at nohost.invalid"},
           {"--dir", path("unknown"), "--address", "nohost.invalid:9001", "--bootstrap"});
}

TEST_F(ErrorsTest, ANewNodeWithoutAnAddress) {
    expect(71, {path("node"), "is new", "--address"}, {"--dir", path("node"), "--bootstrap"});
}

TEST_F(ErrorsTest, ANewNodeThatIsNotToldWhetherToFoundOrToJoin) {
    const std::string address = free_address();
    expect(71, {path("node"), "is new", "--bootstrap", "--join"},
           {"--dir", path("node"), "--address", address});
    expect(64, {"--bootstrap", "--join"},
           {"--dir", path("node"), "--address", address, "--bootstrap", "--join", "h:1"});
    Process founder({"--dir", path("node"), "--address", address, "--bootstrap"});
    EXPECT_NE(founder.read_until("ready").find("ready"), std::string::npos);
}

TEST_F(ErrorsTest, ARestartNeedsNothingButTheDirectory) {
    const std::string address = free_address();
    const std::string dir = made_directory("node", address);
    Process process({"--dir", dir});
    const std::string output = process.read_until("ready id=5 address=" + address);
    EXPECT_NE(output.find("ready id=5 address=" + address), std::string::npos) << output;
    process.signal(SIGINT);
    EXPECT_EQ(process.wait(), 0);
}

TEST_F(ErrorsTest, OptionsFromAFile) {
    const std::string address = free_address();
    std::ofstream(path("node.conf"))
        << "dir = \"" << path("node") << "\"\naddress = \"" << address
        << "\"\nbootstrap = true\nid = 9\nheartbeat = \"50ms\"\ncache-per-connection = 4 MB\n";
    Process process({"--config", path("node.conf")});
    const std::string output = process.read_until("ready id=9");
    EXPECT_NE(output.find("ready id=9 address=" + address), std::string::npos) << output;
}

TEST_F(ErrorsTest, ADirectoryInUse) {
    const std::string address = free_address();
    Process first({"--dir", path("node"), "--address", address, "--bootstrap"});
    first.read_until("ready");
    expect(71, {path("node"), "in use"}, {"--dir", path("node")});
}

TEST_F(ErrorsTest, ADirectoryOfAnotherNode) {
    const std::string dir = made_directory("node", free_address());
    expect(71, {"belongs to node 5", "another directory"}, {"--dir", dir, "--id", "6"});
    expect(71, {"belongs to the node at"},
           {"--dir", dir, "--address", free_address(), "--bootstrap"});
}

TEST_F(ErrorsTest, ADirectoryWithoutWhatItHad) {
    const std::string dir = made_directory("node", free_address());
    for (const std::string each : {"identity", "log", "vote", "databases"}) {
        fs::rename(dir + "/" + each, path("aside"));
        expect(71, {"\"" + each + "\" is missing", "join again"}, {"--dir", dir});
        fs::remove_all(dir + "/" + each);
        if (each == "identity") {
            expect(71, {"is missing"}, {"--dir", dir, "--address", free_address(), "--bootstrap"});
        }
        fs::rename(path("aside"), dir + "/" + each);
    }
    expect_ready({"--dir", dir});
}

TEST_F(ErrorsTest, ADirectoryOfAnotherCluster) {
    const std::string address = free_address();
    Process first({"--dir", path("first"), "--address", address, "--bootstrap"});
    first.read_until("ready");
    const std::string dir = made_directory("node", free_address());
    expect(74, {"the node at " + address + " belongs to cluster", "--join"},
           {"--dir", dir, "--join", address, "--election-timeout", "200ms", "--heartbeat", "50ms"});
}

TEST_F(ErrorsTest, AVoteOlderThanTheLog) {
    const std::string address = free_address();
    const std::string dir = made_directory("node", address);
    fs::copy_file(dir + "/vote", path("vote"));
    made_directory("node", address);  // a later term
    fs::copy_file(path("vote"), dir + "/vote", fs::copy_options::overwrite_existing);
    expect(71, {"\"vote\"", "older than its log", "join again"}, {"--dir", dir});
}

TEST_F(ErrorsTest, ADirectoryThatCannotBeWritten) {
    std::ofstream(path("file")) << "not a directory";
    expect(71, {path("file")}, {"--dir", path("file"), "--address", free_address(), "--bootstrap"});
    expect(71, {"nowhere"},
           {"--dir", path("nowhere/deep/node"), "--address", free_address(), "--bootstrap"});
    expect(71, {"/proc/node"}, {"--dir", "/proc/node", "--address", free_address(), "--bootstrap"});
}

TEST_F(ErrorsTest, ADirectoryWithoutSpace) {
    const std::string dir = path("small");
    fs::create_directories(dir);
    if (::mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=256k") != 0) {
        GTEST_SKIP() << "mounting needs a privilege";
    }
    expect(71, {dir, "space"},
           {"--dir", dir + "/node", "--address", free_address(), "--bootstrap"});
    ::umount2(dir.c_str(), MNT_DETACH);
}

TEST_F(ErrorsTest, APortInUse) {
    const std::string address = free_address();
    Process first({"--dir", path("first"), "--address", address, "--bootstrap"});
    first.read_until("ready");
    expect(72, {address, "another process uses this port"},
           {"--dir", path("second"), "--address", address, "--bootstrap"});
    expect_ready({"--dir", path("second"), "--address", free_address(), "--bootstrap"});
}

TEST_F(ErrorsTest, AnAddressOfAnotherMachine) {
    expect(72, {"192.0.2.1:9001", "--listen"},
           {"--dir", path("node"), "--address", "192.0.2.1:9001", "--bootstrap"});
    expect_ready({"--dir", path("node"), "--address", free_address(), "--bootstrap"});
    expect(72, {"no.such.host.invalid"},
           {"--dir", path("other"), "--address", "no.such.host.invalid:9001", "--bootstrap"});
}

TEST_F(ErrorsTest, AJoinThatNobodyAnswers) {
    const std::string member = free_address();
    expect(73, {"nobody answers at " + member, "check --join"},
           {"--dir", path("node"), "--address", free_address(), "--join", member, "--join-timeout",
            "300ms"});
}

TEST_F(ErrorsTest, ARestartBeforeTheNodeHasJoined) {
    const std::string member = free_address();
    const Arguments joining{"--dir",  path("node"), "--address",      free_address(),
                            "--join", member,       "--join-timeout", "100ms"};
    expect(73, {"nobody answers"}, joining);
    expect(73, {"nobody answers at " + member}, {"--dir", path("node"), "--join-timeout", "100ms"});
    Process first({"--dir", path("first"), "--address", member, "--bootstrap"});
    first.read_until("ready");
    Process again({"--dir", path("node")});
    EXPECT_NE(again.read_until("joined").find("joined"), std::string::npos);
}

// So that it does not come back by itself after it was removed.
TEST_F(ErrorsTest, AMemberForgetsWhereItJoined) {
    const std::string member = free_address();
    Process first({"--dir", path("first"), "--address", member, "--bootstrap"});
    first.read_until("ready");
    Process second({"--dir", path("node"), "--address", free_address(), "--join", member});
    const std::string output = second.read_until("quorlited: ready");
    EXPECT_NE(output.find("ready"), std::string::npos) << output;
    second.signal(SIGTERM);
    EXPECT_EQ(second.wait(), 0);
    std::stringstream seeds;
    seeds << std::ifstream(path("node") + "/seeds").rdbuf();
    ASSERT_GT(seeds.str().size(), 20u);
    EXPECT_EQ(seeds.str().substr(16, 4), std::string(4, '\0'));  // the length of the content
}

TEST_F(ErrorsTest, AJoinWithAnIdOrAddressThatIsTaken) {
    const std::string first_address = free_address();
    Process first({"--dir", path("first"), "--address", first_address, "--bootstrap"});
    first.read_until("ready");
    expect(73, {"id 1 belongs to the node at " + first_address, "--id"},
           {"--dir", path("second"), "--address", free_address(), "--join", first_address, "--id",
            "1"});
    // It stays, for it is a voter: without it nobody would lead.
    Process second({"--dir", path("second"), "--id", "7"});
    const std::string output = second.read_until("quorlited: ready");
    EXPECT_NE(output.find("ready"), std::string::npos) << output;
    expect(73, {"the address " + first_address + " belongs to node 1"},
           {"--dir", path("third"), "--address", first_address, "--listen", free_address(),
            "--join", "localhost" + first_address.substr(first_address.find(':'))});
}

// Two voters of which one does not answer: a hand-over that cannot succeed. No wait of its is to
// last as long as an election timeout here.
class HandoverTest : public ErrorsTest {
protected:
    HandoverTest()
        : address(free_address()),
          process({"--dir", path("node"), "--address", address, "--bootstrap", "--election-timeout",
                   "60min"}) {
        process.read_until("ready");
        other.emplace(
            Arguments{"--dir", path("other"), "--address", free_address(), "--join", address});
        other->read_until("joined role=voter");
        other->signal(SIGSTOP);
        process.signal(SIGTERM);
    }

    std::string address;
    Process process;
    std::optional<Process> other;
};

// The end of an ssh session, "reload" of a service manager, a timer of whoever started the node.
TEST_F(ErrorsTest, SignalsThatAskForNothingAreIgnored) {
    Process process({"--dir", path("node"), "--address", free_address(), "--bootstrap"});
    process.read_until("quorlited: ready");
    for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
                             SIGPWR, SIGSTKFLT, SIGXFSZ, SIGRTMIN, SIGRTMAX}) {
        process.signal(number);
    }
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 0) << process.read_until("\1");
}

TEST_F(ErrorsTest, ALogThatNobodyReadsDoesNotKeepANode) {
    Process process({"--dir", path("node"), "--address", free_address(), "--bootstrap"});
    process.read_until("quorlited: ready");
    ASSERT_NO_FATAL_FAILURE(process.fill_output());
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 0);
}

// Half requests, more than the process may have addresses for, and less than --buffers-max.
TEST_F(ErrorsTest, ClientsThatTakeAllMemoryDoNotEndANode) {
    if (test::kSanitized) GTEST_SKIP() << "a sanitizer needs all addresses";
    const std::string address = free_address();
    Process process({"--dir", path("node"), "--address", address, "--bootstrap"}, 600u << 20);
    ASSERT_NE(process.read_until("quorlited: ready").find("ready"), std::string::npos);
    std::vector<int> clients;
    const std::string piece(1u << 20, '\0');
    for (int i = 0; i < 30; ++i) {
        const int client = test::connect_to(address);
        ASSERT_GE(client, 0);
        clients.push_back(client);
        // The version word, and the header of a request of 62 MiB.
        std::string begin("\1\0\0\0\0\0\0\0\0\0\x7c\0\x8\0\0\0", 16);
        bool open = ::send(client, begin.data(), begin.size(), MSG_NOSIGNAL) == 16;
        for (int sent = 0; open && sent < 60; ++sent) {
            open = ::send(client, piece.data(), piece.size(), MSG_NOSIGNAL) > 0;
        }
    }
    for (const int client : clients) ::close(client);
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 0) << process.read_until("\1");
}

// A transaction that --transaction-max allows, and the addresses of the process do not.
TEST_F(ErrorsTest, ATransactionWithoutMemoryIsAnError) {
    if (test::kSanitized) GTEST_SKIP() << "a sanitizer needs all addresses";
    const std::string address = free_address();
    Process process({"--dir", path("node"), "--address", address, "--bootstrap"}, 400u << 20);
    ASSERT_NE(process.read_until("quorlited: ready").find("ready"), std::string::npos);
    const int client = test::connect_to(address);
    ASSERT_GE(client, 0);
    Bytes bytes{1, 0, 0, 0, 0, 0, 0, 0};
    ASSERT_TRUE(wire::encode(wire::OpenRequest{.name = "db"}, bytes));
    const auto execute = [&](std::string_view sql) {
        ASSERT_TRUE(wire::encode(wire::ExecSqlRequest{.sql = sql}, bytes));
    };
    execute("CREATE TABLE t(a)");
    execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000) "
        "INSERT INTO t SELECT randomblob(3000) FROM n");
    execute("INSERT INTO t VALUES (1)");
    ASSERT_EQ(::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    wire::MessageReader reader(1u << 20);
    std::vector<wire::ResponseType> answers;
    while (answers.size() < 4) {
        const auto message = reader.next();
        ASSERT_TRUE(message.ok());
        if (message->has_value()) {
            answers.push_back(static_cast<wire::ResponseType>((*message)->header.type));
            continue;
        }
        const auto room = reader.prepare();
        const ssize_t got = ::recv(client, room.data(), room.size(), 0);
        ASSERT_GT(got, 0);
        reader.commit(static_cast<std::size_t>(got));
    }
    ::close(client);
    using enum wire::ResponseType;
    EXPECT_EQ(answers, (std::vector{kDb, kResult, kFailure, kResult}));
}

TEST_F(HandoverTest, GivesUp) {
    EXPECT_EQ(process.wait(), 0);
}

TEST_F(HandoverTest, ASecondSignalEndsAtOnce) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 128 + SIGTERM);
}

}  // namespace
}  // namespace quorlite
