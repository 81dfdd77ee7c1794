#include "engine/database/sqlite.h"

#include <sqlite3.h>

#include <array>
#include <mutex>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/database/memory.h"

namespace quorlite::database {
namespace {

constexpr std::array kLimits = {
    std::pair{SQLITE_LIMIT_LENGTH, limits::kValueBytesMax},
    std::pair{SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(limits::kSqlBytesMax)},
    std::pair{SQLITE_LIMIT_COLUMN, limits::kColumnsMax},
    std::pair{SQLITE_LIMIT_EXPR_DEPTH, limits::kExpressionDepthMax},
    std::pair{SQLITE_LIMIT_COMPOUND_SELECT, limits::kCompoundSelectsMax},
    std::pair{SQLITE_LIMIT_VDBE_OP, limits::kStatementOperationsMax},
    std::pair{SQLITE_LIMIT_FUNCTION_ARG, limits::kFunctionArgumentsMax},
    std::pair{SQLITE_LIMIT_ATTACHED, limits::kTemporaryDatabasesMax},
    std::pair{SQLITE_LIMIT_LIKE_PATTERN_LENGTH, limits::kLikePatternBytesMax},
    std::pair{SQLITE_LIMIT_VARIABLE_NUMBER, limits::kParametersMax},
    std::pair{SQLITE_LIMIT_TRIGGER_DEPTH, limits::kTriggerDepthMax},
    std::pair{SQLITE_LIMIT_WORKER_THREADS, 0},
};

// Views, triggers, comments and temporary databases (ATTACH '') stay on: they are what SQL is.
constexpr std::array kSwitches = {
    std::pair{SQLITE_DBCONFIG_ENABLE_FKEY, 1},
    std::pair{SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
    std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1},
    std::pair{SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
    std::pair{SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
    std::pair{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
    std::pair{SQLITE_DBCONFIG_RESET_DATABASE, 0},
    std::pair{SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 0},
    std::pair{SQLITE_DBCONFIG_LEGACY_FILE_FORMAT, 0},
    std::pair{SQLITE_DBCONFIG_DQS_DDL, 0},
    std::pair{SQLITE_DBCONFIG_DQS_DML, 0},
};

}  // namespace

void configure_sqlite() {
    static std::once_flag once;
    std::call_once(once, [] {
        sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        sqlite3_config(SQLITE_CONFIG_MALLOC, &memory_methods());
        QUORLITE_CHECK(sqlite3_initialize() == SQLITE_OK);
    });
}

void restrict_sqlite(sqlite3* db) {
    for (const auto& [limit, value] : kLimits) sqlite3_limit(db, limit, value);
    // An older SQLite ignores what it does not know.
    for (const auto& [option, on] : kSwitches) sqlite3_db_config(db, option, on, nullptr);
    // Older ones take their own FTS5 and R*Trees for dangerous in triggers, where they belong.
    constexpr int kKnowsWhatIsHarmless = 3'050'000;
    const int trusted = sqlite3_libversion_number() < kKnowsWhatIsHarmless ? 1 : 0;
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, trusted, nullptr);
}

std::string sqlite_version() {
    return sqlite3_libversion();
}

std::string sqlite_origin() {
    return QUORLITE_SQLITE_ORIGIN;
}

}  // namespace quorlite::database
