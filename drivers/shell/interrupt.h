// Ctrl-C: a signal that stops the calls of the driver which are under way.
//
// Code that runs for long without such a call asks check() now and then. A person who presses the
// key three times without any effect wants out: the process ends.
#pragma once

#include <memory>

#include "quorlite/stop_signal.h"

namespace quorlite::shell::interrupt {

// Installs the handler. System calls that wait are cut short.
void install();
// Raised by the key, until clear(): for options::stop.
const std::shared_ptr<stop_signal>& key();
bool pending() noexcept;
void clear() noexcept;
// Throws an error of kind cancelled if the key was pressed.
void check();

}  // namespace quorlite::shell::interrupt
