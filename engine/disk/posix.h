// What the real disks share: a locked directory, blocking file operations, and the words for
// errors.
//
// Every name is resolved below the directory's descriptor, so the node does not care if the
// directory is moved. Blocking calls go on after interrupts and short counts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/disk.h"
#include "engine/disk/log.h"

namespace quorlite::disk {

// An open file descriptor, closed with its owner; -1: none.
class Descriptor {
public:
    explicit Descriptor(int number = -1) : number_(number) {}
    ~Descriptor();
    Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
    Descriptor& operator=(Descriptor&& other) noexcept;

    int number() const { return number_; }
    bool open() const { return number_ >= 0; }

private:
    int number_;
};

// The error for `what` ("write log/0000000000000001") with errno `number`. A full disk or quota is
// code::kFull, a missing file code::kNotFound, all else code::kIo.
Error system_error(const std::string& what, int number);

Status write_all(int descriptor, std::uint64_t offset, ByteView bytes, const std::string& name);
Result<std::size_t> read_all(int descriptor, std::uint64_t offset, std::span<std::uint8_t> into,
                             const std::string& name);
Status sync_data(int descriptor, const std::string& name);

// A node's directory, locked for the life of this object.
class Directory {
public:
    Status open(const std::string& path);
    int number() const { return directory_.number(); }

private:
    Status take_lock(const std::string& path);

    Descriptor directory_;
    Descriptor lock_;
};

// Blocking operations on an ordinary descriptor.
class PosixFile : public File {
public:
    PosixFile(std::string name, Descriptor descriptor)
        : name_(std::move(name)),
          descriptor_(std::make_shared<const Descriptor>(std::move(descriptor))) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;
    Status write(std::uint64_t offset, ByteView bytes) override;
    Status sync() override;
    Status truncate(std::uint64_t size) override;
    Result<std::uint64_t> size() override;

protected:
    const std::string& name() const { return name_; }
    // Shared, so that work on a helper thread can outlive the file.
    const std::shared_ptr<const Descriptor>& descriptor() const { return descriptor_; }

private:
    std::string name_;
    std::shared_ptr<const Descriptor> descriptor_;
};

// The files of a directory, for blocking calls only.
class PosixDisk : public Disk {
public:
    explicit PosixDisk(std::shared_ptr<const Directory> directory)
        : directory_(std::move(directory)) {}

    Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode,
                                       bool direct) override;
    Status make_directory(const std::string& name) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    bool exists(const std::string& name) override;
    Status remove(const std::string& name) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status sync_directory(const std::string& directory) override;

protected:
    // Opens a file below the directory, with further open(2) `flags`.
    Result<Descriptor> open_file(const std::string& name, OpenMode mode, int flags);

private:
    std::shared_ptr<const Directory> directory_;
};

}  // namespace quorlite::disk
