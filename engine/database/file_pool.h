// File pool: a disk whose files need not be open all the time, for a node may have more databases
// than it may have open files.
//
// A file given out here is opened when it is used, and closed again, the one unused for longest
// first, when more than so many are open. One that was written is kept open until it is synced: an
// error of writing back is told to whoever has the file open. One whose name is removed stays open
// for whoever has it.
//
// Any thread.
#pragma once

#include <memory>

#include "engine/base/disk.h"

namespace quorlite::database {

class FilePool final : public Disk {
public:
    // At least two stay open. The disk outlives the pool and its files.
    FilePool(Disk& disk, std::size_t open_max);
    ~FilePool() override;

    // `direct` files are the disk's own.
    Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode,
                                       bool direct) override;
    Status make_directory(const std::string& name) override { return disk_.make_directory(name); }
    Result<std::vector<std::string>> list(const std::string& directory) override {
        return disk_.list(directory);
    }
    bool exists(const std::string& name) override { return disk_.exists(name); }
    Status remove(const std::string& name) override;
    Status rename(const std::string& from, const std::string& to) override {
        return disk_.rename(from, to);
    }
    Status sync_directory(const std::string& directory) override {
        return disk_.sync_directory(directory);
    }

    std::size_t open_count() const;

private:
    struct State;
    class PooledFile;
    Disk& disk_;
    const std::shared_ptr<State> state_;
};

}  // namespace quorlite::database
