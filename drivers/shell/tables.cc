// Results as tables: box, markdown and plain ASCII.
#include <algorithm>
#include <utility>

#include "drivers/shell/limits.h"
#include "drivers/shell/renderer.h"
#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

// What the lines of a table are made of.
struct Rule {
    std::string_view left, fill, cross, right;
};

struct Style {
    Rule top, middle, bottom;  // without a fill: no such line
    std::string_view bar;
};

constexpr Style kBox = {{"┌", "─", "┬", "┐"}, {"├", "─", "┼", "┤"}, {"└", "─", "┴", "┘"}, "│"};
constexpr Style kTable = {{"+", "-", "+", "+"}, {"+", "-", "+", "+"}, {"+", "-", "+", "+"}, "|"};
constexpr Style kMarkdown = {{}, {"|", "-", "|", "|"}, {}, "|"};

const Style& style_of(Mode mode) {
    if (mode == Mode::kBox) return kBox;
    return mode == Mode::kMarkdown ? kMarkdown : kTable;
}

struct Cell {
    std::string text;
    std::size_t width = 0;
    bool number = false;  // stands at the right
};

// Rows are held until enough of them are known to decide how wide the columns are; whatever comes
// after that is drawn at once.
class Table : public Renderer {
public:
    Table(const RenderOptions& options, Sink sink)
        : style_(style_of(options.mode)),
          markdown_(options.mode == Mode::kMarkdown),
          null_text_(options.null_text),
          widths_(options.widths),
          sink_(std::move(sink)) {}

    void begin(const std::vector<std::string>& columns) override {
        widths_.resize(columns.size());
        for (const std::string& each : columns) header_.push_back(cell(each, false));
        measure(header_);
    }

    void row(std::span<const value_view> values) override {
        std::vector<Cell> cells;
        for (const value_view& each : values) {
            const bool number =
                each.type() == value_type::integer || each.type() == value_type::real;
            cells.push_back(cell(plain(each, null_text_), number));
        }
        if (drawing_) return draw(cells);
        measure(cells);
        for (const Cell& each : cells) held_bytes_ += each.text.size();
        held_.push_back(std::move(cells));
        if (held_.size() >= limits::kRowsMeasured || held_bytes_ >= limits::kBytesMeasured) flush();
    }

    void end() override {
        if (!drawing_ && held_.empty() && !markdown_) return;
        flush();
        draw(style_.bottom);
    }

private:
    Cell cell(std::string_view text, bool number) const {
        std::string line = one_line(text);
        if (markdown_) {
            for (std::size_t at = 0; (at = line.find('|', at)) != std::string::npos; at += 2) {
                line.insert(at, 1, '\\');
            }
        }
        const std::size_t width = display_width(line);
        return {std::move(line), width, number};
    }

    void measure(const std::vector<Cell>& cells) {
        for (std::size_t i = 0; i < cells.size(); ++i) {
            widths_[i] = std::max(widths_[i], cells[i].width);
        }
    }

    void flush() {
        if (std::exchange(drawing_, true)) return;
        draw(style_.top);
        draw(header_);
        draw(style_.middle);
        for (const std::vector<Cell>& each : held_) draw(each);
        held_ = {};
    }

    void draw(const Rule& rule) {
        if (rule.fill.empty()) return;
        std::string line(rule.left);
        for (std::size_t i = 0; i < widths_.size(); ++i) {
            if (i > 0) line += rule.cross;
            for (std::size_t n = 0; n < widths_[i] + 2; ++n) line += rule.fill;
        }
        line += rule.right;
        sink_(line += '\n');
    }

    void draw(const std::vector<Cell>& cells) {
        std::string line(style_.bar);
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const Cell& each = cells[i];
            const std::string gap(widths_[i] - std::min(widths_[i], each.width), ' ');
            line += ' ';
            line.append(each.number ? gap : each.text).append(each.number ? each.text : gap);
            line += ' ';
            line += style_.bar;
        }
        sink_(line += '\n');
    }

    const Style& style_;
    const bool markdown_;
    const std::string null_text_;
    std::vector<std::size_t> widths_;
    const Sink sink_;
    std::vector<Cell> header_;
    std::vector<std::vector<Cell>> held_;
    std::size_t held_bytes_ = 0;
    bool drawing_ = false;
};

}  // namespace

std::unique_ptr<Renderer> make_table_renderer(const RenderOptions& options, Sink sink) {
    return std::make_unique<Table>(options, std::move(sink));
}

}  // namespace quorlite::shell
