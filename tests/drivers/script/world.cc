#include "tests/drivers/script/world.h"

#include <algorithm>

namespace quorlite::testing {
namespace {

constexpr const char* kBroken = "the stream broke";
constexpr std::uint64_t kNotLeader = 10250;

std::vector<std::int64_t> numbers(const wire::Parameters& parameters) {
    std::vector<std::int64_t> found;
    wire::ParameterReader reader(parameters);
    while (reader.remaining() > 0) {
        const auto value = reader.next();
        if (!value) break;
        if (const auto* number = std::get_if<std::int64_t>(&*value)) found.push_back(*number);
    }
    return found;
}

}  // namespace

// ---- Conversation ----

bool Conversation::leads() const {
    const auto hint = world_.hints.find(node_);
    if (hint != world_.hints.end()) return hint->second == world_.addresses[node_];
    return world_.leader == node_;
}

std::optional<ClusterId> Conversation::cluster(bool wanted) const {
    const auto own = world_.clusters.find(node_);
    if (!wanted || own == world_.clusters.end()) return std::nullopt;
    return own->second;
}

void Conversation::tell_leader(bool with_cluster) {
    const bool known = world_.leader < world_.addresses.size();
    std::string address = known ? world_.addresses[world_.leader] : "";
    const auto hint = world_.hints.find(node_);
    if (hint != world_.hints.end()) address = hint->second;
    const NodeId id(address.empty() ? 0 : world_.leader + 1);
    wire::encode(wire::ServerResponse{id, address, cluster(with_cluster)}, out_);
}

void Conversation::tell_nodes() {
    const auto own = world_.lists.find(node_);
    wire::ServersResponse servers;
    for (const std::string& each : own == world_.lists.end() ? world_.addresses : own->second) {
        const NodeId id(servers.servers.size() + 1);
        servers.servers.push_back({id, each, wire::Role::kVoter});
    }
    wire::encode(servers, out_);
}

void Conversation::fail(std::uint64_t code, const std::string& message) {
    wire::encode(wire::FailureResponse{code, message}, out_);
}

void Conversation::receive(ByteView bytes) {
    in_.feed(bytes);
    if (!greeted_) greeted_ = in_.take_word().has_value();
    while (greeted_) {
        const auto message = in_.next();
        if (!message || !*message) return;
        const auto request = wire::decode_request((*message)->header, (*message)->body);
        const auto* const known = std::get_if<wire::Request>(&request);
        if (known == nullptr || world_.silent) continue;
        if (world_.silent_about == wire::name_of(*known)) continue;
        if (slow_ && !std::holds_alternative<wire::InterruptRequest>(*known)) continue;
        if (world_.misanswers == wire::name_of(*known)) {
            wire::encode(wire::EmptyResponse{}, out_);
            continue;
        }
        const std::string& breaks = world_.breaks_at;
        if (!breaks.empty() && wire::name_of(*known).starts_with(breaks)) broken_ = true;
        answer(*known);
    }
}

void Conversation::change(std::uint64_t id) {
    if (!leads()) return fail(kNotLeader, "not leader");
    world_.changes.push_back(id);
    wire::encode(wire::EmptyResponse{}, out_);
}

// True if the script says how the statement ends.
bool Conversation::refuse() {
    if (!leads()) {
        in_transaction_ = open_ = false;
        fail(kNotLeader, "not leader");
        return true;
    }
    if (!open_) {
        fail(12, "no database opened");
        return true;
    }
    if (world_.refusals.empty()) return false;
    const World::Refusal refusal = world_.refusals.front();
    world_.refusals.pop_front();
    if (refusal.code == 0) return false;
    fail(refusal.code, refusal.message);
    if (refusal.ends_transaction) end_transaction();
    return !refusal.done_nevertheless;
}

void Conversation::end_transaction() {
    pending_.clear();
    in_transaction_ = false;
}

void Conversation::execute(const std::string& sql, const wire::Parameters& parameters) {
    const std::size_t before = out_.size();
    if (refuse()) return;
    slow_ = sql.find("slow") != std::string::npos;
    if (slow_) return;
    const bool answered = out_.size() != before;
    const std::vector<std::int64_t> values = numbers(parameters);
    if (sql.starts_with("BEGIN") && in_transaction_) {
        return fail(1, "cannot start a transaction within a transaction");
    }
    if (sql.starts_with("BEGIN") || sql.starts_with("SAVEPOINT")) in_transaction_ = true;
    if (sql.starts_with("INSERT")) {
        auto& into = in_transaction_ ? pending_ : world_.database;
        into.insert(into.end(), values.begin(), values.end());
    }
    const bool commits = sql.starts_with("COMMIT") || sql.starts_with("RELEASE");
    if (commits) {
        world_.database.insert(world_.database.end(), pending_.begin(), pending_.end());
    }
    if (commits || sql.starts_with("ROLLBACK")) end_transaction();
    if (!answered) wire::encode(wire::ResultResponse{7, values.size()}, out_);
}

void Conversation::query(const std::string& sql, const wire::Parameters& parameters) {
    if (sql.starts_with("INSERT")) {
        const std::size_t before = out_.size();
        execute(sql, parameters);
        const bool failed =
            out_[before + 4] == static_cast<std::uint8_t>(wire::ResponseType::kFailure);
        if (failed) return;
        out_.resize(before);
    } else if (refuse()) {
        return;
    }
    slow_ = sql.find("slow") != std::string::npos;
    if (slow_) return;
    std::vector<std::int64_t> visible = world_.database;
    visible.insert(visible.end(), pending_.begin(), pending_.end());
    wire::RowsWriter writer;
    const std::vector<std::string_view> names = {"n"};
    writer.columns(names);
    if (world_.empty_time) {
        writer.begin(out_);
        writer.row().iso8601("");
        return writer.finish(wire::RowsEnd::kDone);
    }
    constexpr std::size_t kBatch = 2;
    for (std::size_t i = 0;; i += kBatch) {
        writer.begin(out_);
        for (std::size_t j = i; j < std::min(i + kBatch, visible.size()); ++j) {
            writer.row().integer(visible[j]);
        }
        const bool done = i + kBatch >= visible.size();
        writer.finish(done ? wire::RowsEnd::kDone : wire::RowsEnd::kPart);
        if (done) return;
    }
}

void Conversation::stop() {
    if (std::exchange(slow_, false)) fail(9, "interrupted");
    wire::encode(wire::EmptyResponse{}, out_);
}

void Conversation::answer(const wire::Request& request) {
    world_.requests.emplace_back(wire::name_of(request));
    const auto reply = [this](const wire::Response& response) { wire::encode(response, out_); };
    if (const auto* who = std::get_if<wire::LeaderRequest>(&request)) {
        tell_leader(who->wants_cluster_id);
    } else if (const auto* client = std::get_if<wire::ClientRequest>(&request)) {
        reply(wire::WelcomeResponse{.cluster = cluster(client->wants_cluster_id)});
    } else if (std::holds_alternative<wire::OpenRequest>(request)) {
        if (!leads()) return fail(kNotLeader, "not leader");
        open_ = true;
        reply(wire::DbResponse{});
    } else if (const auto* prepare = std::get_if<wire::PrepareRequest>(&request)) {
        if (refuse()) return;
        const auto id = static_cast<std::uint32_t>(statements_.size());
        statements_[id] = prepare->sql;
        const auto count =
            static_cast<std::uint64_t>(std::count(prepare->sql.begin(), prepare->sql.end(), '?'));
        reply(wire::StmtResponse{static_cast<std::uint8_t>(world_.old_server ? 0 : 1), 0, id, count,
                                 prepare->sql.size()});
    } else if (const auto* exec = std::get_if<wire::ExecRequest>(&request)) {
        execute(statements_[exec->statement], exec->parameters);
    } else if (const auto* exec_sql = std::get_if<wire::ExecSqlRequest>(&request)) {
        execute(std::string(exec_sql->sql), exec_sql->parameters);
    } else if (const auto* ask = std::get_if<wire::QueryRequest>(&request)) {
        query(statements_[ask->statement], ask->parameters);
    } else if (const auto* ask_sql = std::get_if<wire::QuerySqlRequest>(&request)) {
        query(std::string(ask_sql->sql), ask_sql->parameters);
    } else if (const auto* add = std::get_if<wire::AddRequest>(&request)) {
        change(add->id.value());
    } else if (const auto* remove = std::get_if<wire::RemoveRequest>(&request)) {
        change(remove->id.value());
    } else if (const auto* assign = std::get_if<wire::AssignRequest>(&request)) {
        change(assign->id.value());
    } else if (const auto* transfer = std::get_if<wire::TransferRequest>(&request)) {
        change(transfer->id.value());
    } else if (const auto* weight = std::get_if<wire::WeightRequest>(&request)) {
        // Twice the same is no change.
        const bool same = !world_.changes.empty() && world_.changes.back() == weight->weight;
        if (!same) world_.changes.push_back(weight->weight);
        reply(wire::EmptyResponse{});
    } else if (std::holds_alternative<wire::InterruptRequest>(request)) {
        stop();
    } else if (std::holds_alternative<wire::ClusterRequest>(request)) {
        tell_nodes();
    } else if (std::holds_alternative<wire::DumpRequest>(request)) {
        static const Bytes kContent(24, 7);
        reply(wire::FilesResponse{{{"db", kContent}, {"db-wal", {}}}});
    } else if (std::holds_alternative<wire::DescribeRequest>(request)) {
        reply(wire::MetadataResponse{3, 4});
    } else {
        reply(wire::EmptyResponse{});
    }
}

// ---- World ----

std::string World::dial(const std::string& address, StreamId& stream) {
    dialled.push_back(address);
    if (fails()) return "refused";
    const auto found = std::find(addresses.begin(), addresses.end(), address);
    if (found == addresses.end()) return "no such node";
    stream = next_++;
    const auto node = static_cast<std::size_t>(found - addresses.begin());
    streams_[stream].conversation = std::make_unique<Conversation>(*this, node);
    return {};
}

std::string World::write(StreamId stream, ByteView bytes) {
    Stream& own = streams_[stream];
    const bool failing = fails();
    if (own.broken || (failing && fault != Fault::kAfter)) {
        own.broken = true;
        return kBroken;
    }
    own.conversation->receive(bytes);
    if (failing || own.conversation->broken()) {
        own.broken = true;
        own.conversation->output().clear();
    }
    return {};
}

bool World::readable(StreamId stream) {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return false;
    return found->second.broken || !found->second.conversation->output().empty();
}

std::string World::read(StreamId stream, std::size_t max, Bytes& into) {
    Stream& own = streams_[stream];
    if (own.broken) return kBroken;
    Bytes& bytes = own.conversation->output();
    if (!bytes.empty() && fails()) {
        if (fault == Fault::kGarbage) {
            into.assign(16, 0xa5);
            return {};
        }
        own.broken = true;
        return kBroken;
    }
    const std::size_t count = std::min(max, bytes.size());
    into.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    return {};
}

}  // namespace quorlite::testing
