// The portable disk: write_durable() is a write and a sync on a helper thread.
#include "engine/disk/log.h"
#include "engine/disk/posix.h"

namespace quorlite::disk {
namespace {

class PortableFile final : public PosixFile {
public:
    PortableFile(const std::string& name, Descriptor descriptor, Executor& executor)
        : PosixFile(name, std::move(descriptor)), executor_(executor) {}

    void write_durable(std::uint64_t offset, BlockBuffer buffer, Completion done) override {
        struct Write {
            BlockBuffer buffer;
            Status status;
        };
        const auto write = std::make_shared<Write>(Write{std::move(buffer), {}});
        executor_.background(
            [write, offset, file = descriptor(), name = name()] {
                write->status = write_all(file->number(), offset, write->buffer.view(), name);
                if (write->status) write->status = sync_data(file->number(), name);
            },
            [write, done = std::move(done)] { done(write->status); });
    }

private:
    Executor& executor_;
};

class PortableDisk final : public PosixDisk {
public:
    PortableDisk(std::shared_ptr<const Directory> directory, Executor& executor)
        : PosixDisk(std::move(directory)), executor_(executor) {}

    Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode, bool) override {
        auto descriptor = open_file(name, mode, 0);
        if (!descriptor) return std::move(descriptor).error();
        return std::unique_ptr<File>(
            std::make_unique<PortableFile>(name, *std::move(descriptor), executor_));
    }

private:
    Executor& executor_;
};

}  // namespace

std::unique_ptr<Disk> portable_disk(std::shared_ptr<const Directory> directory,
                                    Executor& executor) {
    return std::make_unique<PortableDisk>(std::move(directory), executor);
}

}  // namespace quorlite::disk
