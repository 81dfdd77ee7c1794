#include "engine/database/authorizer.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>

namespace quorlite::database {
namespace {

enum class When { kAlways, kIfSet };  // any use of a PRAGMA, or only with a value

struct PragmaRule {
    const char* name;
    When when;
    std::string_view reason;
};

constexpr std::string_view kStorage =
    "the storage of a replicated database is managed by the server";
constexpr std::string_view kProcess = "it would change the whole server";

constexpr std::array kPragmaRules = {
    PragmaRule{"journal_mode", When::kIfSet, kStorage},
    PragmaRule{"page_size", When::kIfSet, kStorage},
    PragmaRule{"wal_autocheckpoint", When::kIfSet, kStorage},
    PragmaRule{"synchronous", When::kIfSet, "every commit is replicated and synced by the log"},
    PragmaRule{"journal_size_limit", When::kIfSet, kStorage},
    PragmaRule{"mmap_size", When::kIfSet, kStorage},
    PragmaRule{"wal_checkpoint", When::kAlways, "the server moves the WAL by itself"},
    PragmaRule{"read_uncommitted", When::kAlways, "connections share no cache"},
    PragmaRule{"locking_mode", When::kAlways, "other clients must be able to use the database"},
    PragmaRule{"writable_schema", When::kIfSet, "it could damage the database on every node"},
    PragmaRule{"schema_version", When::kIfSet, "it could damage the database on every node"},
    PragmaRule{"temp_store_directory", When::kIfSet, kProcess},
    PragmaRule{"data_store_directory", When::kIfSet, kProcess},
    PragmaRule{"soft_heap_limit", When::kIfSet, kProcess},
    PragmaRule{"hard_heap_limit", When::kIfSet, kProcess},
    PragmaRule{"trusted_schema", When::kIfSet, "a schema may come from anybody"},
    PragmaRule{"threads", When::kIfSet, "the server decides on its threads"},
};

std::string_view pragma_refusal(const char* name, const char* value) {
    for (const PragmaRule& rule : kPragmaRules) {
        if (sqlite3_stricmp(name, rule.name) != 0) continue;
        if (rule.when == When::kAlways || value != nullptr) return rule.reason;
    }
    return {};
}

std::string_view function_refusal(const char* name) {
    if (sqlite3_stricmp(name, "load_extension") == 0) {
        return "extensions would have to be the same on every node";
    }
    if (sqlite3_stricmp(name, "fts3_tokenizer") == 0) {
        return "fts3_tokenizer() tells and takes addresses of the process";
    }
    return {};
}

}  // namespace

bool is_ignored_pragma(const char* name, const char* value) {
    constexpr std::array kNames = {"cache_size", "default_cache_size", "cache_spill", "temp_store"};
    return value != nullptr && std::any_of(kNames.begin(), kNames.end(), [&](const char* ignored) {
               return sqlite3_stricmp(name, ignored) == 0;
           });
}

std::string_view refusal_of(const SqlAction& action) {
    switch (action.code) {
        case SQLITE_PRAGMA:
            return pragma_refusal(action.first, action.second);
        case SQLITE_ATTACH:
            // VACUUM attaches a file without a name; VACUUM INTO one with a name. A name that is an
            // expression arrives as null.
            if (action.first != nullptr && *action.first == '\0') return {};
            return "only the replicated database and temporary ones ('') can be used";
        case SQLITE_FUNCTION:
            return function_refusal(action.second);
        default:
            return {};
    }
}

}  // namespace quorlite::database
