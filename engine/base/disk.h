// The Disk seam: the files of one node's directory.
//
// Names are relative to that directory ("vote", "log/0000000000000001"). Blocking calls are for
// start-up, helper threads and the rare tiny write; write_durable() is the one call of the commit
// path. Three implementations: libaio, portable (pwrite and fdatasync on the executor), simulated
// (loses, tears and reorders what was not synced).
//
// Durability: what write() wrote is durable after sync() of that file succeeded. What
// write_durable() wrote is durable when its completion runs with success. A file's name (creation,
// rename, removal) is durable after sync_directory() of its folder. A sync that failed is never
// retried: after it the content is unknown, and the caller must stop acknowledging.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "wire/base/bytes.h"
#include "wire/base/result.h"

namespace quorlite {

// Offsets, lengths and addresses of write_durable() are multiples of this many bytes. A torn write
// may leave any mixture of old and new blocks of this size.
inline constexpr std::size_t kDiskBlock = 512;

// A buffer aligned for direct I/O. Its size is a multiple of kDiskBlock; new memory is zeroed.
class BlockBuffer {
public:
    BlockBuffer() = default;
    explicit BlockBuffer(std::size_t size);

    std::uint8_t* data() { return bytes_.get(); }
    const std::uint8_t* data() const { return bytes_.get(); }
    std::size_t size() const { return size_; }
    ByteView view() const { return {bytes_.get(), size_}; }

private:
    struct Release {
        void operator()(std::uint8_t* bytes) const;
    };
    std::unique_ptr<std::uint8_t[], Release> bytes_;
    std::size_t size_ = 0;
};

class File {
public:
    using Completion = std::function<void(Status)>;

    virtual ~File() = default;

    // Reads up to into.size() bytes; fewer only at the end of the file. Returns how many.
    virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
    virtual Status write(std::uint64_t offset, ByteView bytes) = 0;
    virtual Status sync() = 0;
    virtual Status truncate(std::uint64_t size) = 0;
    virtual Result<std::uint64_t> size() = 0;

    // Starts a write; `done` runs on the loop when it is durable or has failed. Several may be in
    // flight, and complete in any order. The buffer is kept alive by the call.
    virtual void write_durable(std::uint64_t offset, BlockBuffer buffer, Completion done) = 0;
};

enum class OpenMode {
    kExisting,     // an error if it is missing
    kCreate,       // made, empty, if it is missing
    kCreateEmpty,  // made, or cut to nothing
};

class Disk {
public:
    virtual ~Disk() = default;

    // A file opened `direct` takes write_durable(); its blocking calls need no alignment from the
    // caller.
    virtual Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode,
                                               bool direct) = 0;
    virtual Status make_directory(const std::string& name) = 0;  // succeeds if it is there
    virtual Result<std::vector<std::string>> list(
        const std::string& directory) = 0;  // names, sorted
    virtual bool exists(const std::string& name) = 0;
    virtual Status remove(const std::string& name) = 0;  // succeeds if it is gone
    virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
    virtual Status sync_directory(const std::string& directory) = 0;  // "" is the node's own
};

}  // namespace quorlite
