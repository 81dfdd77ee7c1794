// The log of one node: lines of the form `event key=value key=value`, written by a thread of its
// own, so that a full pipe or a slow terminal never holds up the loop. When it cannot keep up the
// oldest lines go; what is queued at the end is waited for two seconds. An event is one line
// whatever it tells: see engine/base/line.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/events.h"

namespace quorlite::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

struct LogField {
    LogField(std::string_view key_, std::string_view value_) : key(key_), value(value_) {}
    LogField(std::string_view key_, std::string value_) : key(key_), value(std::move(value_)) {}
    LogField(std::string_view key_, const char* value_) : key(key_), value(value_) {}
    LogField(std::string_view key_, std::uint64_t number)
        : key(key_), value(std::to_string(number)) {}

    std::string_view key;
    std::string value;  // quoted in the line if it holds anything but printable non-spaces
};

class Log : public Events {
public:
    using Fields = std::initializer_list<LogField>;

    explicit Log(LogLevel level);  // to standard error
    ~Log() override;

    void record(const Event& event) override;

    void debug(std::string_view event, Fields fields = {}) {
        write(LogLevel::kDebug, event, {fields.begin(), fields.size()});
    }
    void info(std::string_view event, Fields fields = {}) {
        write(LogLevel::kInfo, event, {fields.begin(), fields.size()});
    }
    void warning(std::string_view event, Fields fields = {}) {
        write(LogLevel::kWarning, event, {fields.begin(), fields.size()});
    }
    void error(std::string_view event, Fields fields = {}) {
        write(LogLevel::kError, event, {fields.begin(), fields.size()});
    }

private:
    void write(LogLevel level, std::string_view event, std::span<const LogField> fields);

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace quorlite::server
