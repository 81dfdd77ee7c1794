#include "engine/disk/posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "engine/base/check.h"

namespace quorlite::disk {
namespace {

constexpr const char* kLockName = "lock";
constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

off_t as_offset(std::uint64_t value) {
    return static_cast<off_t>(value);
}

// open(2) and its like give -1; everything else here is tried again when a signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
}

Error unusable(const std::string& directory, int number) {
    std::string remedy;
    switch (number) {
        case ENOTDIR:
        case EEXIST:
            remedy = "it is not a directory; choose another path";
            break;
        case EACCES:
        case EPERM:
            remedy = "it is not permitted; make the directory writable for this user";
            break;
        case EROFS:
            remedy = "its file system is mounted read-only; mount it writable, or use another";
            break;
        case ENOENT:
            remedy = "its parent directory does not exist; create that first";
            break;
        case ENOSPC:
        case EDQUOT:
            remedy = "the disk is full; free some space";
            break;
        default:
            remedy = std::strerror(number);
            break;
    }
    const bool full = number == ENOSPC || number == EDQUOT;
    return {.code = full ? code::kFull : code::kIo,
            .message = "cannot use the directory " + directory + ": " + remedy};
}

// Where nothing but blocking calls is needed.
class BlockingFile final : public PosixFile {
public:
    using PosixFile::PosixFile;

    void write_durable(std::uint64_t, BlockBuffer, Completion) override {
        fatal("write_durable() on " + name() + ", which was not opened for direct writes");
    }
};

}  // namespace

