#include "engine/session/answers.h"

#include "engine/base/limits.h"

namespace quorlite::session {
namespace {

wire::Column column_of(const database::Statement& statement, int number) {
    const database::ColumnOrigin origin = statement.origin(number);
    wire::Column column;
    column.name = statement.column_name(number);
    column.declared_type = statement.declaration(number);
    column.table = origin.table;
    column.origin = origin.column;
    if (origin.not_null) column.flags |= wire::Column::kNotNull;
    if (origin.primary_key) column.flags |= wire::Column::kPrimaryKey;
    if (origin.auto_increment) column.flags |= wire::Column::kAutoIncrement;
    return column;
}

}  // namespace

void Answers::describe(const database::Statement& statement) {
    wire::ColumnsResponse response;
    const int columns = statement.column_count();
    for (int column = 0; column < columns; ++column) {
        response.columns.push_back(column_of(statement, column));
    }
    const int parameters = statement.parameter_count();
    if (parameters <= limits::kNamedParametersMax) {
        for (int parameter = 1; parameter <= parameters; ++parameter) {
            response.parameters.push_back(statement.parameter_name(parameter));
        }
    }
    say(response);
}

void Answers::end_statement(const Ended& ended, std::uint8_t schema) {
    const Prepared* const prepared = ended.prepared;
    const std::uint64_t parameters =
        prepared == nullptr ? 0
                            : static_cast<std::uint64_t>(prepared->statement->parameter_count());
    const auto changes = static_cast<std::uint64_t>(ended.changes);
    switch (form_) {
        case Form::kStmt:
            return say(wire::StmtResponse{.schema = schema,
                                          .statement = ended.kept.value_or(0),
                                          .parameter_count = parameters,
                                          .tail_offset = ended.text_bytes});
        case Form::kResult:
            if (ended.last) say(wire::ResultResponse{ended.last_insert_id, changes});
            return;
        case Form::kRows:
            return;
        case Form::kRan: {
            const bool counts = prepared != nullptr && prepared->changes_rows;
            return say(
                wire::RanResponse{.flags = ended.flags,
                                  .text_bytes = ended.text_bytes,
                                  .statement = ended.kept ? std::uint64_t{*ended.kept} + 1 : 0,
                                  .parameter_count = parameters,
                                  .rows_affected = counts ? changes : 0,
                                  .last_insert_id = ended.last_insert_id});
        }
    }
}

}  // namespace quorlite::session
