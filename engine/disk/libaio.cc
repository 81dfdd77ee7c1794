// The Linux disk: write_durable() is an asynchronous write that bypasses the page cache and returns
// when the data is on stable storage (O_DIRECT, O_DSYNC). No thread takes part: the kernel signals
// an eventfd, which the event loop watches.
//
// One AIO context serves the whole disk for its life, because closing one takes tens of
// milliseconds. On a file system without direct I/O (tmpfs) the same calls go through the page
// cache, and are then slower, not wrong.
#include <fcntl.h>
#include <libaio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_map>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/disk/log.h"
#include "engine/disk/posix.h"

namespace quorlite::disk {
namespace {

constexpr int kEventsAtOnce = 32;
constexpr std::size_t kMemoryAlignment = 4096;

// The context, and the writes under way. Outlives the files, which share it.
class Ring {
public:
    explicit Ring(Executor& executor) : executor_(executor) {}
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    Status open();
    int event() const { return event_.number(); }

    void write(std::shared_ptr<const Descriptor> file, const std::string& name,
               std::uint64_t offset, BlockBuffer buffer, File::Completion done);
    void reap();

private:
    struct Write {
        iocb control = {};
        std::shared_ptr<const Descriptor> file;
        std::string name;
        std::uint64_t offset = 0;
        BlockBuffer buffer;
        std::size_t done_bytes = 0;
        File::Completion done;
        Status status;
    };

    void submit(std::unique_ptr<Write> write);
    void finish(std::unique_ptr<Write> write, const io_event& event);
    void write_on_helper(std::unique_ptr<Write> write);

    Executor& executor_;
    io_context_t context_ = nullptr;
    Descriptor event_;
    std::unordered_map<const iocb*, std::unique_ptr<Write>> in_flight_;
};

// Waits for what is in flight, so that no write can reach memory that is gone.
Ring::~Ring() {
    if (context_ != nullptr) ::io_destroy(context_);
}

Status Ring::open() {
    event_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_.open()) return system_error("create an eventfd", errno);
    const int result = ::io_setup(limits::kDiskWritesInFlightMax, &context_);
    if (result == 0) return {};
    Error error = system_error("set up asynchronous I/O", -result);
    if (result == -EAGAIN) error.message += "; raise the system's limit fs.aio-max-nr";
    return error;
}

void Ring::write(std::shared_ptr<const Descriptor> file, const std::string& name,
                 std::uint64_t offset, BlockBuffer buffer, File::Completion done) {
    QUORLITE_CHECK(offset % kDiskBlock == 0);
    auto write = std::make_unique<Write>();
    write->file = std::move(file);
    write->name = name;
    write->offset = offset;
    write->buffer = std::move(buffer);
    write->done = std::move(done);
    submit(std::move(write));
}

void Ring::submit(std::unique_ptr<Write> write) {
    iocb* control = &write->control;
    ::io_prep_pwrite(control, write->file->number(), write->buffer.data() + write->done_bytes,
                     write->buffer.size() - write->done_bytes,
                     static_cast<long long>(write->offset + write->done_bytes));
    ::io_set_eventfd(control, event_.number());
    int result = ::io_submit(context_, 1, &control);
    while (result == -EINTR) result = ::io_submit(context_, 1, &control);
    if (result == 1) {
        in_flight_.emplace(control, std::move(write));
    } else if (result == -EAGAIN) {
        write_on_helper(std::move(write));
    } else {
        const io_event failed{.data = nullptr,
                              .obj = control,
                              .res = static_cast<unsigned long>(static_cast<long>(result)),
                              .res2 = 0};
        // Not from inside the caller's call: completions always come later.
        executor_.post(
            [this, failed, held = std::make_shared<std::unique_ptr<Write>>(std::move(write))] {
                finish(std::move(*held), failed);
            });
    }
}

void Ring::reap() {
    std::uint64_t count = 0;
    if (::read(event_.number(), &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR) {
        fatal("reading the disk's eventfd failed");
    }
    // Until there are no more: the eventfd does not report again what has finished by now.
    io_event events[kEventsAtOnce];
    int got = kEventsAtOnce;
    while (got == kEventsAtOnce) {
        timespec at_once = {};
        got = ::io_getevents(context_, 0, kEventsAtOnce, events, &at_once);
        if (got < 0 && got != -EINTR) fatal(system_error("collect finished writes", -got).message);
        for (int i = 0; i < got; ++i) {
            auto found = in_flight_.extract(events[i].obj);
            QUORLITE_CHECK(!found.empty());
            finish(std::move(found.mapped()), events[i]);
        }
        if (got == -EINTR) got = kEventsAtOnce;
    }
}

void Ring::finish(std::unique_ptr<Write> write, const io_event& event) {
    const long result = static_cast<long>(event.res);
    if (result < 0) {
        write->done(system_error("write " + write->name, static_cast<int>(-result)));
        return;
    }
    write->done_bytes += static_cast<std::size_t>(result);
    if (write->done_bytes == write->buffer.size()) {
        write->done({});
    } else if (result == 0 || write->done_bytes % kDiskBlock != 0) {
        write->done(system_error("write " + write->name, EIO));
    } else {
        submit(std::move(write));  // a short write: the attempt at the rest says why
    }
}

void Ring::write_on_helper(std::unique_ptr<Write> write) {
    const std::shared_ptr<Write> held = std::move(write);
    executor_.background(
        [held] {
            const ByteView rest = held->buffer.view().subspan(held->done_bytes);
            held->status =
                write_all(held->file->number(), held->offset + held->done_bytes, rest, held->name);
        },
        [held] { held->done(held->status); });
}

// A file with two descriptors: a direct one for durable writes and for reading, which must not see
// pages that the cache kept from before such a write; and an ordinary one for preparing the file.
class DirectFile final : public PosixFile {
public:
    DirectFile(const std::string& name, Descriptor plain, Descriptor direct,
               std::shared_ptr<Ring> ring)
        : PosixFile(name, std::move(plain)),
          direct_(std::make_shared<const Descriptor>(std::move(direct))),
          ring_(std::move(ring)) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
        const std::uint64_t from = offset - offset % kMemoryAlignment;
        const std::uint64_t to = offset + into.size();
        const std::uint64_t length = (to - from + kMemoryAlignment - 1) / kMemoryAlignment;
        if (into.empty()) return std::size_t{0};
        BlockBuffer bounce(length * kMemoryAlignment);
        const auto count =
            read_all(direct_->number(), from, {bounce.data(), bounce.size()}, name());
        if (!count) return count.error();
        const std::uint64_t skipped = offset - from;
        if (*count <= skipped) return std::size_t{0};
        const std::size_t got = std::min<std::size_t>(*count - skipped, into.size());
        std::memcpy(into.data(), bounce.data() + skipped, got);
        return got;
    }

    // Leaves nothing of the file in the page cache, where it would only slow direct writes down.
    Status sync() override {
        Status synced = PosixFile::sync();
        ::posix_fadvise(descriptor()->number(), 0, 0, POSIX_FADV_DONTNEED);
        return synced;
    }

    void write_durable(std::uint64_t offset, BlockBuffer buffer, Completion done) override {
        ring_->write(direct_, name(), offset, std::move(buffer), std::move(done));
    }

private:
    std::shared_ptr<const Descriptor> direct_;
    std::shared_ptr<Ring> ring_;
};

class LibaioDisk final : public PosixDisk {
public:
    LibaioDisk(std::shared_ptr<const Directory> directory, Executor& executor)
        : PosixDisk(std::move(directory)), ring_(std::make_shared<Ring>(executor)) {}

