// Rows from the database to a renderer.
#pragma once

#include <cstdint>
#include <string>

#include "drivers/shell/progress.h"
#include "drivers/shell/renderer.h"
#include "quorlite/connection.h"

namespace quorlite::shell {

// Renders all rows, and returns how many there were. Ctrl-C ends it with an error.
std::uint64_t render_rows(rows& found, Renderer& renderer, Progress* progress = nullptr);

// The rows of a query, rendered into a sink.
std::uint64_t copy_rows(queries& db, const std::string& sql, const RenderOptions& options,
                        Sink sink, Progress& progress);

}  // namespace quorlite::shell
