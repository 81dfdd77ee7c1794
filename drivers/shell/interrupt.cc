#include "drivers/shell/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "drivers/shell/arguments.h"
#include "quorlite/error.h"

namespace quorlite::shell::interrupt {
namespace {

constexpr int kPressesMax = 3;

std::atomic<int> presses = 0;

extern "C" void handle_sigint(int) {
    if (presses.fetch_add(1) + 1 >= kPressesMax) ::_exit(kInterrupted);
    key()->raise();
}

}  // namespace

const std::shared_ptr<stop_signal>& key() {
    static const auto signal = std::make_shared<stop_signal>();
    return signal;
}

void install() {
    key();  // made before the handler wants it
    struct sigaction action = {};
    action.sa_handler = handle_sigint;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, nullptr);
}

bool pending() noexcept {
    return key()->raised();
}

void clear() noexcept {
    presses.store(0);
    key()->lower();
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
