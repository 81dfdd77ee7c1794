// ResultSet: a statement's rows as the messages that clients read (protocol section 8).
//
// Values go from SQLite's columns straight into the buffer. A date or boolean column that holds
// something else than its declared type promises sends what it holds.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/base/limits.h"
#include "engine/database/database.h"
#include "wire/client.h"

namespace quorlite::session {

class ResultSet {
public:
    // The statement has made its first step: before, a changed schema could still change its
    // columns. It outlives this result.
    void open(const database::Statement& statement, bool legacy_null_types);

    void begin_batch(Bytes& out) {
        writer_.begin(out);
        names_bytes_ = writer_.size();
    }
    // Appends the row that the statement stands on. Error (code 18): the batch would exceed what
    // one message may hold; the batch must be abandoned.
    Status append_row();
    // Each batch begins with the names of all columns: its rows are as much as these, if these are
    // not excessive.
    bool batch_full() const {
        const std::size_t names = std::min(names_bytes_, limits::kRowsPerNamesBytesMax);
        return writer_.size() - names_bytes_ >= std::max(names, limits::kResultBatchBytes);
    }
    void finish_batch(wire::RowsEnd end) { writer_.finish(end); }
    void abandon_batch() {
        if (writer_.active()) writer_.abandon();
    }

private:
    bool fits(std::size_t bytes) const;
    // False if a value does not fit.
    bool append_value(wire::RowWriter& row, int column);

    const database::Statement* statement_ = nullptr;
    bool legacy_null_types_ = false;
    std::vector<database::DeclaredType> declared_;
    std::vector<std::string_view> names_;
    wire::RowsWriter writer_;
    std::size_t names_bytes_ = 0;  // what the batch at hand begins with
};

}  // namespace quorlite::session
