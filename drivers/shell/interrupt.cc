#include "drivers/shell/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "drivers/shell/arguments.h"

namespace quorlite::shell::interrupt {
namespace {

constexpr int kPressesMax = 3;

std::atomic<int> presses = 0;
std::atomic<connection*> aimed_at = nullptr;

extern "C" void handle_sigint(int) {
    if (presses.fetch_add(1) + 1 >= kPressesMax) ::_exit(kInterrupted);
    if (connection* const target = aimed_at.load()) target->interrupt();
}

}  // namespace

void install() {
    struct sigaction action = {};
    action.sa_handler = handle_sigint;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, nullptr);
}

bool pending() noexcept {
    return presses.load() > 0;
}

void clear() noexcept {
    presses.store(0);
}

void aim(connection* target) noexcept {
    aimed_at.store(target);
}

void check() {
    if (!pending()) return;
    error_info error;
    error.kind = error_kind::cancelled;
    error.extended_code = 9;
    error.message = "interrupted";
    throw_error(std::move(error));
}

}  // namespace quorlite::shell::interrupt
