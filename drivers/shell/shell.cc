#include "drivers/shell/shell.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "drivers/shell/commands.h"
#include "drivers/shell/dump.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/limits.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

using nlohmann::json;
constexpr auto kReplace = json::error_handler_t::replace;

// Of everything that went wrong the exit status tells the worst: from the left to the right.
int severity(int status) {
    static constexpr std::array<int, 5> kOrder = {kFine, kFailed, kUnavailable, kInterrupted,
                                                  kInDoubt};
    return static_cast<int>(std::ranges::find(kOrder, status) - kOrder.begin());
}

// A transaction that lost its leader has failed; what comes after it may find a new one.
int exit_status_of(const error_info& error, bool in_transaction) {
    if (error.verdict == verdict::in_doubt) return kInDoubt;
    if (in_transaction && error.kind != error_kind::cancelled) return kFailed;
    switch (error.kind) {
        case error_kind::cancelled:
            return kInterrupted;
        case error_kind::unavailable:
        case error_kind::connection:
        case error_kind::deadline:
        case error_kind::store:
            return kUnavailable;
        case error_kind::sql:
        case error_kind::busy:
        case error_kind::protocol:
        case error_kind::usage:
        case error_kind::conversion:
            break;
    }
    return kFailed;
}

bool is_command(const std::string& word) {
    return std::ranges::any_of(commands(),
                               [&](const CommandEntry& each) { return each.name == word; });
}

class Stream : public LineSource {
public:
    explicit Stream(std::istream& in) : in_(in) {}
    std::optional<std::string> next(const std::string&) override {
        std::string line;
        if (std::getline(in_, line)) return line;
        // A script that is cut short has not been carried out.
        const bool is_stdin = &in_ == &std::cin;
        if (in_.bad() || (is_stdin && std::ferror(stdin) != 0)) {
            fail("cannot read the script to its end");
        }
        return std::nullopt;
    }

private:
    std::istream& in_;
};

class File : public LineSource {
public:
    explicit File(const std::string& path) : in_(path) {
        if (!in_) fail_by_errno("cannot read " + path);
    }
    std::optional<std::string> next(const std::string& prompt) override {
        return Stream(in_).next(prompt);
    }

private:
    std::ifstream in_;
};

}  // namespace

std::string json_text(const error_info& error) {
    const json described = {
        {"message", error.message},
        {"kind", to_string(error.kind)},
        {"code", error.code()},
        {"extended_code", error.extended_code},
        {"verdict", to_string(error.verdict)},
        {"may_retry", error.may_retry},
        {"node", error.node},
    };
    return json{{"error", described}}.dump(-1, ' ', false, kReplace);
}

std::unique_ptr<LineSource> open_stdin() {
    return std::make_unique<Stream>(std::cin);
}

std::unique_ptr<LineSource> open_file(const std::string& path) {
    return std::make_unique<File>(path);
}

Shell::Shell(const Arguments& arguments, bool interactive, bool terminal)
    : client_(open_nodes(arguments.cluster),
              options{.timeout = arguments.timeout,
                      .stop = interrupt::key(),
                      .waiting = [this](const std::string& trouble) { tell_of_waiting(trouble); }}),
      timeout_(arguments.timeout),
      interactive_(interactive),
      json_errors_(arguments.json),
      bail_(arguments.bail) {
    rendering_.mode = arguments.mode.value_or(terminal ? Mode::kBox : Mode::kList);
    rendering_.headers = arguments.headers.value_or(false);
    rendering_.null_text = arguments.null_text;
    if (!arguments.database.empty()) client_.open(arguments.database);
    // As it is typed by those who mean the command.
    const bool alone = arguments.sql.empty() && !interactive;
    if (alone && is_command(arguments.database)) command_meant_ = arguments.database;
}

std::string Shell::prompt(const Splitter& splitter) const {
    if (splitter.within_statement()) return "   ...> ";
    const std::string name = client_.database().empty() ? "quorlite" : client_.database();
    if (client_.transaction_lost()) return name + "!> ";
    return name + (client_.in_transaction() ? "*> " : "> ");
}

void Shell::read(LineSource& source, const std::string& name) {
    Splitter splitter;
    while (!over_) {
        while (splitter.empty()) {
            std::optional<std::string> line = source.next(prompt(splitter));
            if (interrupt::pending()) {
                interrupt::clear();
                if (!interactive_) {
                    worst_ = kInterrupted;
                    over_ = true;
                    return;
                }
                splitter.reset();
                continue;
            }
            if (!line) break;
            splitter.feed(*line);
        }
        if (splitter.empty()) {
            splitter.finish();
            if (splitter.empty()) break;
        }
        command_meant_.clear();
        const Item item = splitter.take();
        const std::size_t line = std::visit([](const auto& each) { return each.line; }, item);
        perform(item, name.empty() ? name : name + ":" + std::to_string(line) + ": ");
    }
    if (command_meant_.empty()) return;
    worst_ = kUsage;
    output_.say("quorlite: there was nothing to execute in the database '" + command_meant_ +
                "'. The command is ." + command_meant_ + ": quorlite -c NODES DATABASE ." +
                command_meant_);
}

