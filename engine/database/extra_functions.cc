#include "engine/database/extra_functions.h"

#include <md5.h>
#include <sha1.h>
#include <sha2.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "engine/database/dates.h"
#include "engine/database/regexp.h"
#include "engine/database/sql_function.h"

namespace quorlite::database {
namespace {

// ---- Texts ----

// A result that grows by parts, in SQLite's memory.
class Text {
public:
    explicit Text(sqlite3_context* context)
        : context_(context), text_(sqlite3_str_new(sqlite3_context_db_handle(context))) {}
    ~Text() {
        if (text_ != nullptr) sqlite3_free(sqlite3_str_finish(text_));
    }
    Text(const Text&) = delete;
    Text& operator=(const Text&) = delete;

    void append(std::string_view part) {
        sqlite3_str_append(text_, part.data(), static_cast<int>(part.size()));
    }
    void repeat(std::string_view part, std::int64_t times) {
        for (std::int64_t i = 0; i < times; ++i) append(part);
    }
    // The statement's error, if it is too large or there is no memory for it.
    void give() {
        const int failed = sqlite3_str_errcode(text_);
        if (failed != SQLITE_OK) return sqlite3_result_error_code(context_, failed);
        const auto size = static_cast<sqlite3_uint64>(sqlite3_str_length(text_));
        if (size == 0) return result_text(context_, "");
        char* const text = sqlite3_str_finish(std::exchange(text_, nullptr));
        sqlite3_result_text64(context_, text, size, sqlite3_free, SQLITE_UTF8);
    }

private:
    sqlite3_context* const context_;
    sqlite3_str* text_;
};

bool begins_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
}

std::int64_t characters(std::string_view text) {
    return std::count_if(text.begin(), text.end(), begins_character);
}

std::string_view first_characters(std::string_view text, std::int64_t count) {
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
        if (begins_character(text[end]) && count-- <= 0) break;
    }
    return text.substr(0, end);
}

bool fits(sqlite3_context* context, std::string_view part, std::int64_t times) {
    const std::size_t most = part.empty() ? 0 : value_bytes_max(context) / part.size();
    if (part.empty() || times <= static_cast<std::int64_t>(most)) return true;
    sqlite3_result_error_toobig(context);
    return false;
}

// lpad(text, length, fill), rpad(text, length, fill): in characters; what is longer is cut.
template <bool left>
void pad(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view text = text_of(arguments[0]);
    const auto length = std::max<std::int64_t>(0, sqlite3_value_int64(arguments[1]));
    const std::string_view fill = text_of(arguments[2]);
    const std::int64_t missing = length - characters(text);
    if (missing <= 0) return result_text(context, first_characters(text, length));
    if (fill.empty()) return result_text(context, text);
    const std::int64_t times = missing / characters(fill);
    if (!fits(context, fill, times)) return;
    Text padded(context);
    if (!left) padded.append(text);
    padded.repeat(fill, times);
    padded.append(first_characters(fill, missing % characters(fill)));
    if (left) padded.append(text);
    padded.give();
}

void repeat(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view text = text_of(arguments[0]);
    const std::int64_t times = text.empty() ? 0 : sqlite3_value_int64(arguments[1]);
    if (!fits(context, text, times)) return;
    Text repeated(context);
    repeated.repeat(text, times);
    repeated.give();
}

void reverse(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::string_view text = text_of(arguments[0]);
    Text reversed(context);
    for (std::size_t end = text.size(), at = end; at-- > 0;) {
        if (at > 0 && !begins_character(text[at])) continue;
        reversed.append(text.substr(at, end - at));
        end = at;
    }
    reversed.give();
}

// ---- Hashes, as hexadecimal digits ----

using Hash = char* (*)(const std::uint8_t*, std::size_t, char*);

// SHA-256 that begins with other numbers, and whose end is left out: the library has none.
char* sha224(const std::uint8_t* bytes, std::size_t size, char* digits) {
    constexpr std::array<std::uint32_t, 8> kBegin = {0xc1059ed8, 0x367cd507, 0x3070dd17,
                                                     0xf70e5939, 0xffc00b31, 0x68581511,
                                                     0x64f98fa7, 0xbefa4fa4};
    constexpr std::size_t kDigits = 2 * 224 / 8;
    SHA2_CTX context;
    SHA256Init(&context);
    std::copy(kBegin.begin(), kBegin.end(), context.state.st32);
    SHA256Update(&context, bytes, size);
    SHA256End(&context, digits);
    digits[kDigits] = '\0';
    return digits;
}

struct NamedHash {
    const char* name;
    Hash hash;
};
constexpr std::array kHashes = {NamedHash{"md5", MD5Data},       NamedHash{"sha1", SHA1Data},
                                NamedHash{"sha224", sha224},     NamedHash{"sha256", SHA256Data},
                                NamedHash{"sha384", SHA384Data}, NamedHash{"sha512", SHA512Data}};

void hash(sqlite3_context* context, int, sqlite3_value** arguments) {
    const auto& named = *static_cast<const NamedHash*>(sqlite3_user_data(context));
    const ByteView bytes = bytes_of(arguments[0], is_blob(arguments[0]));
    std::array<char, SHA512_DIGEST_STRING_LENGTH> digits{};
    named.hash(bytes.data(), bytes.size(), digits.data());
    result_text(context, digits.data());
}

// ---- Numbers ----

void bitxor(sqlite3_context* context, int, sqlite3_value** arguments) {
    sqlite3_result_int64(context,
                         sqlite3_value_int64(arguments[0]) ^ sqlite3_value_int64(arguments[1]));
}

