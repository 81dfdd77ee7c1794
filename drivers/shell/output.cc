#include "drivers/shell/output.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "drivers/shell/text.h"
#include "quorlite/error.h"

namespace quorlite::shell {

void fail(std::string message) {
    error_info error;
    error.kind = error_kind::usage;
    error.extended_code = 21;
    error.message = std::move(message);
    throw_error(std::move(error));
}

void fail_by_errno(const std::string& what) {
    fail(what + ": " + std::strerror(errno));
}

Output::~Output() {
    if (file_) std::fclose(file_);
}

bool Output::to_terminal() const {
    static const bool terminal = ::isatty(1) == 1;
    return file_ == nullptr && terminal;
}

void Output::write(std::string_view text) {
    if (to_terminal()) return put(harmless(text));
    put(text);
}

void Output::clear_screen() {
    if (to_terminal()) put("\033[H\033[2J");
}

void Output::put(std::string_view text) {
    std::FILE* const file = file_ ? file_ : stdout;
    if (std::fwrite(text.data(), 1, text.size(), file) != text.size()) {
        fail_by_errno("writing to " + (file_ ? path_ : "standard output"));
    }
}

void Output::flush() {
    if (std::fflush(file_ ? file_ : stdout) != 0) {
        fail_by_errno("writing to " + (file_ ? path_ : "standard output"));
    }
}

void Output::redirect(const std::string& path) {
    flush();
    std::FILE* file = nullptr;
    if (!path.empty()) {
        file = std::fopen(path.c_str(), "we");
        if (file == nullptr) fail_by_errno("cannot write to " + path);
    }
    if (file_) std::fclose(file_);
    file_ = file;
    path_ = path;
}

void Output::say(std::string_view text) {
    // What came before it stands before it, if both go to one terminal.
    std::fflush(stdout);
    // It may hold the words of strangers.
    std::fprintf(stderr, "%s\n", harmless(text).c_str());
}

NewFile::NewFile(std::string path) : path_(std::move(path)), beside_(path_ + ".part") {
    struct stat there = {};
    if (::lstat(path_.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
        fail("cannot write to " + path_ + ": it is there already, and not an ordinary file");
    }
    file_ = std::fopen(beside_.c_str(), "we");
    if (file_ == nullptr) fail_by_errno("cannot write to " + path_);
}

NewFile::~NewFile() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    ::unlink(beside_.c_str());
}

void NewFile::write(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
        fail_by_errno("writing to " + path_);
    }
}

void NewFile::keep() {
    const bool safe = std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0;
    if (!safe) fail_by_errno("writing to " + path_);
    if (std::rename(beside_.c_str(), path_.c_str()) != 0) fail_by_errno("cannot make " + path_);
    std::fclose(std::exchange(file_, nullptr));
}

}  // namespace quorlite::shell
