// Values: what SQL values look like in a message, in parameter tuples and in rows.
//
// spec/wire-protocol.md sections 3, 4 and 8.3. Everything decoded here is borrowed: a text or a
// blob points into the message it came from and lives as long as those bytes. Nothing allocates,
// except the text of an error and the growth of a caller's buffer.
//
// A parameter tuple is read in two steps, because the protocol treats their failures differently:
// Parameters::decode checks the tuple's header (a bad one closes the connection), ParameterReader
// yields one value after the other (a bad one is answered by a FAILURE, and the connection lives
// on). The reader is kept over several statements, each taking as many values as it has parameters.
//
// A row is written column by column straight into the output (RowWriter), with no Value in between.
//
// Padding is written as zeros and never looked at. A text cannot hold a zero byte: writing one that
// does sends the part before it, so a sender that cares checks first. Text is not checked for
// UTF-8. Units: all sizes are bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "wire/base/bytes.h"
#include "wire/base/result.h"

namespace quorlite::wire {

inline constexpr std::size_t kWordBytes = 8;

// `size` rounded up to whole words. Precondition: size is at most SIZE_MAX - 7.
constexpr std::size_t padded(std::size_t size) {
    return (size + kWordBytes - 1) & ~(kWordBytes - 1);
}

// Section 3. The readers set failed() and return an empty view if the field is not entirely there.
std::size_t text_bytes(std::string_view text);  // as encoded
void append_text(Bytes& out, std::string_view text);
void append_blob(Bytes& out, ByteView blob);
std::string_view read_text(ByteReader& in);
ByteView read_blob(ByteReader& in);

enum class ValueType : std::uint8_t {
    kInteger = 1,
    kFloat = 2,
    kText = 3,
    kBlob = 4,
    kNull = 5,
    kUnixTime = 9,  // in rows only
    kIso8601 = 10,
    kBoolean = 11,
};

struct Null {
    friend bool operator==(Null, Null) = default;
};
struct UnixTime {
    std::int64_t seconds = 0;  // since 1970
    friend bool operator==(UnixTime, UnixTime) = default;
};
// As stored, unchecked. In a row, empty text stands for NULL.
struct Iso8601 {
    std::string_view text;
    friend bool operator==(Iso8601, Iso8601) = default;
};
// In a row any integer that a BOOLEAN column holds; as a parameter any nonzero number is bound
// as 1.
struct Boolean {
    std::int64_t number = 0;
    constexpr bool truth() const { return number != 0; }
    friend bool operator==(Boolean, Boolean) = default;
};

// Borrowed: texts and blobs belong to the message or to the caller.
using Value = std::variant<Null, std::int64_t, double, std::string_view, ByteView, UnixTime,
                           Iso8601, Boolean>;

ValueType type_of(const Value& value);

// Equal in type and in every bit, so that a NaN equals itself and 0.0 differs from -0.0.
bool identical(const Value& left, const Value& right);

// Layouts of the parameter tuple, named by the schema byte of the message that holds it.
inline constexpr std::uint8_t kNarrowTuple = 0;  // count in one byte
inline constexpr std::uint8_t kWideTuple = 1;    // count in four bytes
inline constexpr std::size_t kNarrowTupleCountMax = 255;

// The parameters of a request: values to be sent, or a tuple that was received and whose header is
// sound. Both kinds are read alike by ParameterReader. Cheap to copy; borrows.
class Parameters {
public:
    // No tuple in the message at all: how "no parameters" is usually sent.
    Parameters() = default;
    // Values to be sent, as a tuple even if there are none. Precondition: fewer than 2^32. A
    // UnixTime is not valid as a parameter: servers refuse the statement.
    explicit Parameters(std::span<const Value> values) : present_(true), sent_(values) {}

    // The tuple at the start of `bytes`, which are all that follows the fixed fields of a request.
    // Nothing if its header does not fit: then the connection has to be closed.
    static std::optional<Parameters> decode(ByteView bytes, std::uint8_t schema);