Descriptor::~Descriptor() {
    if (number_ >= 0) ::close(number_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

Error system_error(const std::string& what, int number) {
    int meaning = code::kIo;
    if (number == ENOSPC || number == EDQUOT) meaning = code::kFull;
    if (number == ENOENT) meaning = code::kNotFound;
    std::string message = "cannot " + what + ": " + std::strerror(number);
    if (number == EMFILE || number == ENFILE) {
        message += ": raise the limit on open files (ulimit -n, LimitNOFILE)";
    }
    return {.code = meaning, .message = std::move(message)};
}

Status write_all(int descriptor, std::uint64_t offset, ByteView bytes, const std::string& name) {
    while (!bytes.empty()) {
        const ssize_t count = uninterrupted(
            [&] { return ::pwrite(descriptor, bytes.data(), bytes.size(), as_offset(offset)); });
        if (count < 0) return system_error("write " + name, errno);
        if (count == 0) return system_error("write " + name, EIO);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

Result<std::size_t> read_all(int descriptor, std::uint64_t offset, std::span<std::uint8_t> into,
                             const std::string& name) {
    std::size_t done = 0;
    while (done < into.size()) {
        const ssize_t count = uninterrupted([&] {
            return ::pread(descriptor, into.data() + done, into.size() - done,
                           as_offset(offset + done));
        });
        if (count < 0) return system_error("read " + name, errno);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

// Not repeated when it fails, not even after an interrupt: the kernel may have dropped the data.
Status sync_data(int descriptor, const std::string& name) {
    if (::fdatasync(descriptor) == 0) return {};
    return system_error("sync " + name, errno);
}

Status Directory::open(const std::string& path) {
    if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
        return unusable(path, errno);
    }
    directory_ = Descriptor(
        uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!directory_.open()) return unusable(path, errno);
    return take_lock(path);
}

// The lock file holds the process id of its owner, for the message to whoever comes second.
Status Directory::take_lock(const std::string& path) {
    lock_ = Descriptor(uninterrupted([&] {
        return ::openat(directory_.number(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
    }));
    if (!lock_.open()) return unusable(path, errno);
    if (uninterrupted([&] { return ::flock(lock_.number(), LOCK_EX | LOCK_NB); }) != 0) {
        if (errno != EWOULDBLOCK) return unusable(path, errno);
        char text[32] = {};
        const ssize_t count = ::pread(lock_.number(), text, sizeof text - 1, 0);
        std::string owner(text, count > 0 ? static_cast<std::size_t>(count) : 0);
        owner = owner.substr(0, owner.find('\n'));
        return Error{.code = code::kBusy,
                     .message = "the directory " + path + " is in use by another process (PID " +
                                (owner.empty() ? "unknown" : owner) +
                                "); stop that one, or give this node a directory of its own"};
    }
    // On a full disk the process id may be missing; the lock holds all the same.
    const std::string text = std::to_string(::getpid()) + "\n";
    if (uninterrupted([&] { return ::ftruncate(lock_.number(), 0); }) == 0) {
        (void)write_all(lock_.number(), 0, as_bytes(text), kLockName);
    }
    return {};
}

Result<std::shared_ptr<const Directory>> open_directory(const std::string& path) {
    auto directory = std::make_shared<Directory>();
    if (Status opened = directory->open(path); !opened) return std::move(opened).error();
    return std::shared_ptr<const Directory>(std::move(directory));
}

Result<std::size_t> PosixFile::read(std::uint64_t offset, std::span<std::uint8_t> into) {
    return read_all(descriptor_->number(), offset, into, name_);
}

Status PosixFile::write(std::uint64_t offset, ByteView bytes) {
    return write_all(descriptor_->number(), offset, bytes, name_);
}

Status PosixFile::sync() {
    return sync_data(descriptor_->number(), name_);
}

Status PosixFile::truncate(std::uint64_t size) {
    const int result =
        uninterrupted([&] { return ::ftruncate(descriptor_->number(), as_offset(size)); });
    return result == 0 ? Status() : system_error("truncate " + name_, errno);
}

Result<std::uint64_t> PosixFile::size() {
    struct stat status = {};
    if (::fstat(descriptor_->number(), &status) != 0)
        return system_error("look at " + name_, errno);
    return static_cast<std::uint64_t>(status.st_size);
}

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& name, OpenMode mode, bool) {
    auto descriptor = open_file(name, mode, 0);
    if (!descriptor) return std::move(descriptor).error();
    return std::unique_ptr<File>(std::make_unique<BlockingFile>(name, *std::move(descriptor)));
}

Status PosixDisk::make_directory(const std::string& name) {
    if (::mkdirat(directory_->number(), name.c_str(), kDirectoryMode) == 0) return {};
    struct stat status = {};
    const int number = errno;
    const bool there = number == EEXIST &&
                       ::fstatat(directory_->number(), name.c_str(), &status, 0) == 0 &&
                       S_ISDIR(status.st_mode);
    return there ? Status() : system_error("create the directory " + name, number);
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& directory) {
    const std::string name = directory.empty() ? "." : directory;
    const int descriptor = uninterrupted([&] {
        return ::openat(directory_->number(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    });
    if (descriptor < 0) return system_error("list " + name, errno);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(descriptor), ::closedir);
    if (stream == nullptr) {
        const Descriptor closed(descriptor);
        return system_error("list " + name, errno);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
        const std::string found = entry->d_name;
        if (found != "." && found != "..") names.push_back(found);
    }
    if (errno != 0) return system_error("list " + name, errno);
    std::sort(names.begin(), names.end());
    return names;
}

bool PosixDisk::exists(const std::string& name) {
    return ::faccessat(directory_->number(), name.c_str(), F_OK, 0) == 0;
}

Status PosixDisk::remove(const std::string& name) {
    if (::unlinkat(directory_->number(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
    return system_error("remove " + name, errno);
}

Status PosixDisk::rename(const std::string& from, const std::string& to) {
    const int directory = directory_->number();
    if (::renameat(directory, from.c_str(), directory, to.c_str()) == 0) return {};
    return system_error("rename " + from + " to " + to, errno);
}

Status PosixDisk::sync_directory(const std::string& directory) {
    const std::string name = directory.empty() ? "." : directory;
    const Descriptor opened(uninterrupted([&] {
        return ::openat(directory_->number(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }));
    if (!opened.open()) return system_error("open the directory " + name, errno);
    if (::fsync(opened.number()) != 0) return system_error("sync the directory " + name, errno);
    return {};
}

Result<Descriptor> PosixDisk::open_file(const std::string& name, OpenMode mode, int flags) {
    flags |= O_RDWR | O_CLOEXEC;
    if (mode != OpenMode::kExisting) flags |= O_CREAT;
    if (mode == OpenMode::kCreateEmpty) flags |= O_TRUNC;
    const int number = uninterrupted(
        [&] { return ::openat(directory_->number(), name.c_str(), flags, kFileMode); });
    if (number < 0) return system_error("open " + name, errno);
    return Descriptor(number);
}

std::unique_ptr<Disk> blocking_disk(std::shared_ptr<const Directory> directory) {
    return std::make_unique<PosixDisk>(std::move(directory));
}

}  // namespace quorlite::disk