    Status start(const Reactor& reactor) {
        if (Status status = ring_->open(); !status) return status;
        direct_flag_ = direct_io_works() ? O_DIRECT : 0;
        reactor.watch(ring_->event(), [ring = std::weak_ptr(ring_)] {
            if (const auto held = ring.lock()) held->reap();
        });
        return {};
    }

    Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode,
                                       bool direct) override {
        if (!direct) return PosixDisk::open(name, mode, direct);
        auto plain = open_file(name, mode, 0);
        if (!plain) return std::move(plain).error();
        auto second = open_file(name, OpenMode::kExisting, O_DSYNC | direct_flag_);
        if (!second) return std::move(second).error();
        return std::unique_ptr<File>(
            std::make_unique<DirectFile>(name, *std::move(plain), *std::move(second), ring_));
    }

private:
    // Whether this file system takes direct I/O in blocks of kDiskBlock.
    bool direct_io_works() {
        const auto probe = open_file("lock", OpenMode::kExisting, O_DIRECT);
        if (!probe) return false;
        BlockBuffer block(kDiskBlock);
        return ::pread(probe.value().number(), block.data(), block.size(), 0) >= 0;
    }

    std::shared_ptr<Ring> ring_;
    int direct_flag_ = 0;
};

}  // namespace

Result<std::unique_ptr<Disk>> open_libaio_disk(std::shared_ptr<const Directory> directory,
                                               Executor& executor, const Reactor& reactor) {
    auto disk = std::make_unique<LibaioDisk>(std::move(directory), executor);
    Status started = disk->start(reactor);
    if (!started) return std::move(started).error();
    return std::unique_ptr<Disk>(std::move(disk));
}

}  // namespace quorlite::disk