void Shell::run(const std::vector<std::string>& texts) {
    bail_ = true;
    for (const std::string& text : texts) {
        Splitter splitter;
        std::size_t begin = 0;
        while (begin <= text.size()) {
            const std::size_t end = std::min(text.find('\n', begin), text.size());
            splitter.feed(std::string_view(text).substr(begin, end - begin));
            begin = end + 1;
        }
        splitter.finish();
        while (!splitter.empty() && !over_) perform(splitter.take(), {});
    }
}

void Shell::read_file(const std::string& path) {
    if (depth_ == limits::kReadDepthMax) fail("too many files that read each other");
    const std::unique_ptr<LineSource> source = open_file(path);
    ++depth_;
    read(*source, path);
    --depth_;
}

// Why a call takes so long: once, when it is more than an election.
void Shell::tell_of_waiting(const std::string& trouble) {
    const auto now = std::chrono::steady_clock::now();
    if (!waiting_since_) waiting_since_ = now;
    if (waiting_said_ || now - *waiting_since_ < limits::kWaitingSilently) return;
    waiting_said_ = true;
    const auto seconds = std::chrono::duration<double>(timeout_).count();
    note("No leader is reached so far: " + one_line(trouble) + ". Waiting for at most " +
         seconds_text(seconds) + "; Ctrl-C ends that.");
}

void Shell::perform(const Item& item, const std::string& where) {
    status_ = kFine;
    waiting_since_.reset();
    waiting_said_ = false;
    const bool before = client_.in_transaction();
    const auto begin = std::chrono::steady_clock::now();
    try {
        if (const auto* const command = std::get_if<Command>(&item)) {
            run_command(*this, command->words);
        } else {
            execute(std::get<Statement>(item).sql);
        }
        output_.flush();
    } catch (const error& failed) {
        report(failed.info(), where, before);
    } catch (const std::exception& failed) {
        error_info info;
        info.kind = error_kind::usage;
        info.message = failed.what();
        report(info, where, before);
    }
    if (const auto news = client_.news()) note(*news);
    tell_of_loss(before);
    if (timer_ && std::holds_alternative<Statement>(item)) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        note(seconds_text(took.count()));
    }
    // A key that was pressed for this item is not for the next.
    interrupt::clear();
    // Nothing that follows in a script would fare better without a leader, or is wanted any more.
    const bool hopeless = status_ == kUnavailable || status_ == kInterrupted;
    if (!interactive_ && status_ != kFine && (bail_ || hopeless)) over_ = true;
}

// That a transaction is gone, once: it failed, or its COMMIT did.
void Shell::tell_of_loss(bool was_open) {
    const bool lost = client_.transaction_lost();
    const bool known = std::exchange(was_lost_, lost);
    if (!was_open || status_ == kFine) return;
    if (lost && !known) {
        note("The transaction is gone: nothing of it was done. Enter ROLLBACK, then begin anew.");
    } else if (!client_.in_transaction() && status_ != kInDoubt) {
        note("The transaction is gone: nothing of it was done.");
    }
}

void Shell::note(const std::string& text) {
    output_.say(json_errors_ ? json{{"note", text}}.dump(-1, ' ', false, kReplace) : "-- " + text);
}

void Shell::execute(const std::string& sql) {
    if (sql.size() > limits::kStatementBytesMax) {
        fail("the statement is longer than " + size_text(limits::kStatementBytesMax));
    }
    rows found = client_.db().query_list(sql, {});
    if (found.column_count() == 0) return;
    render_rows(found, *make_renderer(rendering_, output_.sink()));
}

void Shell::show(const Relation& relation) {
    RenderOptions options = rendering_;
    options.headers = true;
    if (options.mode == Mode::kInsert) options.mode = Mode::kList;
    render(relation, *make_renderer(options, output_.sink()));
}

void Shell::report(const error_info& error, const std::string& where, bool in_transaction) {
    status_ = exit_status_of(error, in_transaction);
    if (severity(status_) > severity(worst_)) worst_ = status_;
    if (json_errors_) return output_.say(json_text(error));
    const std::string message = one_line(error.message);
    if (error.verdict == verdict::in_doubt) {
        output_.say(where + "In doubt: " + message +
                    ".\n-- It may have been done, or not: look at the data before you try again.");
        return;
    }
    if (error.kind == error_kind::cancelled) {
        // How far it came may be said behind it.
        const std::string_view bare = "interrupted";
        const bool plain = message.starts_with(bare);
        return output_.say(where + "Interrupted" +
                           (plain ? message.substr(bare.size()) : ": " + message) + ".");
    }
    const bool ours = error.kind != error_kind::sql && error.kind != error_kind::busy;
    const std::string code =
        ours ? std::string() : " (" + std::to_string(error.extended_code) + ")";
    output_.say(where + "Error: " + message + code);
    if (error.verdict == verdict::committed) note("It was done nevertheless.");
}

}  // namespace quorlite::shell
