#include "tests/session/client.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <utility>

namespace quorlite::test {
namespace {

std::string join(const std::vector<std::string>& parts, std::string_view between) {
    std::string text;
    for (const std::string& part : parts) {
        if (!text.empty()) text += between;
        text += part;
    }
    return text;
}

struct ValueWriter {
    std::ostream& out;

    void operator()(wire::Null) const { out << "NULL"; }
    void operator()(std::int64_t number) const { out << number; }
    void operator()(double number) const {
        char text[40];
        std::snprintf(text, sizeof text, "%.17g", number);
        const std::string_view digits(text);
        out << digits << (digits.find_first_not_of("-0123456789") == digits.npos ? ".0" : "");
    }
    void operator()(std::string_view text) const { out << '\'' << text << '\''; }
    void operator()(ByteView blob) const {
        out << "x'";
        for (const std::uint8_t byte : blob) out << kHex[byte >> 4] << kHex[byte & 15];
        out << '\'';
    }
    void operator()(wire::UnixTime time) const { out << '@' << time.seconds; }
    void operator()(wire::Iso8601 date) const { out << "date'" << date.text << '\''; }
    void operator()(wire::Boolean boolean) const { out << "bool " << boolean.number; }

    static constexpr std::string_view kHex = "0123456789abcdef";
};

struct ResponseWriter {
    std::ostream& out;

    void operator()(const wire::FailureResponse& r) const {
        out << "FAILURE " << r.code << ' ' << r.message;
        if (r.schema == 0) return;
        out << " at " << r.offset;
        flags(r.flags);
    }
    void operator()(const wire::ServerResponse& r) const {
        out << "SERVER " << r.id.value() << ' ' << r.address;
    }
    void operator()(const wire::LegacyServerResponse& r) const { out << "SERVER " << r.address; }
    void operator()(const wire::WelcomeResponse& r) const {
        out << "WELCOME " << r.heartbeat_timeout_ms;
    }
    void operator()(const wire::ServersResponse& r) const {
        out << "SERVERS";
        for (const wire::Server& server : r.servers) {
            out << ' ' << server.id.value() << ' ' << server.address;
            if (r.format == wire::ServersFormat::kRoles) {
                out << ' ' << static_cast<std::uint64_t>(server.role);
            }
        }
    }
    void operator()(const wire::DbResponse& r) const { out << "DB " << r.db; }
    void operator()(const wire::StmtResponse& r) const {
        out << "STMT " << r.statement << " params " << r.parameter_count;
        if (r.schema == 1) out << " tail " << r.tail_offset;
    }
    void operator()(const wire::ResultResponse& r) const {
        out << "RESULT " << r.last_insert_id << ' ' << r.rows_affected;
    }
    void operator()(const wire::RowsResponse& r) const {
        auto reader = wire::RowsReader::open(r.content);
        if (!reader.ok()) {
            out << "ROWS that do not decode: " << reader.error().message;
            return;
        }
        out << "ROWS " << join({reader->columns().begin(), reader->columns().end()}, ",");
        std::vector<wire::Value> row;
        for (;;) {
            const auto step = reader->next(row);
            if (!step.ok()) {
                out << " and a row that does not decode: " << step.error().message;
                return;
            }
            if (*step == wire::RowsReader::Step::kPart) out << " ...";
            if (*step != wire::RowsReader::Step::kRow) return;
            std::vector<std::string> values;
            for (const wire::Value& value : row) values.push_back(describe(value));
            out << " (" << join(values, ",") << ')';
        }
    }
    void operator()(const wire::EmptyResponse&) const { out << "EMPTY"; }
    void operator()(const wire::FilesResponse& r) const {
        out << "FILES";
        for (const wire::File& file : r.files)
            out << ' ' << file.name << ' ' << file.content.size();
    }
    void operator()(const wire::MetadataResponse& r) const {
        out << "METADATA " << r.failure_domain << ' ' << r.weight;
    }
    void operator()(const wire::StatusResponse& r) const {
        out << "STATUS " << r.id.value() << " state " << static_cast<std::uint64_t>(r.state)
            << " leader " << r.leader.value() << " behind " << r.last - r.applied << " databases";
        for (const std::string_view each : r.databases) out << ' ' << each;
    }
    void operator()(const wire::ColumnsResponse& r) const {
        out << "COLUMNS";
        for (std::size_t i = 0; i < r.columns.size(); ++i) {
            const wire::Column& column = r.columns[i];
            out << (i == 0 ? " " : " | ") << column.name;
            if (!column.declared_type.empty()) out << ' ' << column.declared_type;
            if ((column.flags & wire::Column::kNotNull) != 0) out << " not-null";
            if ((column.flags & wire::Column::kPrimaryKey) != 0) out << " key";
            if ((column.flags & wire::Column::kAutoIncrement) != 0) out << " auto";
            if (!column.table.empty()) out << ' ' << column.table << '.' << column.origin;
        }
        out << ';';
        for (const std::string_view name : r.parameters) out << ' ' << (name.empty() ? "?" : name);
    }
    void operator()(const wire::RanResponse& r) const {
        out << "RAN";
        if ((r.flags & wire::ran::kStatement) == 0) out << " nothing";
        flags(r.flags);
        if (r.statement != 0) out << " kept " << r.statement - 1;
        out << " params " << r.parameter_count << " used " << r.text_bytes << " changed "
            << r.rows_affected << " id " << r.last_insert_id;
    }

