// Conversations under tests/session/golden: requests, and what a session answers. They are about
// what dqlite has not, or what cannot be captured; the rest is in spec/vectors and vectors_test.cc.
//
//   A: connect [2]        a client of node 1, or of this one, says the version word
//   A: exec-sql TEXT      one request, by its name and its words; below it, indented, its answer
//   A: send exec-sql TEXT the same, without waiting for the answer
//   A: run FLAGS TEXT     RUN of a text; of a kept statement: run-kept FLAGS NUMBER
//   A: hear               what was answered meanwhile
//   nodes 3               the cluster; the others join and vote
//   isolate 1, heal, advance 100ms, depose (node 1 loses leadership), restore
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>

#include "tests/session/client.h"
#include "tests/support/golden.h"

namespace quorlite::test {
namespace {

constexpr std::string_view kIndent = "    ";

// The first word; what follows the blank behind it remains.
std::string take_word(std::string& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string word = text.substr(0, end);
    text.erase(0, end + 1);
    return word;
}

std::uint64_t take_number(std::string& text) {
    const std::string word = take_word(text);
    std::size_t end = 0;
    const std::uint64_t number = word.empty() ? 0 : std::stoull(word, &end);
    if (end != word.size() || word.empty()) throw std::invalid_argument("no number: " + word);
    return number;
}

wire::Role take_role(std::string& text) {
    static const std::map<std::string, wire::Role> kRoles{{"voter", wire::Role::kVoter},
                                                          {"standby", wire::Role::kStandby},
                                                          {"spare", wire::Role::kSpare}};
    return kRoles.at(take_word(text));
}

wire::RunRequest run_of(std::string& words) {
    const std::uint64_t flags = take_number(words);
    return {.flags = flags, .sql = words};
}

// Texts in the request are parts of `words`, which must outlive it.
wire::Request request_of(const std::string& name, std::string& words) {
    const auto statement = [&] { return static_cast<std::uint32_t>(take_number(words)); };
    if (name == "leader") return wire::LeaderRequest{};
    if (name == "client") return wire::ClientRequest{};
    if (name == "open") return wire::OpenRequest{.name = words};
    if (name == "prepare") return wire::PrepareRequest{.sql = words};
    if (name == "prepare-first") return wire::PrepareRequest{.schema = 1, .sql = words};
    if (name == "exec") return wire::ExecRequest{.statement = statement()};
    if (name == "query") return wire::QueryRequest{.statement = statement()};
    if (name == "finalize") return wire::FinalizeRequest{.statement = statement()};
    if (name == "exec-sql") return wire::ExecSqlRequest{.sql = words};
    if (name == "query-sql") return wire::QuerySqlRequest{.sql = words};
    if (name == "interrupt") return wire::InterruptRequest{};
    if (name == "connect-peer") return wire::ConnectRequest{NodeId(take_number(words)), words};
    if (name == "add") return wire::AddRequest{NodeId(take_number(words)), words};
    if (name == "remove") return wire::RemoveRequest{NodeId(take_number(words))};
    if (name == "dump") return wire::DumpRequest{.name = words};
    if (name == "cluster") return wire::ClusterRequest{};
    if (name == "transfer") return wire::TransferRequest{NodeId(take_number(words))};
    if (name == "describe") return wire::DescribeRequest{};
    if (name == "weight") return wire::WeightRequest{take_number(words)};
    if (name == "status") return wire::StatusRequest{};
    if (name == "run") return run_of(words);
    if (name == "run-kept") {
        const std::uint64_t flags = take_number(words);
        return wire::RunRequest{.flags = flags, .statement = take_number(words) + 1};
    }
    if (name != "assign") throw std::invalid_argument("no such request: " + name);
    const NodeId id(take_number(words));
    return wire::AssignRequest{id, take_role(words)};
}

class Conversation {
public:
    // The answers to a line.
    std::vector<std::string> play(std::string line) {
        const std::size_t colon = line.find(": ");
        if (colon == 1) return client(line.substr(0, 1), line.substr(colon + 2));
        const std::string command = take_word(line);
        if (command == "nodes") {
            start(take_number(line));
        } else if (command == "isolate") {
            cluster().isolate(take_number(line));
        } else if (command == "heal") {
            cluster().heal();
        } else if (command == "advance") {
            cluster().executor.advance(std::chrono::milliseconds(take_number(line)));
        } else if (command == "depose") {
            cluster().depose();
        } else if (command == "restore") {
            cluster().restore();
        } else {
            throw std::invalid_argument("no such command: " + command);
        }
        return {};
    }

private:
    Cluster& cluster() {
        if (!cluster_) start(1);
        return *cluster_;
    }

    void start(std::uint64_t nodes) {
        cluster_ = std::make_unique<Cluster>(nodes);
        for (std::uint64_t id = 2; id <= nodes; ++id) cluster_->join(id);
    }

    std::vector<std::string> client(const std::string& name, std::string words) {
        const std::string command = take_word(words);
        if (command == "connect") {
            const std::size_t node = words.empty() ? 1 : take_number(words);
            auto& fresh = clients_[name];
            fresh = std::make_unique<Client>(cluster(), session::Options(), node,
                                             session::Principal{.address = "client " + name});
            fresh->greet();
            return {};
        }
        Client& asked = *clients_.at(name);
        if (command == "hear") {
            std::vector<std::string> answers = asked.answers();
            if (asked.session().finished()) answers.emplace_back("closed");
            return answers;
        }
        if (command.starts_with("run")) {
            return asked.run(std::get<wire::RunRequest>(request_of(command, words)));
        }
        if (command != "send") return {asked.ask(request_of(command, words))};
        const std::string request = take_word(words);
        asked.send(request_of(request, words));
        return {};
    }

    std::unique_ptr<Cluster> cluster_;
    std::map<std::string, std::unique_ptr<Client>> clients_;
};

std::string play(const std::string& script) {
    Conversation conversation;
    std::string text;
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(kIndent)) continue;
        text += line + "\n";
        if (line.empty() || line.starts_with('#')) continue;
        for (const std::string& answer : conversation.play(line)) {
            text += std::string(kIndent) + answer + "\n";
        }
    }
    return text;
}

std::vector<std::filesystem::path> scripts() {
    std::vector<std::filesystem::path> found;
    const std::filesystem::path folder = QUORLITE_SOURCE_DIR "/tests/session/golden";
    for (const auto& file : std::filesystem::directory_iterator(folder)) found.push_back(file);
    std::sort(found.begin(), found.end());
    return found;
}

class ConversationTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(ConversationTest, GoesAsItSays) {
    const std::string mismatch = golden_mismatch(GetParam(), play(read_file(GetParam())));
    EXPECT_TRUE(mismatch.empty()) << mismatch;
}

INSTANTIATE_TEST_SUITE_P(Golden, ConversationTest, testing::ValuesIn(scripts()),
                         [](const auto& script) { return script.param.stem().string(); });

}  // namespace
}  // namespace quorlite::test