    bool absent() const { return !present_; }
    std::size_t count() const { return received_ ? codes_.size() : sent_.size(); }
    // The schema that the message must have to hold these parameters, at least `wanted`.
    std::uint8_t schema(std::uint8_t wanted) const {
        return count() > kNarrowTupleCountMax ? kWideTuple : wanted;
    }

    // Appends the tuple. Received values are passed on as they came, in a clean header.
    void encode(std::uint8_t schema, Bytes& out) const;

private:
    friend class ParameterReader;

    bool present_ = false;
    bool received_ = false;
    std::span<const Value> sent_;
    ByteView codes_;   // received: one type code per value
    ByteView values_;  // received: from the first value to the end of the message
};

// Reads the values of a tuple in order. After the first failure every further next() fails as well.
class ParameterReader {
public:
    ParameterReader() : ParameterReader(Parameters()) {}
    explicit ParameterReader(const Parameters& parameters)
        : parameters_(parameters), values_(parameters.values_) {}

    std::size_t count() const { return parameters_.count(); }
    std::size_t remaining() const { return count() - position_; }

    // The next value. An error if none remains, if its type code is not valid for a parameter, or
    // if the value is not entirely there.
    Result<Value> next();

private:
    Parameters parameters_;
    ByteReader values_;
    std::size_t position_ = 0;
};

// Reads one row tuple with row.size() columns. On failure the contents of `row` are meaningless.
Status read_row(ByteReader& in, std::span<Value> row);

// Appends row tuples to a buffer. Between open() and close() the buffer belongs to the writer: its
// size runs ahead of its contents.
//
//     writer.open(out);
//     writer.begin(2); writer.integer(7); writer.text("seven");
//     writer.close();
//
// A row has exactly as many columns as begin() was told; writing more ends the program, and so does
// beginning the next row or closing after fewer. cancel() takes the current row back.
class RowWriter {
public:
    void open(Bytes& out);
    void close();

    // Bytes in the buffer, those before open() included.
    std::size_t position() const { return used_; }

    void begin(std::size_t columns);
    void cancel();

    void integer(std::int64_t value) {
        word(ValueType::kInteger, static_cast<std::uint64_t>(value));
    }
    void real(double value) { word(ValueType::kFloat, std::bit_cast<std::uint64_t>(value)); }
    void text(std::string_view value) { padded_text(ValueType::kText, value); }
    void blob(ByteView value);
    void null() { word(ValueType::kNull, 0); }
    void unix_time(std::int64_t seconds) {
        word(ValueType::kUnixTime, static_cast<std::uint64_t>(seconds));
    }
    void iso8601(std::string_view value) { padded_text(ValueType::kIso8601, value); }
    void boolean(std::int64_t value) {
        word(ValueType::kBoolean, static_cast<std::uint64_t>(value));
    }
    void value(const Value& value);

private:
    void word(ValueType type, std::uint64_t bits) { store_little(column(type, kWordBytes), bits); }
    void padded_text(ValueType type, std::string_view value);

    // Notes the type of the next column and returns the place for its value.
    std::uint8_t* column(ValueType type, std::size_t size) {
        if (column_ == columns_) std::abort();
        std::uint8_t* const place = extend(size);
        std::uint8_t& codes = (*out_)[row_ + column_ / 2];
        const unsigned shift = column_ % 2 == 0 ? 0 : 4;
        codes = static_cast<std::uint8_t>(codes | static_cast<unsigned>(type) << shift);
        ++column_;
        return place;
    }
    std::uint8_t* extend(std::size_t size) {
        if (out_->size() - used_ < size) grow(size);
        used_ += size;
        return out_->data() + (used_ - size);
    }
    void grow(std::size_t size);

    Bytes* out_ = nullptr;
    std::size_t used_ = 0;
    std::size_t row_ = 0;  // where the current row begins
    std::size_t columns_ = 0;
    std::size_t column_ = 0;
};

}  // namespace quorlite::wire
