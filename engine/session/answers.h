// Answers: what a request is told of its statements, in the form of its kind.
//
//   PREPARE            STMT
//   EXEC, EXEC_SQL     RESULT, once, after the last statement
//   QUERY, QUERY_SQL   ROWS ...
//   RUN                [COLUMNS] [ROWS ...] RAN, of each statement
//
// They are held until what they depend on has come, a batch at a time. A statement that fails takes
// back what it has said since the last batch; what was said of those before it stays.
#pragma once

#include "engine/session/output.h"
#include "engine/session/result_set.h"
#include "engine/session/statements.h"
#include "wire/client.h"

namespace quorlite::session {

enum class Form : std::uint8_t { kStmt, kResult, kRows, kRan };

// What there is to say of a statement when it has ended.
struct Ended {
    const Prepared* prepared = nullptr;  // null: the text has no statement
    std::uint64_t flags = 0;             // of wire::ran
    std::size_t text_bytes = 0;
    std::optional<std::uint32_t> kept{};  // its number
    std::int64_t changes = 0;             // of the connection, as is
    std::int64_t last_insert_id = 0;
    bool last = false;  // no statement follows
};

class Answers {
public:
    void start(Form form, bool legacy_null_types) {
        form_ = form;
        legacy_null_types_ = legacy_null_types && form != Form::kRan;
        clear();
    }

    // Whether a text without a statement is answered; else it is an error.
    bool accepts_nothing() const { return form_ == Form::kResult || form_ == Form::kRan; }
    // Whether its rows are told; else there should be none.
    bool takes_rows(const database::Statement& statement) const {
        return form_ == Form::kRows || (form_ == Form::kRan && statement.column_count() > 0);
    }

    void begin_statement() { statement_ = bytes_.size(); }
    void describe(const database::Statement& statement);
    // The statement stands on its first row, or is done: then begin_batch() and so on.
    void open_rows(const database::Statement& statement) {
        rows_.open(statement, legacy_null_types_);
    }
    void begin_batch() { rows_.begin_batch(bytes_); }
    ResultSet& rows() { return rows_; }
    // `schema` is that of the request.
    void end_statement(const Ended& ended, std::uint8_t schema);
    // What has been said of this statement; an unfinished batch must have been abandoned.
    void take_back() { bytes_.resize(std::min(statement_, bytes_.size())); }

    std::size_t size() const { return bytes_.size(); }
    std::size_t capacity() const { return bytes_.capacity(); }
    void send(Output& output) {
        output.take(bytes_);
        statement_ = 0;
    }
    void clear() {
        bytes_.clear();
        statement_ = 0;
    }
    void shrink_idle() { shrink(bytes_); }

private:
    void say(const wire::Response& response) { wire::encode(response, bytes_); }

    Form form_ = Form::kResult;
    bool legacy_null_types_ = false;
    ResultSet rows_;
    Bytes bytes_;
    std::size_t statement_ = 0;  // where what is said of it begins
};

}  // namespace quorlite::session
