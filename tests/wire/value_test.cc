#include "wire/value.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

namespace quorlite::wire {
namespace {

const Bytes kBlob = {0, 1, 2};

std::vector<Value> one_of_each_parameter() {
    return {std::int64_t{-5},      2.5,       std::string_view("text"), ByteView(kBlob), Null(),
            Iso8601{"2024-01-02"}, Boolean{1}};
}

std::vector<Value> read_all(const Parameters& parameters) {
    std::vector<Value> values;
    ParameterReader reader(parameters);
    while (reader.remaining() > 0) {
        const Result<Value> value = reader.next();
        if (!value.ok()) return values;
        values.push_back(*value);
    }
    return values;
}

Bytes encoded(std::span<const Value> values, std::uint8_t schema) {
    Bytes out;
    Parameters(values).encode(schema, out);
    return out;
}

void expect_identical(std::span<const Value> left, std::span<const Value> right) {
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) EXPECT_TRUE(identical(left[i], right[i])) << i;
}

TEST(Text, IsTerminatedAndPaddedToWords) {
    for (std::size_t size = 0; size < 20; ++size) {
        const std::string text(size, 'x');
        Bytes out;
        append_text(out, text);
        EXPECT_EQ(out.size(), (size / 8 + 1) * 8);
        EXPECT_EQ(out.size(), text_bytes(text));
        for (std::size_t i = size; i < out.size(); ++i) EXPECT_EQ(out[i], 0);
        ByteReader in(out);
        EXPECT_EQ(read_text(in), text);
        EXPECT_EQ(in.remaining(), 0u);
    }
}

TEST(Text, IsCutAtAZeroByte) {
    using namespace std::string_view_literals;
    Bytes out;
    append_text(out, "ab\0cd"sv);
    EXPECT_EQ(out, (Bytes{'a', 'b', 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(text_bytes("ab\0cdefghijk"sv), 8u);
}

TEST(Text, NeedsItsZeroByteInsideTheInputAndItsPaddingToo) {
    ByteReader unterminated(as_bytes("ABCDEFGH"));
    EXPECT_EQ(read_text(unterminated), "");
    EXPECT_TRUE(unterminated.failed());
    ByteReader unpadded(as_bytes(std::string_view("AB\0D", 4)));
    EXPECT_EQ(read_text(unpadded), "");
    EXPECT_TRUE(unpadded.failed());
}

TEST(Text, PaddingIsNotLookedAt) {
    ByteReader in(as_bytes(std::string_view("AB\0dirty", 8)));
    EXPECT_EQ(read_text(in), "AB");
    EXPECT_FALSE(in.failed());
}

TEST(Blob, RoundTripsAtEverySize) {
    for (std::size_t size = 0; size < 20; ++size) {
        const Bytes blob(size, 0xee);
        Bytes out;
        append_blob(out, blob);
        EXPECT_EQ(out.size(), 8 + padded(size));
        ByteReader in(out);
        const ByteView read = read_blob(in);
        EXPECT_EQ(Bytes(read.begin(), read.end()), blob);
        EXPECT_EQ(in.remaining(), 0u);
    }
}

// The real server takes 2^64-1 .. 2^64-7 as an empty blob, because it pads before it compares.
TEST(Blob, LengthIsComparedBeforeItIsPadded) {
    for (const std::uint64_t size : {~0ull, ~0ull - 6, ~0ull - 7, 1ull << 63, 9ull}) {
        Bytes out;
        ByteWriter(out).u64(size);
        ByteWriter(out).u64(0);
        ByteReader in(out);
        EXPECT_TRUE(read_blob(in).empty());
        EXPECT_TRUE(in.failed()) << size;
    }
}

TEST(Value, IdenticalLooksAtTypesAndBits) {
    EXPECT_TRUE(identical(std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::quiet_NaN()));
    EXPECT_FALSE(identical(0.0, -0.0));
    EXPECT_FALSE(identical(std::int64_t{1}, Boolean{1}));
    EXPECT_FALSE(identical(std::string_view("a"), Iso8601{"a"}));
    EXPECT_TRUE(identical(ByteView(kBlob), ByteView(Bytes(kBlob))));
    EXPECT_TRUE(Boolean{7}.truth());
}

TEST(Parameters, NarrowTupleLayout) {
    const std::array<Value, 1> one = {std::int64_t{7}};
    EXPECT_EQ(encoded(one, kNarrowTuple), (Bytes{1, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0}));
    const std::vector<Value> seven(7, Value(Null()));
    EXPECT_EQ(encoded(seven, kNarrowTuple).size(), 8u + 7 * 8);
    const std::vector<Value> eight(8, Value(Null()));
    EXPECT_EQ(encoded(eight, kNarrowTuple).size(), 16u + 8 * 8);
}

TEST(Parameters, WideTupleLayout) {
    const std::array<Value, 1> one = {Boolean{1}};
    EXPECT_EQ(encoded(one, kWideTuple), (Bytes{1, 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}));
    const std::vector<Value> four(4, Value(Null()));
    EXPECT_EQ(encoded(four, kWideTuple).size(), 8u + 4 * 8);
    const std::vector<Value> five(5, Value(Null()));
    EXPECT_EQ(encoded(five, kWideTuple).size(), 16u + 5 * 8);
}

TEST(Parameters, RoundTripInBothSchemas) {
    const std::vector<Value> sent = one_of_each_parameter();
    for (const std::uint8_t schema : {kNarrowTuple, kWideTuple}) {
        const Bytes tuple = encoded(sent, schema);
        const auto received = Parameters::decode(tuple, schema);
        ASSERT_TRUE(received.has_value());
        EXPECT_FALSE(received->absent());
        EXPECT_EQ(received->count(), sent.size());
        expect_identical(read_all(*received), sent);
    }
}

TEST(Parameters, ValuesToBeSentReadLikeReceivedOnes) {
    const std::vector<Value> sent = one_of_each_parameter();
    expect_identical(read_all(Parameters(sent)), sent);
}

TEST(Parameters, AbsentAndEmptyTuplesBothHaveNoValues) {
    const auto absent = Parameters::decode({}, kNarrowTuple);
    ASSERT_TRUE(absent.has_value());
    EXPECT_TRUE(absent->absent());
    const Bytes zero(8, 0);
    for (const std::uint8_t schema : {kNarrowTuple, kWideTuple}) {
        const auto empty = Parameters::decode(zero, schema);
        ASSERT_TRUE(empty.has_value());
        EXPECT_FALSE(empty->absent());
        EXPECT_EQ(empty->count(), 0u);
        EXPECT_EQ(encoded({}, schema), zero);
    }
    Bytes none;
    Parameters().encode(kNarrowTuple, none);
    EXPECT_TRUE(none.empty());
    EXPECT_FALSE(ParameterReader().next().ok());
}

TEST(Parameters, MoreThan255ValuesNeedTheWideTuple) {
    const std::vector<Value> many(256, Value(std::int64_t{3}));
    EXPECT_EQ(Parameters(many).schema(kNarrowTuple), kWideTuple);
    EXPECT_EQ(Parameters(std::span(many).first(255)).schema(kNarrowTuple), kNarrowTuple);
    EXPECT_EQ(Parameters().schema(kWideTuple), kWideTuple);
    const Bytes tuple = encoded(many, kWideTuple);
    const auto received = Parameters::decode(tuple, kWideTuple);
    ASSERT_TRUE(received.has_value());
    expect_identical(read_all(*received), many);
}

TEST(Parameters, AHeaderLongerThanTheBodyIsRefused) {
    const Bytes narrow = {255, 1, 1, 1, 1, 1, 1, 1};
    EXPECT_FALSE(Parameters::decode(narrow, kNarrowTuple).has_value());
    const Bytes one_too_many = {8, 1, 1, 1, 1, 1, 1, 1};
    EXPECT_FALSE(Parameters::decode(one_too_many, kNarrowTuple).has_value());
    const Bytes wide = {0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1};
    EXPECT_FALSE(Parameters::decode(wide, kWideTuple).has_value());
    const Bytes padding_missing = {5, 0, 0, 0, 1, 1, 1, 1, 1};
    EXPECT_FALSE(Parameters::decode(padding_missing, kWideTuple).has_value());
}

TEST(Parameters, ABadValueFailsAloneAndTheReaderStaysFailed) {
    for (int type = 0; type < 256; ++type) {
        const bool valid = (type >= 1 && type <= 5) || type == 10 || type == 11;
        Bytes tuple = {2, 1, static_cast<std::uint8_t>(type), 0, 0, 0, 0, 0};
        tuple.resize(24);
        const auto received = Parameters::decode(tuple, kNarrowTuple);
        ASSERT_TRUE(received.has_value());
        ParameterReader reader(*received);
        EXPECT_TRUE(reader.next().ok());
        EXPECT_EQ(reader.next().ok(), valid) << type;
        EXPECT_EQ(reader.remaining(), valid ? 0u : 1u);
        EXPECT_FALSE(reader.next().ok());
    }
}

TEST(Parameters, AMissingValueFails) {
    const Bytes tuple = {5, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    const auto received = Parameters::decode(tuple, kNarrowTuple);
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(read_all(*received).size(), 1u);
}

TEST(Parameters, AUnixTimeIsNotAParameter) {
    const std::array<Value, 1> sent = {UnixTime{5}};
    const Bytes tuple = encoded(sent, kNarrowTuple);
    EXPECT_TRUE(read_all(*Parameters::decode(tuple, kNarrowTuple)).empty());
    EXPECT_TRUE(read_all(Parameters(sent)).empty());
}

TEST(Parameters, PassingOnAReceivedTupleCleansItsHeader) {
    Bytes tuple = {1, 1, 'j', 'u', 'n', 'k', 0, 9, 7, 0, 0, 0, 0, 0, 0, 0};
    const auto received = Parameters::decode(tuple, kNarrowTuple);
    ASSERT_TRUE(received.has_value());
    Bytes passed;
    received->encode(kNarrowTuple, passed);
    EXPECT_EQ(passed, (Bytes{1, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0}));
}

void append_one_of_each(RowWriter& row) {
    row.integer(-1);
    row.real(0.5);
    row.text("eight ch");
    row.blob(kBlob);
    row.null();
    row.unix_time(1704164645);
    row.iso8601("");
    row.boolean(7);
}

TEST(Row, RoundTripsEveryType) {
    Bytes out = {1, 2, 3, 4, 5, 6, 7, 8};
    RowWriter writer;
    writer.open(out);
    writer.begin(8);
    append_one_of_each(writer);
    writer.begin(8);
    append_one_of_each(writer);
    writer.close();
    ByteReader in(ByteView(out).subspan(8));
    const std::vector<Value> expected = {std::int64_t{-1}, 0.5,       std::string_view("eight ch"),
                                         ByteView(kBlob),  Null(),    UnixTime{1704164645},
                                         Iso8601{""},      Boolean{7}};
    std::vector<Value> row(8);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(read_row(in, row).ok());
        expect_identical(row, expected);
    }
    EXPECT_EQ(in.remaining(), 0u);
}

TEST(Row, HeaderHasOneWordPerSixteenColumns) {
    for (std::size_t columns = 1; columns <= 70; ++columns) {
        Bytes out;
        RowWriter writer;
        writer.open(out);
        writer.begin(columns);
        for (std::size_t i = 0; i < columns; ++i) writer.integer(static_cast<std::int64_t>(i));
        writer.close();
        EXPECT_EQ(out.size(), (columns + 15) / 16 * 8 + columns * 8);
        ByteReader in(out);
        std::vector<Value> row(columns);
        ASSERT_TRUE(read_row(in, row).ok());
        EXPECT_EQ(std::get<std::int64_t>(row.back()), static_cast<std::int64_t>(columns - 1));
    }
}

// Old contents of a reused buffer must not show through in nibbles or padding (section 8.1).
TEST(Row, PaddingIsZeroEvenInAReusedBuffer) {
    Bytes out(4096, 0xff);
    for (int again = 0; again < 2; ++again) {
        out.clear();
        RowWriter writer;
        writer.open(out);
        writer.begin(3);
        writer.text("a long text full of letters, to be taken back");
        writer.blob(Bytes(100, 0xff));
        writer.cancel();
        writer.begin(3);
        writer.text("abc");
        writer.blob(kBlob);
        writer.text("");
        writer.close();
        EXPECT_EQ(out,
                  (Bytes{0x43, 3, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0, 3, 0, 0, 0,
                         0,    0, 0, 0, 0, 1, 2, 0, 0,   0,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0}));
    }
}

TEST(Row, SteadyStateDoesNotAllocate) {
    Bytes out;
    std::vector<const std::uint8_t*> places;
    for (int batch = 0; batch < 4; ++batch) {
        out.clear();
        RowWriter writer;
        writer.open(out);
        for (int i = 0; i < 1000; ++i) {
            writer.begin(8);
            append_one_of_each(writer);
        }
        writer.close();
        places.push_back(out.data());
    }
    EXPECT_EQ(places, std::vector(4, places.front()));
}

TEST(Row, BadTypesAndMissingValuesAreErrors) {
    for (const int type : {0, 6, 7, 8, 12, 13, 14, 15}) {
        Bytes in(16, 0);
        in[0] = static_cast<std::uint8_t>(type);
        ByteReader reader(in);
        std::vector<Value> row(1);
        EXPECT_FALSE(read_row(reader, row).ok()) << type;
    }
    const Bytes header_only = {1, 0, 0, 0, 0, 0, 0, 0};
    std::vector<Value> row(1);
    ByteReader reader(header_only);
    EXPECT_FALSE(read_row(reader, row).ok());
    std::vector<Value> wide(17);
    ByteReader too_short(header_only);
    EXPECT_FALSE(read_row(too_short, wide).ok());
}

TEST(RowDeathTest, AWrongNumberOfColumnsEndsTheProgram) {
    Bytes out;
    RowWriter writer;
    writer.open(out);
    writer.begin(1);
    EXPECT_DEATH(writer.close(), "");
    writer.null();
    EXPECT_DEATH(writer.null(), "");
    writer.close();
}

}  // namespace
}  // namespace quorlite::wire
