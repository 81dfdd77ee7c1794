// SQL by grammar: bytes choose among what SQLite's syntax allows, so that most statements are
// meaningful, and a fuzzer that changes a byte changes one choice.
//
// The same bytes give the same SQL. Nothing in it depends on time, chance or the connection, and
// nothing takes long.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "wire/base/bytes.h"

namespace quorlite::test {

struct Sql {
    std::string text;
    bool has_rows = false;  // to be asked for rows
};

class SqlGrammar {
public:
    explicit SqlGrammar(ByteView choices) : choices_(choices) {}

    // Tables to begin with.
    std::string schema();
    // Nothing: the bytes are used up.
    std::optional<Sql> next();

private:
    std::size_t choose(std::size_t count);
    bool likely() { return choose(4) != 0; }
    bool rarely() { return choose(5) == 4; }
    std::string_view one_of(std::span<const std::string_view> words);
    std::string list(std::size_t most, std::string (SqlGrammar::*part)());

    std::string table() { return "t" + std::to_string(choose(3)); }
    std::string column() { return "c" + std::to_string(choose(4)); }
    std::string literal();
    std::string operand();
    std::string value();  // without columns
    std::string expression();
    std::string compound_expression();
    std::string function();
    std::string aggregate();
    std::string where();
    std::string source();
    std::string select();
    std::string column_definition(std::size_t number);
    std::string create_table(std::string_view name);
    std::string create();
    std::string change_schema();
    std::string conflict();
    std::string insert(bool returning);
    std::string update(bool returning);
    std::string erase(bool returning);
    std::string change(bool returning);
    std::string transaction();
    std::string pragma();
    std::string row();

    ByteReader choices_;
    int depth_ = 0;
    bool columns_ = true;
};

}  // namespace quorlite::test
