// A small durable record: a file of two checksummed slots that hold the same content.
//
// save() writes one slot, syncs, then the other. So a crash leaves at least one whole slot, holding
// the new content or the one before, and when no save is going on, either slot alone is enough:
// damage to one is noticed and harmless. (Slots that merely alternate could not tell a damaged
// newest record from a torn one, and would forget a vote.)
//
// The file gets its full length when it is made, so saving needs no space on a full disk.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/base/disk.h"

namespace quorlite::disk {

class SlotFile {
public:
    // Opens `name`, or makes it, without content, if there is none; slots of `slot_bytes`, a
    // multiple of 4096. What is read here is made durable first: it may come from a cache.
    static Result<SlotFile> open(Disk& disk, const std::string& name, std::size_t slot_bytes);

    // Nothing if nothing was ever saved.
    const std::optional<Bytes>& content() const { return content_; }
    Status save(ByteView content);

private:
    static Status create(Disk& disk, const std::string& name, std::size_t slot_bytes);
    Status load();
    Status write_both();
    Status write_slot(std::size_t slot);

    std::string name_;
    std::size_t slot_bytes_ = 0;
    std::unique_ptr<File> file_;
    std::optional<Bytes> content_;
    std::uint64_t sequence_ = 0;  // of content_
    std::size_t best_slot_ = 0;   // surely holds content_; the other is written first
};

}  // namespace quorlite::disk
