// quorlite: the shell. See README.md beside this file.
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstring>
#include <variant>

#include "drivers/shell/arguments.h"
#include "drivers/shell/bench/bench.h"
#include "drivers/shell/commands.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/terminal.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

void greet(Shell& shell, const Arguments& arguments) {
    shell.output().say("Quorlite " QUORLITE_VERSION ", nodes: " + arguments.cluster +
                       ". Statements end with ; and .help explains the commands.");
}

int run(const Arguments& arguments) {
    const bool interactive = arguments.sql.empty() && ::isatty(0) && ::isatty(1);
    Shell shell(arguments, interactive, ::isatty(1) == 1);
    interrupt::install();
    if (!arguments.sql.empty()) {
        shell.run(arguments.sql);
    } else {
        const auto source =
            interactive ? open_terminal([&] { return names_of(shell); }) : open_stdin();
        if (interactive) greet(shell, arguments);
        shell.read(*source, interactive ? std::string() : "standard input");
    }
    return shell.exit_status();
}

int main(int count, const char* const* words) {
    std::setlocale(LC_CTYPE, "");
    if (count > 1 && std::strcmp(words[1], "bench") == 0) {
        return benchmark::bench_main(count - 1, words + 1);
    }
    const auto parsed = parse_arguments(count, words);
    if (const int* const status = std::get_if<int>(&parsed)) return *status;
    const auto& arguments = std::get<Arguments>(parsed);
    try {
        return run(arguments);
    } catch (const error& failed) {
        const std::string text =
            arguments.json ? json_text(failed.info()) : "quorlite: " + failed.info().message;
        std::fprintf(stderr, "%s\n", harmless(text).c_str());
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "quorlite: %s\n", failed.what());
    }
    return kUsage;
}

}  // namespace
}  // namespace quorlite::shell

int main(int count, char** words) {
    return quorlite::shell::main(count, words);
}
