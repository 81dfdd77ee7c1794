#include "engine/disk/slots.h"

#include "engine/base/check.h"
#include "wire/base/crc32c.h"

namespace quorlite::disk {
namespace {

constexpr std::uint32_t kSlotMark = 0x534c5101;  // the low byte is the format's version
constexpr std::size_t kSlotAlignment = 4096;
constexpr std::size_t kSlots = 2;
// Mark 4, checksum 4 (of all that follows it), sequence 8, content's bytes 4. A slot of sequence 0
// has no content yet.
constexpr std::size_t kSlotHeaderBytes = 20;
constexpr std::size_t kChecksummedFrom = 8;

struct Slot {
    std::uint64_t sequence;
    ByteView content;
};

Bytes encode_slot(std::uint64_t sequence, ByteView content) {
    Bytes bytes;
    ByteWriter out(bytes);
    out.u32(kSlotMark);
    out.u32(0);
    out.u64(sequence);
    out.u32(static_cast<std::uint32_t>(content.size()));
    out.bytes(content);
    out.patch(4, crc32c(ByteView(bytes).subspan(kChecksummedFrom)));
    return bytes;
}

std::optional<Slot> decode_slot(ByteView slot) {
    ByteReader in(slot);
    const std::uint32_t mark = in.u32();
    const std::uint32_t checksum = in.u32();
    const std::uint64_t sequence = in.u64();
    const ByteView content = in.take(in.u32());
    if (in.failed() || mark != kSlotMark) return std::nullopt;
    if (crc32c(slot.subspan(kChecksummedFrom, in.position() - kChecksummedFrom)) != checksum) {
        return std::nullopt;
    }
    return Slot{sequence, content};
}

}  // namespace

Result<SlotFile> SlotFile::open(Disk& disk, const std::string& name, std::size_t slot_bytes) {
    QUORLITE_CHECK(slot_bytes % kSlotAlignment == 0);
    if (!disk.exists(name)) {
        Status created = create(disk, name, slot_bytes);
        if (!created) return std::move(created).error();
    }
    SlotFile record;
    record.name_ = name;
    record.slot_bytes_ = slot_bytes;
    auto file = disk.open(name, OpenMode::kExisting, false);
    if (!file) return std::move(file).error();
    record.file_ = *std::move(file);
    Status status = record.load();
    if (status) status = record.write_both();
    if (!status) return std::move(status).error();
    return record;
}

// Under its name the file is complete: it is made aside and renamed.
Status SlotFile::create(Disk& disk, const std::string& name, std::size_t slot_bytes) {
    const std::string unfinished = name + ".unfinished";
    auto file = disk.open(unfinished, OpenMode::kCreateEmpty, false);
    if (!file) return std::move(file).error();
    Bytes content = encode_slot(0, {});
    content.resize(slot_bytes);
    content.insert(content.end(), content.begin(), content.begin() + kSlotHeaderBytes);
    content.resize(kSlots * slot_bytes);
    Status status = (*file)->write(0, content);
    if (status) status = (*file)->sync();
    return status ? disk.rename(unfinished, name) : status;
}

Status SlotFile::load() {
    bool found = false;
    Status unreadable;
    for (std::size_t i = 0; i < kSlots; ++i) {
        Bytes bytes(slot_bytes_);
        auto count = file_->read(i * slot_bytes_, bytes);
        if (!count) {  // as good as damaged: the other slot counts, and this one is written again
            unreadable = std::move(count).error();
            continue;
        }
        const auto slot = decode_slot(ByteView(bytes).first(*count));
        if (!slot || (found && slot->sequence <= sequence_)) continue;
        found = true;
        best_slot_ = i;
        sequence_ = slot->sequence;
        content_.reset();
        if (slot->sequence > 0) content_.emplace(slot->content.begin(), slot->content.end());
    }
    if (found) return {};
    if (!unreadable) return unreadable;
    return Error{
        .code = code::kCorrupt,
        .message = "the record \"" + name_ +
                   "\" in the node's directory is damaged in both of its copies; restore it "
                   "from a backup of this very moment, or remove this node from the cluster, "
                   "empty the directory and let it join again under a new id"};
}

Status SlotFile::save(ByteView content) {
    if (content.size() > slot_bytes_ - kSlotHeaderBytes) {
        return Error{.code = code::kIo,
                     .message = "the record \"" + name_ + "\" cannot hold " +
                                std::to_string(content.size()) + " bytes"};
    }
    content_.emplace(content.begin(), content.end());
    ++sequence_;
    return write_both();
}

Status SlotFile::write_both() {
    const std::size_t other = (best_slot_ + 1) % kSlots;
    Status status = write_slot(other);
    if (status) status = write_slot(best_slot_);
    best_slot_ = other;
    return status;
}

Status SlotFile::write_slot(std::size_t slot) {
    const Status status = file_->write(
        slot * slot_bytes_, encode_slot(sequence_, content_ ? ByteView(*content_) : ByteView()));
    return status ? file_->sync() : status;
}

}  // namespace quorlite::disk
