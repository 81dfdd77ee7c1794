// What earlier versions said to their peers, byte for byte (tests/golden): it is still understood,
// as Cap'n Proto read it then. Without that a cluster could not be upgraded node by node.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/replica/peer_codec.h"
#include "tests/wire/captures.h"
#include "wire/peer.h"

namespace quorlite::replica {
namespace {

using nlohmann::json;

std::vector<json> captures() {
    std::vector<json> all;
    for (const auto& version :
         std::filesystem::directory_iterator(QUORLITE_SOURCE_DIR "/tests/golden")) {
        std::ifstream file(version.path() / "frames.json");
        if (!file) continue;
        for (json& line : json::parse(file).get<std::vector<json>>())
            all.push_back(std::move(line));
    }
    return all;
}

std::string hex(ByteView bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

json fields(const raft::VoteRequest& body) {
    return {{"term", body.term.value()},
            {"lastIndex", body.last_index.value()},
            {"lastTerm", body.last_term.value()},
            {"preVote", body.pre_vote},
            {"transfer", body.transfer}};
}

json fields(const raft::VoteReply& body) {
    return {{"term", body.term.value()}, {"preVote", body.pre_vote}, {"granted", body.granted}};
}

json fields(const raft::AppendRequest& body) {
    json entries = json::array();
    for (const raft::Entry& entry : body.entries) {
        entries.push_back({{"term", entry.term.value()},
                           {"kind", static_cast<int>(entry.kind)},
                           {"payload", hex(*entry.payload)}});
    }
    return {{"term", body.term.value()},
            {"previousIndex", body.previous_index.value()},
            {"previousTerm", body.previous_term.value()},
            {"commit", body.commit.value()},
            {"round", body.round},
            {"entries", std::move(entries)}};
}

json fields(const raft::AppendReply& body) {
    return {{"term", body.term.value()},
            {"round", body.round},
            {"success", body.success},
            {"match", body.match.value()},
            {"applied", body.applied.value()}};
}

json fields(const raft::SnapshotRequest& body) {
    return {{"term", body.term.value()},
            {"round", body.round},
            {"index", body.point.index.value()},
            {"indexTerm", body.point.term.value()},
            {"configuration", hex(raft::encode(body.point.configuration))},
            {"manifest", hex(*body.manifest)}};
}

json fields(const raft::SnapshotReply& body) {
    return {{"term", body.term.value()},
            {"round", body.round},
            {"index", body.index.value()},
            {"installed", body.installed}};
}

json fields(const raft::TimeoutNow& body) {
    return {{"term", body.term.value()}};
}

json fields(const ChunkRequest& body) {
    return {{"index", body.snapshot.value()},
            {"file", body.file},
            {"offset", body.offset},
            {"length", body.length}};
}

json fields(const Chunk& body) {
    return {{"index", body.snapshot.value()},
            {"file", body.file},
            {"offset", body.offset},
            {"data", hex(body.data)},
            {"consistentFrom", body.consistent_from.value()}};
}

json fields(const PageRequest& body) {
    return {{"database", body.database}, {"page", body.page}};
}

json fields(const PageReply& body) {
    return {{"database", body.database},
            {"page", body.page},
            {"asOf", body.as_of.value()},
            {"data", hex(body.data)}};
}

json fields(const raft::Message& message) {
    return std::visit([](const auto& body) { return fields(body); }, message);
}

// The one member of a captured message that is its body.
std::string kind_of(const json& message) {
    for (const auto& [name, value] : message.items()) {
        if (value.is_object()) return name;
    }
    return "";
}

TEST(CapturedFrames, HellosAreUnderstood) {
    std::set<int> channels;
    for (const json& line : captures()) {
        if (!line.contains("opening")) continue;
        const Bytes opening = wire::bytes_from_hex(line["opening"].get<std::string>());
        wire::FrameReader reader(wire::kHelloBytesMax);
        reader.feed(ByteView(opening).subspan(wire::kPeerWordBytes));
        const auto payload = reader.next();
        ASSERT_TRUE(payload.ok() && payload->has_value()) << line;
        const auto hello = wire::decode_hello(**payload);
        ASSERT_TRUE(hello.ok()) << line;
        const json& expected = line["fields"];
        EXPECT_EQ(hello->version, expected["version"]);
        EXPECT_EQ(hello->version_min, expected["versionMin"]);
        EXPECT_EQ(hello->version_max, expected["versionMax"]);
        EXPECT_EQ(hello->channel, expected["channel"]);
        EXPECT_EQ(hello->id.value(), expected["id"]);
        EXPECT_EQ(hello->address, expected["address"].get<std::string>());
        channels.insert(hello->channel);
    }
    EXPECT_EQ(channels, (std::set<int>{0, 1}));
}

TEST(CapturedFrames, EveryKindOfMessageIsUnderstood) {
    std::set<std::string> kinds;
    for (const json& line : captures()) {
        if (!line.contains("frame")) continue;
        const auto message =
            decode_peer_message(wire::bytes_from_hex(line["frame"].get<std::string>()));
        ASSERT_TRUE(message.has_value()) << line["fields"];
        const json& expected = line["fields"];
        EXPECT_EQ(message->cluster.low, expected["cluster"]);
        EXPECT_EQ(message->cluster.high, expected.value("clusterHigh", std::uint64_t{0}));
        EXPECT_EQ(message->from.value(), expected["from"]);
        EXPECT_EQ(message->to.value(), expected["to"]);
        EXPECT_EQ(message->from_address, expected["fromAddress"].get<std::string>());
        const std::string kind = kind_of(expected);
        EXPECT_EQ(std::visit([](const auto& body) { return fields(body); }, message->body),
                  expected[kind])
            << kind;
        kinds.insert(kind);
    }
    EXPECT_EQ(kinds.size(), 11u);  // all that 0.1 could say
}

}  // namespace
}  // namespace quorlite::replica
