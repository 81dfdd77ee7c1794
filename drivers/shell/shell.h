// Shell: what is between input and output. It takes statements and commands one by one, executes
// them, writes results and reports what went wrong.
//
// Every error says what became of the work. A transaction may span lines; when it loses its leader
// it is gone, the shell says so, and nothing more is executed in it until ROLLBACK.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/shell/arguments.h"
#include "drivers/shell/client.h"
#include "drivers/shell/output.h"
#include "drivers/shell/renderer.h"
#include "drivers/shell/splitter.h"

namespace quorlite::shell {

// Where lines come from. `next` is given what a person is to be asked with; nothing: the end.
class LineSource {
public:
    virtual ~LineSource() = default;
    virtual std::optional<std::string> next(const std::string& prompt) = 0;
};

std::unique_ptr<LineSource> open_stdin();
std::unique_ptr<LineSource> open_file(const std::string& path);

// An error as a program reads it: one line of JSON.
std::string json_text(const error_info& error);

class Shell {
public:
    Shell(const Arguments& arguments, bool interactive, bool terminal);

    // Until the input ends or .quit. With a name, errors say where in it they are.
    void read(LineSource& source, const std::string& name);
    // The SQL of the command line: stops at the first failure.
    void run(const std::vector<std::string>& texts);
    // People see what went wrong; a script is told by its end.
    int exit_status() const { return worst_ == kFine || interactive_ ? chosen_ : worst_; }

    // --- for commands ---
    Client& client() { return client_; }
    Output& output() { return output_; }
    RenderOptions& rendering() { return rendering_; }
    bool interactive() const { return interactive_; }
    void set_timer(bool on) { timer_ = on; }
    void set_bail(bool on) { bail_ = on; }
    // The status counts if nothing went wrong.
    void quit(int status) {
        over_ = true;
        chosen_ = status;
    }
    // Reads another file, as if it stood here.
    void read_file(const std::string& path);
    void show(const Relation& relation);
    // Says something beside the results that is no error.
    void note(const std::string& text);
    void execute(const std::string& sql);

private:
    void perform(const Item& item, const std::string& where);
    void report(const error_info& error, const std::string& where, bool in_transaction);
    void tell_of_loss(bool was_open);
    void tell_of_waiting(const std::string& trouble);
    std::string prompt(const Splitter& splitter) const;

    Client client_;
    const std::chrono::milliseconds timeout_;
    std::optional<std::chrono::steady_clock::time_point> waiting_since_;
    bool waiting_said_ = false;
    std::string command_meant_;  // the name of a database, until something is executed in it
    Output output_;
    RenderOptions rendering_;
    const bool interactive_;
    const bool json_errors_;
    bool bail_;
    bool timer_ = false;
    bool over_ = false;
    int depth_ = 0;
    int status_ = kFine;  // of the last item
    int worst_ = kFine;
    int chosen_ = kFine;  // by .exit
    bool was_lost_ = false;
};

}  // namespace quorlite::shell
