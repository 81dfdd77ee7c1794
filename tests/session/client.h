// Client: the other end of one session, as a test sees it: requests go in, answers come out as
// text.
//
//   FAILURE 12 no database opened        RESULT 7 1 (last insert id, rows affected)
//   ROWS a,b (1,'x') (NULL,2.5)          STMT 0 params 2 tail 9
//   SERVER 1 127.0.0.1:9001              EMPTY
//   COLUMNS a INT key t.a | 1+1; :p ?    RAN read tx more kept 0 params 1 used 9 changed 2 id 7
//
// The batches of one result set are one answer; "..." ends one whose last batch did not come.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/session/session.h"
#include "tests/session/cluster.h"
#include "wire/client.h"

namespace quorlite::test {

std::string describe(const wire::Value& value);
std::string describe(const wire::Response& response);

// Joins the batches of result sets in a list of described answers.
std::vector<std::string> join_batches(const std::vector<std::string>& answers);

class Client {
public:
    explicit Client(Cluster& cluster, session::Options options = {}, std::size_t node = 1,
                    session::Principal principal = {.address = "client"});
    ~Client() { disconnect(); }

    session::Session& session() { return *session_; }
    bool connected() const { return session_ != nullptr; }
    void disconnect();

    void greet() { send_word(wire::kProtocolVersion); }
    void send_word(std::uint64_t word);
    void send(const wire::Request& request);
    void send_bytes(ByteView bytes) { session_->receive(bytes); }

    // Takes all that the session has to say, reads on while it goes on saying things, and returns
    // the answers that are complete.
    std::vector<std::string> answers();
    // Takes at most so many bytes from the session.
    void read(std::size_t bytes_max);
    // All answers to a RUN, however long they take.
    std::vector<std::string> run(const wire::RunRequest& request);
    // The answer to one request, however long it takes.
    std::string ask(const wire::Request& request);
    std::string next_answer();

    std::string open(std::string_view name = "test.db") { return ask(wire::OpenRequest{name}); }
    std::string exec(std::string_view sql) { return ask(wire::ExecSqlRequest{.sql = sql}); }
    std::string query(std::string_view sql) { return ask(wire::QuerySqlRequest{.sql = sql}); }
    std::string prepare(std::string_view sql, std::uint8_t schema = 0) {
        return ask(wire::PrepareRequest{.schema = schema, .sql = sql});
    }

    // How the answers that come are to be read.
    wire::ResponseContext context;
    // The session says of itself that something changed.
    int changes = 0;

private:
    void take_answers();

    Cluster& cluster_;
    std::shared_ptr<session::Session> session_;
    wire::MessageReader reader_{std::uint64_t{1} << 30};
    std::deque<std::string> answers_;
};

// A client that has said the version word and opened "test.db".
class OpenClient : public Client {
public:
    explicit OpenClient(Cluster& cluster, session::Options options = {},
                        session::Principal principal = {.address = "client"})
        : Client(cluster, options, 1, std::move(principal)) {
        greet();
        EXPECT_EQ(open(), "DB 0");
    }
};

}  // namespace quorlite::test
