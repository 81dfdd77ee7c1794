#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/disk/log.h"
#include "engine/disk/slots.h"

namespace quorlite::disk {
namespace {

constexpr std::size_t kSmallSlotBytes = 4096;
constexpr std::size_t kSeedsSlotBytes = 36u << 10;
static_assert(kSeedsSlotBytes > limits::kSeedsMax * (limits::kAddressBytesMax + 4) + 64);
constexpr const char* kSeedsName = "seeds";
constexpr std::size_t kLogHashesMax = 2;
constexpr std::size_t kReceiptsSlotBytes = 28u << 10;
static_assert(kReceiptsSlotBytes > limits::kServersMax * 24 + 64);
constexpr std::size_t kSnapshotSlotBytes = 128u << 10;
static_assert(kSnapshotSlotBytes > limits::kConfigurationBytesMax + 64);

Error unreadable(const std::string& name) {
    return {
        .code = code::kCorrupt,
        .message = "the record \"" + name +
                   "\" in the node's directory is not one that this version can read; start the "
                   "version that wrote it, or restore the directory from a backup"};
}

// A zero byte, with which no address begins, is followed by what version 0.1 did not know.
constexpr std::uint8_t kIdentityExtension = 1;
constexpr std::uint8_t kRemovedFlag = 1;

Bytes encode(const Identity& identity) {
    Bytes bytes;
    ByteWriter out(bytes);
    out.u64(identity.id.value());
    out.u64(identity.cluster.low);
    if (identity.cluster.high != 0 || identity.removed) {
        out.u8(0);
        out.u8(kIdentityExtension);
        out.u8(identity.removed ? kRemovedFlag : 0);
        out.u64(identity.cluster.high);
    }
    out.bytes(as_bytes(identity.address));
    return bytes;
}

std::optional<Identity> decode_identity(ByteView content) {
    ByteReader in(content);
    Identity identity;
    identity.id = NodeId(in.u64());
    identity.cluster.low = in.u64();
    if (in.remaining() > 0 && in.rest().front() == 0) {
        in.u8();
        if (in.u8() != kIdentityExtension) return std::nullopt;
        identity.removed = (in.u8() & kRemovedFlag) != 0;
        identity.cluster.high = in.u64();
    }
    identity.address = as_text(in.take(in.remaining()));
    if (in.failed()) return std::nullopt;
    return identity;
}

Bytes encode(const raft::HardState& state) {
    Bytes bytes;
    ByteWriter out(bytes);
    out.u64(state.term.value());
    out.u64(state.vote.value());
    if (state.vote_barrier) {
        out.u64(state.vote_barrier.value());
        out.u8(state.forgot ? 1 : 0);
    }
    return bytes;
}

std::optional<raft::HardState> decode_hard_state(ByteView content) {
    ByteReader in(content);
    raft::HardState state{.term = Term(in.u64()), .vote = NodeId(in.u64())};
    if (in.remaining() > 0) {
        state.vote_barrier = Index(in.u64());
        state.forgot = in.u8() != 0;
    }
    if (in.failed() || in.remaining() != 0) return std::nullopt;
    return state;
}

Bytes encode(const raft::SnapshotPoint& point) {
    Bytes bytes;
    ByteWriter out(bytes);
    out.u64(point.index.value());
    out.u64(point.term.value());
    out.bytes(raft::encode(point.configuration));
    return bytes;
}

std::optional<raft::SnapshotPoint> decode_snapshot(ByteView content) {
    ByteReader in(content);
    raft::SnapshotPoint point;
    point.index = Index(in.u64());
    point.term = Term(in.u64());
    auto configuration = raft::decode_configuration(in.take(in.remaining()));
    if (in.failed() || !configuration) return std::nullopt;
    point.configuration = *std::move(configuration);
    return point;
}

std::optional<Index> decode_index(ByteView content) {
    ByteReader in(content);
    const Index index(in.u64());
    if (in.failed() || in.remaining() != 0) return std::nullopt;
    return index;
}

Bytes encode(const std::vector<raft::Receipt>& receipts) {
    Bytes bytes;
    ByteWriter out(bytes);
    for (const raft::Receipt& receipt : receipts) {
        out.u64(receipt.voter.value());
        out.u64(receipt.upto.index.value());
        out.u64(receipt.upto.term.value());
    }
    return bytes;
}

std::optional<std::vector<raft::Receipt>> decode_receipts(ByteView content) {
    ByteReader in(content);
    std::vector<raft::Receipt> receipts;
    while (in.remaining() > 0) {
        raft::Receipt receipt{.voter = NodeId(in.u64()), .upto = {}};
        receipt.upto.index = Index(in.u64());
        receipt.upto.term = Term(in.u64());
        receipts.push_back(receipt);
    }
    if (in.failed() || receipts.size() > limits::kServersMax) return std::nullopt;
    return receipts;
}

Bytes encode(const std::vector<raft::LogHash>& hashes) {
    Bytes bytes;
    ByteWriter out(bytes);
    for (const raft::LogHash& hash : hashes) {
        out.u64(hash.origin.value());
        out.u64(hash.index.value());
        out.u64(hash.value);
    }
    return bytes;
}

std::optional<std::vector<raft::LogHash>> decode_log_hashes(ByteView content) {
    ByteReader in(content);
    std::vector<raft::LogHash> hashes;
    while (in.remaining() > 0) {
        raft::LogHash hash{.origin = Index(in.u64()), .index = Index(in.u64())};
        hash.value = in.u64();
        hashes.push_back(hash);
    }
    if (in.failed() || hashes.size() > kLogHashesMax) return std::nullopt;
    return hashes;
}

std::optional<Duration> decode_promise(ByteView content) {
    ByteReader in(content);
    const std::uint64_t nanoseconds = in.u64();
    if (in.failed() || in.remaining() != 0) return std::nullopt;
    return Duration(static_cast<Duration::rep>(nanoseconds));
}

Bytes encode(const std::vector<std::string>& addresses) {
    Bytes bytes;
    ByteWriter out(bytes);
    for (const std::string& address : addresses) {
        out.u32(static_cast<std::uint32_t>(address.size()));
        out.bytes(as_bytes(address));
    }
    return bytes;
}

std::optional<std::vector<std::string>> decode_seeds(ByteView content) {
    ByteReader in(content);
    std::vector<std::string> addresses;
    while (in.remaining() > 0) addresses.emplace_back(as_text(in.take(in.u32())));
    if (in.failed() || addresses.size() > limits::kSeedsMax) return std::nullopt;
    return addresses;
}

// One record: its file, and its value as last saved.
template <class Value>
struct Record {
    SlotFile file;
    std::optional<Value> value;

