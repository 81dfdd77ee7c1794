#include "drivers/core/operation.h"

#include <algorithm>
#include <array>

#include "drivers/core/limits.h"

namespace quorlite::core {
namespace {

wire::Value to_wire(const value_view& view) {
    switch (view.type()) {
        case value_type::integer:
        case value_type::unix_time:
            return view.integer();
        case value_type::real:
            return view.real();
        case value_type::text:
            return view.text();
        case value_type::blob:
            return as_bytes(view.text());
        case value_type::iso8601:
            return wire::Iso8601{view.text()};
        case value_type::boolean:
            return wire::Boolean{view.integer()};
        case value_type::null:
            break;
    }
    return wire::Null{};
}

// Puts the arguments in the order of the parameters' numbers.
result<std::vector<wire::Value>> order(const SqlText& text, arguments values) {
    const bool by_name = !values.empty() && !values.front().name().empty();
    std::vector<wire::Value> ordered(by_name ? text.parameters : values.size());
    std::vector<bool> given(ordered.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string_view name = values[i].name();
        if (name.empty() == by_name) return misuse("arguments are either all named or all not");
        if (!values[i].fits()) {
            const std::string which = by_name ? std::string(name) : std::to_string(i + 1);
            return misuse("argument " + which + ": " + values[i].problem());
        }
        if (!by_name) {
            ordered[i] = to_wire(values[i].view());
            continue;
        }
        bool found = false;
        for (const auto& [known, index] : text.names) {
            if (known.substr(1) != name && known != name) continue;
            ordered[index - 1] = to_wire(values[i].view());
            found = given[index - 1] = true;
        }
        if (!found) return misuse("the statement has no parameter named " + std::string(name));
    }
    if (by_name) {
        for (const auto& [known, index] : text.names) {
            if (!given[index - 1]) return misuse("no argument for " + std::string(known));
        }
    }
    return ordered;
}

// A text on the wire ends at its first zero byte.
bool holds_zero_byte(const wire::Value& value) {
    const auto* const text = std::get_if<std::string_view>(&value);
    return text != nullptr && text->find('\0') != std::string_view::npos;
}

}  // namespace

namespace {

// Where values may stand for literals.
bool takes_values(std::string_view verb) {
    static constexpr std::array<std::string_view, 6> kVerbs = {"insert", "replace", "update",
                                                               "delete", "select",  "values"};
    return std::any_of(kVerbs.begin(), kVerbs.end(), [&](std::string_view each) {
        return std::equal(verb.begin(), verb.end(), each.begin(), each.end(),
                          [](char a, char b) { return (a | 0x20) == b; });
    });
}

}  // namespace

result<OperationPtr> make_statement(OperationKind kind, std::string_view sql, arguments values) {
    const SqlText text = analyse(sql);
    if (text.effect == Effect::kNone) return misuse("the text holds no statement");
    if (text.tail) return misuse("the text holds several statements: execute it as a script");
    if (sql.find('\0') != std::string_view::npos) return misuse("the text holds a zero byte");
    if (values.size() > limits::kParametersMax) {
        return misuse("more than " + std::to_string(limits::kParametersMax) + " arguments");
    }
    const bool long_sql = sql.size() > limits::kLongSqlBytes && kind != OperationKind::kPrepare;
    if (long_sql && values.empty() && text.parameters == 0 && takes_values(text.verb)) {
        const Lifted lifted = lift_literals(sql);
        std::vector<argument> literals;
        for (const Lifted::Literal& each : lifted.literals) {
            const auto type = each.blob ? value_type::blob : value_type::text;
            literals.emplace_back(value_view::of_text(each.bytes, type));
        }
        if (!literals.empty()) return make_statement(kind, lifted.sql, literals);
    }
    auto operation = std::make_shared<Operation>();
    operation->kind = kind;
    operation->sql = sql;
    operation->effect = text.effect;
    operation->yields_rows = text.yields_rows;
    operation->savepoint = text.savepoint;
    if (kind == OperationKind::kPrepare) {
        operation->effect = Effect::kRead;  // compiling changes nothing
        return operation;
    }
    const auto ordered = order(text, values);
    if (!ordered) return ordered.error();
    if (ordered->size() != text.parameters) {
        return misuse("the statement has " + std::to_string(text.parameters) +
                      " parameters, and there are " + std::to_string(ordered->size()) +
                      " arguments");
    }
    if (std::any_of(ordered->begin(), ordered->end(), holds_zero_byte)) {
        return misuse("a text holds a zero byte: bind it as a blob");
    }
    operation->values = ordered->size();
    if (!ordered->empty()) {
        const wire::Parameters tuple(*ordered);
        tuple.encode(tuple.schema(wire::kNarrowTuple), operation->tuple);
    }
    return operation;
}

OperationPtr make_admin(AdminRequest request) {
    using wire::RequestType;
    auto operation = std::make_shared<Operation>();
    const bool dump = request.type == RequestType::kDump;
    operation->kind = dump ? OperationKind::kDump : OperationKind::kAdmin;
    const bool reads = dump || request.type == RequestType::kCluster ||
                       request.type == RequestType::kDescribe ||
                       request.type == RequestType::kStatus || request.type == RequestType::kLeader;
    operation->effect = reads ? Effect::kRead : Effect::kWrite;
    // Setting a weight twice does no harm.
    operation->idempotent = request.type == RequestType::kWeight;
    operation->admin = std::move(request);
    return operation;
}

}  // namespace quorlite::core