    void flags(std::uint64_t set) const {
        if ((set & wire::ran::kReadOnly) != 0) out << " read";
        if ((set & wire::ran::kExplain) != 0) out << " explain";
        if ((set & wire::ran::kInTransaction) != 0) out << " tx";
        if ((set & wire::ran::kMore) != 0) out << " more";
    }
};

template <class Writer>
std::string written(const auto& variant) {
    std::ostringstream out;
    std::visit(Writer{out}, variant);
    return out.str();
}

}  // namespace

std::string describe(const wire::Value& value) {
    return written<ValueWriter>(value);
}

std::string describe(const wire::Response& response) {
    return written<ResponseWriter>(response);
}

std::vector<std::string> join_batches(const std::vector<std::string>& answers) {
    constexpr std::string_view kMore = " ...";
    std::vector<std::string> joined;
    bool open = false;
    for (const std::string& answer : answers) {
        if (open && answer.starts_with("ROWS")) {
            joined.back().resize(joined.back().size() - kMore.size());
            const std::size_t rows = answer.find(" (");
            const bool more = answer.ends_with(kMore);
            if (rows != std::string::npos) {
                joined.back() += answer.substr(rows);
            } else if (more) {
                joined.back() += kMore;
            }
        } else {
            joined.push_back(answer);
        }
        open = answer.starts_with("ROWS") && answer.ends_with(kMore);
    }
    return joined;
}

Client::Client(Cluster& cluster, session::Options options, std::size_t node,
               session::Principal principal)
    : cluster_(cluster),
      session_(session::Session::open(cluster.replica(node), cluster.executor, cluster.executor,
                                      options, std::move(principal), [this] { ++changes; })) {}

void Client::disconnect() {
    if (!session_) return;
    session_->close();
    session_.reset();
}

void Client::send_word(std::uint64_t word) {
    std::uint8_t bytes[8];
    store_little(bytes, word);
    send_bytes(bytes);
}

void Client::send(const wire::Request& request) {
    if (const auto* cluster = std::get_if<wire::ClusterRequest>(&request)) {
        context.servers = cluster->format;
    }
    Bytes bytes;
    ASSERT_TRUE(wire::encode(request, bytes).ok());
    send_bytes(bytes);
}

void Client::read(std::size_t bytes_max) {
    const ByteView output = session_->output();
    const std::size_t taken = std::min(bytes_max, output.size());
    reader_.feed(output.first(taken));
    if (taken > 0) session_->consumed(taken);
    take_answers();
}

void Client::take_answers() {
    for (;;) {
        const auto message = reader_.next();
        ASSERT_TRUE(message.ok()) << message.error().message;
        if (!message->has_value()) return;
        const auto response = wire::decode_response((*message)->header, (*message)->body, context);
        ASSERT_TRUE(response.ok()) << response.error().message;
        answers_.push_back(describe(*response));
    }
}

std::vector<std::string> Client::answers() {
    do {
        while (session_ && !session_->output().empty()) read(SIZE_MAX);
        cluster_.executor.run();
    } while (session_ && !session_->output().empty());
    const std::deque<std::string> all = std::exchange(answers_, {});
    return join_batches({all.begin(), all.end()});
}

std::string Client::next_answer() {
    std::vector<std::string> parts;
    const auto complete = [&] {
        while (session_ && !session_->output().empty()) read(SIZE_MAX);
        while (!answers_.empty()) {
            parts.push_back(std::move(answers_.front()));
            answers_.pop_front();
            if (!parts.back().starts_with("ROWS") || !parts.back().ends_with(" ...")) return true;
        }
        return session_->finished();
    };
    if (!cluster_.executor.run_until(complete)) return "no answer";
    const auto joined = join_batches(parts);
    return joined.empty() ? "closed" : join(joined, " then ");
}

std::vector<std::string> Client::run(const wire::RunRequest& request) {
    send(request);
    const bool script = (request.flags & wire::run::kScript) != 0;
    std::vector<std::string> answers;
    for (;;) {
        answers.push_back(next_answer());
        const std::string& last = answers.back();
        const bool more = last.starts_with("COLUMNS") || last.starts_with("ROWS") ||
                          (script && last.starts_with("RAN") && last.find(" more") != last.npos);
        if (!more) return answers;
    }
}

std::string Client::ask(const wire::Request& request) {
    send(request);
    return next_answer();
}

}  // namespace quorlite::test
