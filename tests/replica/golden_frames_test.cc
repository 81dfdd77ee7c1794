// The bytes of the messages between nodes, each kind and each field once: a change of the protocol
// shows as a diff of golden/frames.txt.

#include <gtest/gtest.h>

#include "tests/raft/trace.h"
#include "tests/replica/samples.h"
#include "tests/support/golden.h"

namespace quorlite::replica {
namespace {

struct Fields {
    std::string operator()(const raft::Message& message) const { return raft::describe(message); }
    std::string operator()(const ChunkRequest& r) const {
        return "asks for " + place(r.snapshot, r.file, r.offset) + ", " + std::to_string(r.length) +
               " bytes";
    }
    std::string operator()(const Chunk& r) const {
        return "chunk of " + place(r.snapshot, r.file, r.offset) + ", " +
               std::to_string(r.data.size()) + " bytes, consistent from " +
               std::to_string(r.consistent_from.value());
    }
    std::string operator()(const PageRequest& r) const {
        return "asks for page " + std::to_string(r.page) + " of " + r.database;
    }
    std::string operator()(const PageReply& r) const {
        return "page " + std::to_string(r.page) + " of " + r.database + " as of " +
               std::to_string(r.as_of.value()) + ", " + std::to_string(r.data.size()) + " bytes";
    }

    static std::string place(Index snapshot, std::uint32_t file, std::uint64_t offset) {
        return "snapshot " + std::to_string(snapshot.value()) + ", file " + std::to_string(file) +
               ", offset " + std::to_string(offset);
    }
};

TEST(GoldenFrames, EachKindOfMessage) {
    std::string text;
    for (const PeerMessage& message : samples()) {
        text += "# " + to_text(message.cluster) + " " + std::to_string(message.from.value()) + ">" +
                std::to_string(message.to.value()) + " from " + message.from_address + "\n# " +
                std::visit(Fields(), message.body) + "\n" + test::hex_dump(encode(message)) + "\n";
    }
    const std::string mismatch =
        test::golden_mismatch(QUORLITE_SOURCE_DIR "/tests/replica/golden/frames.txt", text);
    EXPECT_TRUE(mismatch.empty()) << mismatch;
}

}  // namespace
}  // namespace quorlite::replica
