// Which statements surely only read. All words in lower case.
//
// Made by spec/generate.py from spec/sql.json: change it there.
#pragma once

#include <string_view>

namespace quorlite::core {
// clang-format off

// Statements that begin with one of these only read.
inline constexpr std::string_view kReadingVerbs[] = {
    "select",
    "values",
};

// Pragmas that only read, if they are given no value.
inline constexpr std::string_view kReadingPragmas[] = {
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "encoding",
    "foreign_key_check",
    "foreign_keys",
    "freelist_count",
    "full_column_names",
    "fullfsync",
    "function_list",
    "hard_heap_limit",
    "idle_transaction",
    "ignore_check_constraints",
    "integrity_check",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "query_only",
    "quick_check",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "short_column_names",
    "soft_heap_limit",
    "synchronous",
    "table_list",
    "temp_store",
    "threads",
    "trusted_schema",
    "user_version",
    "wal_autocheckpoint",
    "writable_schema",
};

// Pragmas whose value is only what they tell about.
inline constexpr std::string_view kReadingPragmasOfSomething[] = {
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
};

// clang-format on
}  // namespace quorlite::core
