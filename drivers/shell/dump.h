// Reading tables as they are stored, for what must read back the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "drivers/shell/progress.h"
#include "drivers/shell/renderer.h"
#include "quorlite/connection.h"

namespace quorlite::shell {

// The columns that hold something: no generated and no hidden ones.
std::vector<std::string> stored_columns(queries& db, const std::string& table);

// A SELECT of all of them. The values come with the types that they are stored as, whatever the
// columns are declared as: a declared DATE or BOOLEAN changes what a server sends.
std::string select_stored(queries& db, const std::string& table);

// Renders every row of a query; returns how many. Ctrl-C ends it with an error.
std::uint64_t copy_rows(queries& db, const std::string& sql, const RenderOptions& options,
                        Sink sink, Progress& progress);

}  // namespace quorlite::shell
