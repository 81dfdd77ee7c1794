// Terminal: lines from a person, with editing, history and completion (libedit).
#pragma once

#include <functional>
#include <memory>

#include "drivers/shell/completion.h"
#include "drivers/shell/shell.h"

namespace quorlite::shell {

// `names` is asked when the completion key is pressed. History is kept in ~/.quorlite_history, or
// where QUORLITE_HISTORY says; nowhere if that is empty.
std::unique_ptr<LineSource> open_terminal(std::function<Names()> names);

}  // namespace quorlite::shell
