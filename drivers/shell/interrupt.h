// Ctrl-C: a flag that SIGINT sets, and the connection whose call it stops.
//
// The handler does nothing but that. Code that runs for long without a call of the driver asks
// interrupted() now and then. A person who presses the key three times without any effect wants
// out: the process ends.
#pragma once

#include "quorlite/connection.h"

namespace quorlite::shell::interrupt {

// Installs the handler. System calls that wait are cut short.
void install();
bool pending() noexcept;
void clear() noexcept;
// The connection to be interrupted, or null. It must outlive being named here.
void aim(connection* target) noexcept;
// Throws an error of kind cancelled if the key was pressed.
void check();

}  // namespace quorlite::shell::interrupt
