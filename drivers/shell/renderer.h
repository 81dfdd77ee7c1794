// Renderers: a result, row by row, in each of the shell's modes.
//
// What is written goes to a sink as it comes. Only the modes that draw tables hold rows back, to
// measure them, and no more than limits.h says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorlite/value.h"

namespace quorlite::shell {

enum class Mode { kBox, kCsv, kInsert, kJson, kLine, kList, kMarkdown, kTable };

std::string_view name_of(Mode mode);
std::optional<Mode> find_mode(std::string_view name);
std::vector<std::string> mode_names();

struct RenderOptions {
    Mode mode = Mode::kList;
    bool headers = false;  // in csv and list; the others have them by their nature, or never
    std::string null_text{};
    std::string separator = "|";        // of list
    std::string insert_into = "table";  // of insert
    std::vector<std::size_t> widths{};  // the least of each column of a table; 0: as it comes
};

using Sink = std::function<void(std::string_view)>;

class Renderer {
public:
    virtual ~Renderer() = default;
    // Once, before everything else. A result may have no rows, but has columns.
    virtual void begin(const std::vector<std::string>& columns) = 0;
    virtual void row(std::span<const value_view> values) = 0;
    virtual void end() = 0;
};

std::unique_ptr<Renderer> make_renderer(const RenderOptions& options, Sink sink);
// Those that draw a table: defined in tables.cc.
std::unique_ptr<Renderer> make_table_renderer(const RenderOptions& options, Sink sink);

// A result that is made here: what operators' commands answer.
struct Relation {
    std::vector<std::string> columns;
    std::vector<std::vector<value>> rows;
};

void render(const Relation& relation, Renderer& renderer);
value text_value(std::string_view text);
value integer_value(std::uint64_t number);

}  // namespace quorlite::shell
