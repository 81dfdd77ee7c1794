// .watch: the status of all nodes, drawn again and again until Ctrl-C or so many times.
#include <poll.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <ctime>

#include "drivers/shell/administration.h"
#include "drivers/shell/commands.h"
#include "drivers/shell/interrupt.h"
#include "drivers/shell/limits.h"
#include "drivers/shell/shell.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

double positive(const std::string& word) {
    double number = 0;
    const char* const end = word.data() + word.size();
    const auto [parsed, error] = std::from_chars(word.data(), end, number);
    if (error != std::errc() || parsed != end || !(number > 0 && number < 1e6)) {
        fail("'" + word + "' is no positive number");
    }
    return number;
}

std::string time_of_day() {
    const std::time_t now = std::time(nullptr);
    std::tm local = {};
    ::localtime_r(&now, &local);
    char text[16];
    return {text, std::strftime(text, sizeof text, "%H:%M:%S", &local)};
}

}  // namespace

void watch(Shell& shell, Words words) {
    const double seconds = words.empty()
                               ? std::chrono::duration<double>(limits::kWatchInterval).count()
                               : positive(words[0]);
    const double count_max = words.size() > 1 ? positive(words[1]) : 1e18;
    std::optional<error_info> failed;
    for (double count = 0; count < count_max && !interrupt::pending(); ++count) {
        // A signal ends the pause early.
        if (count > 0) ::poll(nullptr, 0, static_cast<int>(seconds * 1000));
        if (interrupt::pending()) break;
        const result<std::vector<node_status>> nodes = shell.client().cluster().try_status();
        if (interrupt::pending()) break;
        shell.output().clear_screen();
        if (shell.rendering().mode != Mode::kJson) shell.output().write(time_of_day() + "\n");
        failed.reset();
        if (nodes) {
            shell.show(status_relation(*nodes));
        } else {
            failed = nodes.error();
            shell.note(failed->message);
        }
        shell.output().flush();
    }
    // Ctrl-C is how one leaves, and no error.
    const bool left = interrupt::pending();
    interrupt::clear();
    if (failed && !left) throw_error(*failed);
}

}  // namespace quorlite::shell