// NULL where it has no value, as SQLite's own functions of this kind.
void cot(sqlite3_context* context, int, sqlite3_value** arguments) {
    const double tangent = std::tan(sqlite3_value_double(arguments[0]));
    if (tangent != 0) sqlite3_result_double(context, 1 / tangent);
}

std::uint64_t random_bits() {
    std::uint64_t bits = 0;
    sqlite3_randomness(sizeof bits, &bits);
    return bits;
}

// rand(): from 0 to below 1.
void rand(sqlite3_context* context, int, sqlite3_value**) {
    sqlite3_result_double(context, std::ldexp(static_cast<double>(random_bits() >> 11), -53));
}

// quorlite_limit(number of one of SQLite's limits); NULL if there is none.
void limit(sqlite3_context* context, int, sqlite3_value** arguments) {
    const std::int64_t number = sqlite3_value_int64(arguments[0]);
    if (number < 0 || number > INT32_MAX) return;
    const int found =
        sqlite3_limit(sqlite3_context_db_handle(context), static_cast<int>(number), -1);
    if (found >= 0) sqlite3_result_int(context, found);
}

// ---- uuid7() ----

// Since 1970, in ms, by the clock that "now" is read from.
std::uint64_t now_ms(sqlite3_context* context) {
    constexpr sqlite3_int64 kEpoch =
        210'866'760'000'000;  // of the Julian day in ms, where SQLite begins
    sqlite3_vfs* vfs = nullptr;
    sqlite3_file_control(sqlite3_context_db_handle(context), "main", SQLITE_FCNTL_VFS_POINTER,
                         &vfs);
    sqlite3_int64 time = kEpoch;
    if (vfs != nullptr) vfs->xCurrentTimeInt64(vfs, &time);
    return static_cast<std::uint64_t>(time - kEpoch);
}

// RFC 9562, version 7: the time, then random bits, so that later ones sort behind.
void uuid7(sqlite3_context* context, int, sqlite3_value**) {
    const std::uint64_t first = now_ms(context) << 16 | 0x7000 | (random_bits() & 0x0fff);
    const std::uint64_t second = std::uint64_t{1} << 63 | random_bits() >> 2;
    std::array<char, 37> text{};
    std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%04x-%012llx",
                  static_cast<unsigned>(first >> 32), static_cast<unsigned>(first >> 16 & 0xffff),
                  static_cast<unsigned>(first & 0xffff), static_cast<unsigned>(second >> 48),
                  static_cast<unsigned long long>(second & 0xffff'ffff'ffff));
    result_text(context, text.data());
}

// ---- Deviations ----

// Welford's: the sum of squares from the mean, without the loss of digits of their difference.
struct Spread {
    std::int64_t count;
    double mean;
    double squares;
};

struct Deviation {
    const char* name;
    bool sample;  // divided by one less
    bool root;
};
constexpr std::array kDeviations = {
    Deviation{"var_pop", false, false}, Deviation{"var_samp", true, false},
    Deviation{"stddev_pop", false, true}, Deviation{"stddev_samp", true, true}};

void add_to_spread(sqlite3_context* context, int, sqlite3_value** arguments) {
    auto* const spread = static_cast<Spread*>(sqlite3_aggregate_context(context, sizeof(Spread)));
    if (spread == nullptr || is_null(arguments[0])) return;
    const double value = sqlite3_value_double(arguments[0]);
    const double from_mean = value - spread->mean;
    spread->mean += from_mean / static_cast<double>(++spread->count);
    spread->squares += from_mean * (value - spread->mean);
}

void give_deviation(sqlite3_context* context) {
    const auto& kind = *static_cast<const Deviation*>(sqlite3_user_data(context));
    const auto* const spread = static_cast<Spread*>(sqlite3_aggregate_context(context, 0));
    const std::int64_t divisor = spread == nullptr ? 0 : spread->count - (kind.sample ? 1 : 0);
    if (divisor <= 0) return;
    const double variance = spread->squares / static_cast<double>(divisor);
    sqlite3_result_double(context, kind.root ? std::sqrt(variance) : variance);
}

int add_deviation(sqlite3* db, const Deviation& kind) {
    return sqlite3_create_function_v2(
        db, kind.name, 1, SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC,
        const_cast<Deviation*>(&kind), nullptr, add_to_spread, give_deviation, nullptr);
}

}  // namespace

int add_extra_functions(sqlite3* db) {
    constexpr FunctionEntry kEntries[] = {
        {"regexp", 2, guarded<regexp>},   {"lpad", 3, guarded<pad<true>>},
        {"rpad", 3, guarded<pad<false>>}, {"repeat", 2, guarded<repeat>},
        {"reverse", 1, guarded<reverse>}, {"bitxor", 2, guarded<bitxor>},
        {"cot", 1, guarded<cot>},         {"rand", 0, rand, 0},
        {"uuid7", 0, uuid7, 0},           {"quorlite_limit", 1, guarded<limit>, 0},
    };
    int added = add_date_functions(db);
    if (added == SQLITE_OK) added = add_functions(db, kEntries);
    for (const NamedHash& each : kHashes) {
        if (added != SQLITE_OK) return added;
        added = add_function(db, each.name, 1, guarded<hash>, &each);
    }
    for (const Deviation& each : kDeviations) {
        if (added != SQLITE_OK) return added;
        added = add_deviation(db, each);
    }
    return added;
}

}  // namespace quorlite::database