    template <class Decode>
    Status open(Disk& disk, const std::string& name, std::size_t slot_bytes, Decode decode) {
        auto opened = SlotFile::open(disk, name, slot_bytes);
        if (!opened) return std::move(opened).error();
        file = *std::move(opened);
        if (!file.content()) return {};
        value = decode(*file.content());
        return value ? Status() : unreadable(name);
    }

    Status save(const Value& saved, const Bytes& content) {
        value = saved;
        return file.save(content);
    }
};

class RecordFiles final : public Records {
public:
    // The identity is made last: where it is, all are.
    Status open(Disk& disk) {
        for (const char* name : {"vote", "snapshot", "acknowledged"}) {
            if (disk.exists("identity") && !disk.exists(name)) return missing(name);
        }
        Status status = vote_.open(disk, "vote", kSmallSlotBytes, decode_hard_state);
        const bool has_taken_part = vote_.value && vote_.value->term > Term();
        if (status && has_taken_part && !disk.exists("identity")) return missing("identity");
        if (status) status = snapshot_.open(disk, "snapshot", kSnapshotSlotBytes, decode_snapshot);
        if (status)
            status = acknowledged_.open(disk, "acknowledged", kSmallSlotBytes, decode_index);
        if (status) status = receipts_.open(disk, "receipts", kReceiptsSlotBytes, decode_receipts);
        if (status) status = hashes_.open(disk, "hashes", kSmallSlotBytes, decode_log_hashes);
        if (status) status = promise_.open(disk, "promise", kSmallSlotBytes, decode_promise);
        if (status) status = identity_.open(disk, "identity", kSmallSlotBytes, decode_identity);
        return status ? disk.sync_directory("") : status;
    }

