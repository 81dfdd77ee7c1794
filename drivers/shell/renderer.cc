#include "drivers/shell/renderer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "drivers/shell/text.h"

namespace quorlite::shell {
namespace {

constexpr std::array<std::pair<Mode, std::string_view>, 8> kModes = {{
    {Mode::kBox, "box"},
    {Mode::kCsv, "csv"},
    {Mode::kInsert, "insert"},
    {Mode::kJson, "json"},
    {Mode::kLine, "line"},
    {Mode::kList, "list"},
    {Mode::kMarkdown, "markdown"},
    {Mode::kTable, "table"},
}};

// Values one after the other, with something between them.
class Separated : public Renderer {
public:
    Separated(const RenderOptions& options, Sink sink)
        : csv_(options.mode == Mode::kCsv),
          headers_(options.headers),
          null_text_(options.null_text),
          separator_(csv_ ? "," : options.separator),
          sink_(std::move(sink)) {}

    void begin(const std::vector<std::string>& columns) override {
        if (!headers_) return;
        std::vector<value_view> names;
        names.reserve(columns.size());
        for (const std::string& each : columns) names.push_back(value_view::of_text(each));
        row(names);
    }
    void row(std::span<const value_view> values) override {
        line_.clear();
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (i > 0) line_ += separator_;
            line_ += csv_ ? csv_literal(values[i]) : plain(values[i], null_text_);
        }
        sink_(line_ += csv_ ? "\r\n" : "\n");
    }
    void end() override {}

private:
    const bool csv_;
    const bool headers_;
    const std::string null_text_;
    const std::string separator_;
    const Sink sink_;
    std::string line_;
};

class Json : public Renderer {
public:
    explicit Json(Sink sink) : sink_(std::move(sink)) {}

    void begin(const std::vector<std::string>& columns) override {
        for (const std::string& each : columns) keys_.push_back(json_text(each) + ":");
    }
    void row(std::span<const value_view> values) override {
        std::string line = std::exchange(any_, true) ? ",\n{" : "[{";
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (i > 0) line += ',';
            line += keys_[i] + json_literal(values[i]);
        }
        sink_(line += '}');
    }
    void end() override { sink_(any_ ? "]\n" : "[]\n"); }

private:
    const Sink sink_;
    std::vector<std::string> keys_;
    bool any_ = false;
};

// One value a line, its column's name before it.
class Lines : public Renderer {
public:
    Lines(const RenderOptions& options, Sink sink)
        : null_text_(options.null_text), sink_(std::move(sink)) {}

    void begin(const std::vector<std::string>& columns) override {
        std::size_t widest = 0;
        for (const std::string& each : columns) widest = std::max(widest, display_width(each));
        for (const std::string& each : columns) {
            names_.push_back(std::string(widest - display_width(each), ' ') + each + " = ");
        }
    }
    void row(std::span<const value_view> values) override {
        std::string lines = std::exchange(any_, true) ? "\n" : "";
        for (std::size_t i = 0; i < values.size(); ++i) {
            lines += names_[i] + plain(values[i], null_text_) + "\n";
        }
        sink_(lines);
    }
    void end() override {}

private:
    const std::string null_text_;
    const Sink sink_;
    std::vector<std::string> names_;
    bool any_ = false;
};

class Inserts : public Renderer {
public:
    Inserts(const RenderOptions& options, Sink sink)
        : insert_(std::string("INSERT INTO ").append(sql_name(options.insert_into))),
          sink_(std::move(sink)) {}

    void begin(const std::vector<std::string>& columns) override {
        insert_.append("(").append(joined(sql_names(columns), ",")).append(") VALUES");
    }
    void row(std::span<const value_view> values) override {
        sink_(core::insert_statement(insert_, values) + "\n");
    }
    void end() override {}

private:
    std::string insert_;
    const Sink sink_;
};

}  // namespace

std::string_view name_of(Mode mode) {
    return std::ranges::find(kModes, mode, &std::pair<Mode, std::string_view>::first)->second;
}

std::optional<Mode> find_mode(std::string_view name) {
    for (const auto& [mode, known] : kModes) {
        if (same_word(known, name)) return mode;
    }
    return std::nullopt;
}

std::vector<std::string> mode_names() {
    std::vector<std::string> names;
    names.reserve(kModes.size());
    for (const auto& each : kModes) names.emplace_back(each.second);
    return names;
}

std::unique_ptr<Renderer> make_renderer(const RenderOptions& options, Sink sink) {
    switch (options.mode) {
        case Mode::kCsv:
        case Mode::kList:
            return std::make_unique<Separated>(options, std::move(sink));
        case Mode::kInsert:
            return std::make_unique<Inserts>(options, std::move(sink));
        case Mode::kJson:
            return std::make_unique<Json>(std::move(sink));
        case Mode::kLine:
            return std::make_unique<Lines>(options, std::move(sink));
        case Mode::kBox:
        case Mode::kMarkdown:
        case Mode::kTable:
            break;
    }
    return make_table_renderer(options, std::move(sink));
}

void render(const Relation& relation, Renderer& renderer) {
    renderer.begin(relation.columns);
    for (const std::vector<value>& each : relation.rows) {
        renderer.row(std::vector<value_view>(each.begin(), each.end()));
    }
    renderer.end();
}

value text_value(std::string_view text) {
    return value(value_view::of_text(text));
}

value integer_value(std::uint64_t number) {
    return value(value_view::of_integer(static_cast<std::int64_t>(number)));
}

}  // namespace quorlite::shell
