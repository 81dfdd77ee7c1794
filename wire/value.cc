#include "wire/value.h"

#include <algorithm>
#include <string>

namespace quorlite::wire {
namespace {

// The room that a row writer adds to a small buffer; a larger one doubles.
constexpr std::size_t kRowRoomBytesMin = 512;

std::string_view before_zero(std::string_view text) {
    return text.substr(0, text.find('\0'));
}

void put_word(Bytes& out, std::uint64_t word) {
    ByteWriter(out).u64(word);
}

// Appends `content` and zeros, `whole` bytes together.
void put_padded(Bytes& out, ByteView content, std::size_t whole) {
    out.insert(out.end(), content.begin(), content.end());
    out.resize(out.size() + (whole - content.size()));
}

// The size of a tuple's header: its count, one code per value, padding.
std::uint64_t tuple_header_bytes(std::uint8_t schema, std::uint64_t count) {
    const std::uint64_t count_bytes = schema == kNarrowTuple ? 1 : 4;
    return (count_bytes + count + kWordBytes - 1) / kWordBytes * kWordBytes;
}

// The next value, of a type that may be any number; nothing if there is no such type or too few
// bytes.
std::optional<Value> read_value(ByteReader& in, ValueType type) {
    std::optional<Value> value;
    switch (type) {
        case ValueType::kInteger:
            value = static_cast<std::int64_t>(in.u64());
            break;
        case ValueType::kFloat:
            value = std::bit_cast<double>(in.u64());
            break;
        case ValueType::kText:
            value = read_text(in);
            break;
        case ValueType::kBlob:
            value = read_blob(in);
            break;
        case ValueType::kNull:
            in.u64();
            value = Null();
            break;
        case ValueType::kUnixTime:
            value = UnixTime{static_cast<std::int64_t>(in.u64())};
            break;
        case ValueType::kIso8601:
            value = Iso8601{read_text(in)};
            break;
        case ValueType::kBoolean:
            value = Boolean{static_cast<std::int64_t>(in.u64())};
            break;
        default:
            break;
    }
    if (in.failed()) value.reset();
    return value;
}

void append_value(Bytes& out, const Value& value) {
    struct Appender {
        Bytes& out;
        void operator()(Null) const { put_word(out, 0); }
        void operator()(std::int64_t number) const {
            put_word(out, static_cast<std::uint64_t>(number));
        }
        void operator()(double number) const {
            put_word(out, std::bit_cast<std::uint64_t>(number));
        }
        void operator()(std::string_view text) const { append_text(out, text); }
        void operator()(ByteView blob) const { append_blob(out, blob); }
        void operator()(UnixTime time) const {
            put_word(out, static_cast<std::uint64_t>(time.seconds));
        }
        void operator()(Iso8601 time) const { append_text(out, time.text); }
        void operator()(Boolean boolean) const {
            put_word(out, static_cast<std::uint64_t>(boolean.number));
        }
    };
    std::visit(Appender{out}, value);
}

}  // namespace

std::size_t text_bytes(std::string_view text) {
    return padded(before_zero(text).size() + 1);
}

void append_text(Bytes& out, std::string_view text) {
    put_padded(out, as_bytes(before_zero(text)), text_bytes(text));
}

void append_blob(Bytes& out, ByteView blob) {
    put_word(out, blob.size());
    put_padded(out, blob, padded(blob.size()));
}

std::string_view read_text(ByteReader& in) {
    const std::string_view rest = as_text(in.rest());
    const std::size_t size = rest.find('\0');
    if (size == std::string_view::npos) {
        in.fail();
        return {};
    }
    const ByteView whole = in.take(padded(size + 1));
    return in.failed() ? std::string_view() : as_text(whole.first(size));
}

ByteView read_blob(ByteReader& in) {
    const std::uint64_t size = in.u64();
    // Compared before it is padded: a size near 2^64 would wrap around to an empty blob.
    if (in.failed() || size > in.remaining()) {
        in.fail();
        return {};
    }
    const auto fits = static_cast<std::size_t>(size);
    const ByteView whole = in.take(padded(fits));
    return in.failed() ? ByteView() : whole.first(fits);
}

ValueType type_of(const Value& value) {
    struct Typer {
        ValueType operator()(Null) const { return ValueType::kNull; }
        ValueType operator()(std::int64_t) const { return ValueType::kInteger; }
        ValueType operator()(double) const { return ValueType::kFloat; }
        ValueType operator()(std::string_view) const { return ValueType::kText; }
        ValueType operator()(ByteView) const { return ValueType::kBlob; }
        ValueType operator()(UnixTime) const { return ValueType::kUnixTime; }
        ValueType operator()(Iso8601) const { return ValueType::kIso8601; }
        ValueType operator()(Boolean) const { return ValueType::kBoolean; }
    };
    return std::visit(Typer(), value);
}

bool identical(const Value& left, const Value& right) {
    if (left.index() != right.index()) return false;
    return std::visit(
        [&right](const auto& mine) {
            using Kind = std::decay_t<decltype(mine)>;
            const Kind& other = *std::get_if<Kind>(&right);
            if constexpr (std::is_same_v<Kind, double>) {
                return std::bit_cast<std::uint64_t>(mine) == std::bit_cast<std::uint64_t>(other);
            } else if constexpr (std::is_same_v<Kind, ByteView>) {
                return std::ranges::equal(mine, other);
            } else {
                return mine == other;
            }
        },
        left);
}

std::optional<Parameters> Parameters::decode(ByteView bytes, std::uint8_t schema) {
    Parameters parameters;
    if (bytes.empty()) return parameters;
    ByteReader in(bytes);
    const std::uint32_t count = schema == kNarrowTuple ? in.u8() : in.u32();
    const ByteView codes = in.take(count);
    const std::uint64_t header = tuple_header_bytes(schema, count);
    if (in.failed() || header > bytes.size()) return std::nullopt;
    parameters.present_ = true;
    parameters.received_ = true;
    parameters.codes_ = codes;
    parameters.values_ = bytes.subspan(static_cast<std::size_t>(header));
    return parameters;
}

void Parameters::encode(std::uint8_t schema, Bytes& out) const {
    if (absent()) return;
    const std::size_t start = out.size();
    ByteWriter writer(out);
    if (schema == kNarrowTuple) {
        writer.u8(static_cast<std::uint8_t>(count()));
    } else {
        writer.u32(static_cast<std::uint32_t>(count()));
    }
    writer.bytes(codes_);
    for (const Value& value : sent_) writer.u8(static_cast<std::uint8_t>(type_of(value)));
    out.resize(start + static_cast<std::size_t>(tuple_header_bytes(schema, count())));
    writer.bytes(values_);
    for (const Value& value : sent_) append_value(out, value);
}

Result<Value> ParameterReader::next() {
    if (remaining() == 0) return Error{code::kParse, "no parameter left in the tuple"};
    const std::size_t position = position_;
    const auto type = parameters_.received_ ? static_cast<ValueType>(parameters_.codes_[position])
                                            : type_of(parameters_.sent_[position]);
    std::optional<Value> value;
    if (type != ValueType::kUnixTime) {
        value = parameters_.received_ ? read_value(values_, type) : parameters_.sent_[position];
    }
    if (!value.has_value()) {
        values_.fail();
        return Error{code::kParse, "parameter " + std::to_string(position + 1) + " of type " +
                                       std::to_string(static_cast<int>(type)) + " cannot be read"};
    }
    ++position_;
    return *value;
}

Status read_row(ByteReader& in, std::span<Value> row) {
    const ByteView codes = in.take(padded((row.size() + 1) / 2));
    for (std::size_t i = 0; i < row.size() && !in.failed(); ++i) {
        const int pair = codes[i / 2];
        const auto type = static_cast<ValueType>(i % 2 == 0 ? pair & 0x0f : pair >> 4);
        const std::optional<Value> value = read_value(in, type);
        if (!value.has_value()) {
            return Error{code::kProtocol, "column " + std::to_string(i + 1) + " of type " +
                                              std::to_string(static_cast<int>(type)) +
                                              " cannot be read"};
        }
        row[i] = *value;
    }
    if (in.failed()) return Error{code::kProtocol, "the types of a row are not all there"};
    return {};
}

void RowWriter::open(Bytes& out) {
    out_ = &out;
    used_ = out.size();
    row_ = used_;
    columns_ = 0;
    column_ = 0;
}

void RowWriter::close() {
    if (out_ == nullptr || column_ != columns_) std::abort();
    out_->resize(used_);
    out_ = nullptr;
}

void RowWriter::begin(std::size_t columns) {
    if (out_ == nullptr || column_ != columns_) std::abort();
    row_ = used_;
    columns_ = columns;
    column_ = 0;
    const std::size_t size = padded((columns + 1) / 2);
    if (size > 0) std::memset(extend(size), 0, size);
}

void RowWriter::cancel() {
    used_ = row_;
    columns_ = 0;
    column_ = 0;
}

void RowWriter::blob(ByteView value) {
    const std::size_t size = padded(value.size());
    std::uint8_t* const place = column(ValueType::kBlob, kWordBytes + size);
    store_little(place, std::uint64_t{value.size()});
    if (value.empty()) return;
    store_little(place + size, std::uint64_t{0});  // the last word, and so the padding
    std::memcpy(place + kWordBytes, value.data(), value.size());
}

void RowWriter::padded_text(ValueType type, std::string_view value) {
    const std::string_view sent = before_zero(value);
    const std::size_t size = padded(sent.size() + 1);
    std::uint8_t* const place = column(type, size);
    store_little(place + size - kWordBytes, std::uint64_t{0});  // the last word
    if (!sent.empty()) std::memcpy(place, sent.data(), sent.size());
}

void RowWriter::value(const Value& value) {
    struct Column {
        RowWriter& row;
        void operator()(Null) const { row.null(); }
        void operator()(std::int64_t number) const { row.integer(number); }
        void operator()(double number) const { row.real(number); }
        void operator()(std::string_view text) const { row.text(text); }
        void operator()(ByteView blob) const { row.blob(blob); }
        void operator()(UnixTime time) const { row.unix_time(time.seconds); }
        void operator()(Iso8601 time) const { row.iso8601(time.text); }
        void operator()(Boolean boolean) const { row.boolean(boolean.number); }
    };
    std::visit(Column{*this}, value);
}

void RowWriter::grow(std::size_t size) {
    const std::size_t needed = used_ + size;
    // What the buffer has anyway is taken first: in the steady state nothing is allocated.
    std::size_t room = std::max(needed, used_ + std::max(used_, kRowRoomBytesMin));
    if (needed <= out_->capacity()) room = std::min(room, out_->capacity());
    out_->resize(room);
}

}  // namespace quorlite::wire