    std::optional<Identity> identity() const override { return identity_.value; }
    raft::HardState hard_state() const override { return vote_.value.value_or(raft::HardState{}); }
    raft::SnapshotPoint snapshot() const override {
        return snapshot_.value.value_or(raft::SnapshotPoint{});
    }
    Index acknowledged() const override { return acknowledged_.value.value_or(Index()); }
    std::vector<raft::Receipt> receipts() const override {
        return receipts_.value.value_or(std::vector<raft::Receipt>());
    }
    std::vector<raft::LogHash> log_hashes() const override {
        return hashes_.value.value_or(std::vector<raft::LogHash>());
    }
    Duration promise() const override { return promise_.value.value_or(Duration::zero()); }

    Status save(const Identity& identity) override {
        return identity_.save(identity, encode(identity));
    }
    Status save(const raft::HardState& state) override { return vote_.save(state, encode(state)); }
    Status save(const raft::SnapshotPoint& point) override {
        return snapshot_.save(point, encode(point));
    }
    Status save_acknowledged(Index index) override {
        Bytes content;
        ByteWriter(content).u64(index.value());
        return acknowledged_.save(index, content);
    }
    Status save(const std::vector<raft::Receipt>& receipts) override {
        return receipts_.save(receipts, encode(receipts));
    }
    Status save(const std::vector<raft::LogHash>& hashes) override {
        QUORLITE_CHECK(hashes.size() <= kLogHashesMax);
        return hashes_.save(hashes, encode(hashes));
    }
    Status save_promise(Duration promise) override {
        Bytes content;
        ByteWriter(content).u64(static_cast<std::uint64_t>(promise.count()));
        return promise_.save(promise, content);
    }

private:
    Record<Identity> identity_;
    Record<raft::HardState> vote_;
    Record<raft::SnapshotPoint> snapshot_;
    Record<Index> acknowledged_;
    Record<std::vector<raft::Receipt>> receipts_;
    Record<std::vector<raft::LogHash>> hashes_;
    Record<Duration> promise_;
};

}  // namespace

Error missing(const std::string& name) {
    return {
        .code = code::kCorrupt,
        .message = "\"" + name +
                   "\" is missing from the node's directory; restore it from a backup of this very "
                   "moment, or remove this node from the cluster, empty the directory and let it "
                   "join again under a new id"};
}

Result<std::vector<std::string>> load_seeds(Disk& disk) {
    if (!disk.exists(kSeedsName)) return std::vector<std::string>();
    auto file = SlotFile::open(disk, kSeedsName, kSeedsSlotBytes);
    if (!file) return std::move(file).error();
    if (!file->content()) return std::vector<std::string>();
    auto addresses = decode_seeds(*file->content());
    if (!addresses) return unreadable(kSeedsName);
    return *std::move(addresses);
}

Status save_seeds(Disk& disk, const std::vector<std::string>& addresses) {
    QUORLITE_CHECK(addresses.size() <= limits::kSeedsMax);
    auto file = SlotFile::open(disk, kSeedsName, kSeedsSlotBytes);
    if (!file) return std::move(file).error();
    const Status saved = file->save(encode(addresses));
    return saved ? disk.sync_directory("") : saved;
}

Result<std::unique_ptr<Records>> Records::open(Disk& disk) {
    auto records = std::make_unique<RecordFiles>();
    Status status = records->open(disk);
    if (!status) return std::move(status).error();
    return std::unique_ptr<Records>(std::move(records));
}

}  // namespace quorlite::disk
