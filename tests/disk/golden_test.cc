// The bytes that a node leaves on its disk: a change of a format shows as a diff of golden/*.txt.
// spec/disk-format.md says what they are.

#include "tests/support/golden.h"
#include "engine/disk/batch.h"
#include "engine/disk/segments.h"
#include "tests/disk/rig.h"
#include "tests/raft/trace.h"
#include "tests/raft/values.h"

namespace quorlite::test {
namespace {

constexpr disk::LogOptions kSegments{
    .segment_bytes = 4u << 10, .batch_bytes_max = 2u << 10, .spare_segments = 1};

void expect_golden(const std::string& name, const std::string& text) {
    const std::string mismatch =
        golden_mismatch(QUORLITE_SOURCE_DIR "/tests/disk/golden/" + name, text);
    EXPECT_TRUE(mismatch.empty()) << mismatch;
}

std::string number(std::uint64_t value) {
    return std::to_string(value);
}

TEST(GoldenDisk, Records) {
    SimRig rig;
    auto records = *disk::Records::open(rig.disk());
    std::string text;
    const auto saved = [&](Status status, const std::string& what, const std::string& file) {
        EXPECT_TRUE(status.ok());
        text += "# " + what + "\n" + file + "\n" + hex_dump(rig.sim.content(file)) + "\n";
    };
    const raft::HardState plain{.term = Term(7), .vote = NodeId(2)};
    raft::HardState forgetful = plain;
    forgetful.vote_barrier = Index(0x1234);
    forgetful.forgot = true;
    saved(records->save(plain), "term 7, vote for 2", "vote");
    saved(records->save(forgetful), "the same; vote barrier 0x1234, forgot", "vote");
    saved(records->save(raft::SnapshotPoint{Index(0x2000), Term(6), raft::members("vs-")}),
          "index 0x2000, term 6, members 1v 2s 3-", "snapshot");
    saved(records->save_acknowledged(Index(0x2001)), "index 0x2001", "acknowledged");
    saved(records->save({{NodeId(1), {Term(6), Index(0x2002)}}, {NodeId(9), {Term(5), Index(3)}}}),
          "voter 1 acknowledged 0x2002 of term 6, voter 9 acknowledged 3 of term 5", "receipts");
    saved(records->save(std::vector<raft::LogHash>{{Index(), Index(0x2000), 0xfedcba9876543210},
                                                   {Index(5), Index(0x1000), 1}}),
          "hash 0xfedcba9876543210 from 0 to 0x2000, hash 1 from 5 to 0x1000", "hashes");
    saved(records->save_promise(std::chrono::milliseconds(300)), "300 ms", "promise");
    saved(disk::save_seeds(rig.disk(), {"one:9000", "two:9000"}), "one:9000 two:9000", "seeds");
    saved(records->save(disk::Identity{NodeId(3), {0xa, 0xb}, "three:9000", true}),
          "node 3 of cluster 0xa 0xb at three:9000, removed", "identity");
    expect_golden("records.txt", text);
}

class GoldenLog : public testing::Test {
protected:
    GoldenLog() {
        disk::RecoveredLog recovered;
        log_ = *disk::Log::open(rig_.disk(), rig_.executor, kSegments, Index(), Index(), recovered);
    }

    void append(std::vector<raft::Entry> entries) {
        log_->append(std::move(entries));
        EXPECT_TRUE(rig_.until([&] { return log_->durable_index() == log_->last_index(); }));
    }

    // What the headers in a segment say, and its bytes.
    std::string segment(std::uint64_t number) {
        const std::string name = disk::segment_name(number);
        const Bytes content = rig_.sim.content(name);
        std::string text;
        for (const auto& [header, entries] : disk::scan_segment(content, number).batches) {
            text += describe(header);
            for (const raft::Entry& entry : entries) text += "#     " + describe(entry) + "\n";
        }
        return text + name + "\n" + hex_dump(content) + "\n";
    }

    SimRig rig_;
    std::unique_ptr<disk::Log> log_;

private:
    static std::string describe(const disk::BatchHeader& header) {
        return "# batch " + number(header.sequence) + " at " + number(header.offset) +
               ": first index " + number(header.first.value()) + ", " + number(header.count) +
               " entries, " + number(header.body_bytes) + " bytes, previous end " +
               number(header.previous_end) + (header.reset ? ", reset\n" : "\n");
    }
    static std::string describe(const raft::Entry& entry) {
        if (entry.size() <= 64) return raft::describe(entry);
        return "index " + number(entry.index.value()) + ", " + number(entry.size()) + " bytes";
    }
};

TEST_F(GoldenLog, Segments) {
    append({{Term(1), Index(1), raft::EntryKind::kNoOp, raft::payload("")},
            raft::command(2, 1, "two"),
            raft::configured(3, 1, raft::members("vs"))});
    append({raft::command(4, 1, "four, which gives way to another")});
    // A batch of more than one block, and one that replaces what was there.
    append({{Term(1), Index(5), raft::EntryKind::kCommand,
             std::make_shared<const Bytes>(Bytes(1200, 'x'))}});
    log_->truncate(Index(4));
    append({raft::command(4, 2, "four")});
    // The next goes into the next segment, and says where the first one ends.
    append({{Term(2), Index(5), raft::EntryKind::kCommand,
             std::make_shared<const Bytes>(Bytes(1500, 'y'))}});
    const std::string first = segment(1);
    log_->reset(Index(20));
    append({raft::command(21, 3, "the first behind a snapshot")});
    expect_golden("log.txt", first + segment(2));
}

}  // namespace
}  // namespace quorlite::test
