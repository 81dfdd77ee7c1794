#include "engine/server/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/line.h"

namespace quorlite::server {
namespace {

constexpr std::chrono::seconds kLastLinesMax{2};

spdlog::level::level_enum translate(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug:
            return spdlog::level::debug;
        case LogLevel::kInfo:
            return spdlog::level::info;
        case LogLevel::kWarning:
            return spdlog::level::warn;
        case LogLevel::kError:
            return spdlog::level::err;
        case LogLevel::kOff:
            return spdlog::level::off;
    }
    return spdlog::level::off;
}

bool plain(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char letter) {
        return letter > ' ' && letter != '"' && letter != '=' && letter < 0x7f;
    });
}

void append_quoted(std::string& line, std::string_view text) {
    line += '"';
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') line += '\\';
        line += letter;
    }
    line += '"';
}

// Standard error, without the lock that the program's own stream has for it: who writes here may be
// kept for ever.
class StandardError final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        for (std::size_t done = 0; done < line.size();) {
            const ssize_t written = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) return;
            done += static_cast<std::size_t>(written);
        }
    }
    void flush_() override {}
};

LogLevel level_of(Severity severity) {
    switch (severity) {
        case Severity::kDebug:
            return LogLevel::kDebug;
        case Severity::kInfo:
            return LogLevel::kInfo;
        case Severity::kWarning:
            return LogLevel::kWarning;
    }
    return LogLevel::kWarning;
}

}  // namespace

struct Log::State {
    std::shared_ptr<spdlog::async_logger> logger;
    std::shared_ptr<spdlog::details::thread_pool> writer;  // ends first, and writes what is queued
};

Log::Log(LogLevel level) : state_(std::make_unique<State>()) {
    state_->writer = std::make_shared<spdlog::details::thread_pool>(limits::kLogLinesQueuedMax, 1);
    state_->logger = std::make_shared<spdlog::async_logger>(
        "quorlited", std::make_shared<StandardError>(), state_->writer,
        spdlog::async_overflow_policy::overrun_oldest);
    state_->logger->set_level(translate(level));
    state_->logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l quorlited: %v");
}

// To write what is queued takes for ever where nobody reads it, and nothing ends the thread that
// does: it is left behind.
Log::~Log() {
    std::promise<void> written;
    const std::future<void> over = written.get_future();
    try {
        std::thread last([state = std::move(state_), written = std::move(written)]() mutable {
            state.reset();
            written.set_value();
        });
        const bool ended = over.wait_for(kLastLinesMax) == std::future_status::ready;
        ended ? last.join() : last.detach();
    } catch (const std::system_error&) {
        return;  // without a thread it was waited for
    }
}

void Log::record(const Event& event) {
    const Description described = describe(event);
    std::vector<LogField> fields;
    for (const auto& [name, value] : described.fields) fields.emplace_back(name, value);
    write(level_of(described.severity), described.text, fields);
}

void Log::write(LogLevel level, std::string_view event, std::span<const LogField> fields) {
    const auto translated = translate(level);
    if (!state_->logger->should_log(translated)) return;
    std::string line(event);
    for (const LogField& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        if (plain(field.value)) {
            line += field.value;
        } else {
            append_quoted(line, field.value);
        }
    }
    line = one_line(line);
    state_->logger->log(translated, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace quorlite::server
