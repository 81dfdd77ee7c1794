// Output: where results go, and what is said beside them.
//
// Results go to standard output, or where .output sends them. Everything else (errors, news of the
// cluster, progress) goes to standard error, so that results can be read by programs.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "drivers/shell/renderer.h"

namespace quorlite::shell {

class Output {
public:
    Output() = default;
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    // Results. Throws if they cannot be written. What a terminal would obey is shown instead.
    void write(std::string_view text);
    // If it is a terminal.
    void clear_screen();
    Sink sink() {
        return [this](std::string_view text) { write(text); };
    }
    void flush();
    // From now on to this file; an empty path means standard output.
    void redirect(const std::string& path);

    // Beside the results.
    void say(std::string_view text);

private:
    bool to_terminal() const;
    void put(std::string_view text);

    std::FILE* file_ = nullptr;
    std::string path_;
};

// A file that appears under its name only when it is whole: written beside, synced, renamed.
class NewFile {
public:
    explicit NewFile(std::string path);
    ~NewFile();
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;

    void write(std::string_view bytes);
    void keep();
    const std::string& path() const { return path_; }

private:
    const std::string path_;
    const std::string beside_;
    std::FILE* file_ = nullptr;
};

// An error of kind usage, or one of the machine's: thrown, and reported like any other.
[[noreturn]] void fail(std::string message);
[[noreturn]] void fail_by_errno(const std::string& what);

}  // namespace quorlite::shell
