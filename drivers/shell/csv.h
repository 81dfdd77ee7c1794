// CSV: records of fields (RFC 4180), read as they come.
//
// Quoting is remembered, since it tells a text from everything else (text.h). A quoted field may
// hold line ends. Lines end in LF or CR LF. A byte order mark in front is skipped.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "quorlite/value.h"

namespace quorlite::shell {

struct CsvField {
    std::string text;
    bool quoted = false;
};

// What a field says: NULL, a text, a blob, or, if `numbers`, a number, where the text is the one
// that the number is written as. (The text 0123 stays one: it might be a telephone's.)
// `bytes` holds a blob's content.
value_view value_of(const CsvField& field, bool numbers, std::string& bytes);

class CsvReader {
public:
    explicit CsvReader(std::istream& in) : in_(in) {}
    // False at the end. Throws if a quote is not closed or a record is too long.
    bool next(std::vector<CsvField>& fields);
    std::uint64_t line() const { return line_; }  // where the last record began, from 1 on
    std::uint64_t bytes() const { return bytes_; }

private:
    int take();
    bool quoted_part(CsvField& field);

    std::istream& in_;
    std::uint64_t line_ = 0;
    std::uint64_t next_line_ = 1;
    std::uint64_t bytes_ = 0;
};

}  // namespace quorlite::shell
