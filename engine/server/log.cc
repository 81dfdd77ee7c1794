#include "engine/server/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace quorlite::server {
namespace {

constexpr std::size_t kQueuedLinesMax = 1024;

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
        const bool control = static_cast<unsigned char>(letter) < ' ' || letter == 0x7f;
        line += control ? '?' : letter;
    }
    line += '"';
}

}  // namespace

struct Log::State {
    std::shared_ptr<spdlog::async_logger> logger;
    std::shared_ptr<spdlog::details::thread_pool> writer;  // ends first, and writes what is queued
};

Log::Log(LogLevel level) : state_(std::make_unique<State>()) {
    state_->writer = std::make_shared<spdlog::details::thread_pool>(kQueuedLinesMax, 1);
    state_->logger = std::make_shared<spdlog::async_logger>(
        "quorlited", std::make_shared<spdlog::sinks::stderr_sink_mt>(), state_->writer,
        spdlog::async_overflow_policy::overrun_oldest);
    state_->logger->set_level(translate(level));
    state_->logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l quorlited: %v");
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view event, Fields fields) {
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
    state_->logger->log(translated, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace quorlite::server
