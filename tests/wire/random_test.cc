// Hostile bytes: every prefix of every captured message, and captured messages with random damage.
// Only the properties of properties.h are asserted; run with sanitizers, this is where an overrun
// would show.
//
// QUORLITE_SEED=n runs the damage of one seed, as a failing test prints it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/wire/captures.h"
#include "tests/wire/properties.h"

namespace quorlite::wire {
namespace {

constexpr std::uint64_t kSeeds = 1000;
constexpr std::size_t kMessageBytesMax = 5000;  // larger captures repeat what smaller ones have

const std::vector<Capture>& messages() {
    static const std::vector<Capture> kept = [] {
        std::vector<Capture> captures = load_captures();
        std::erase_if(captures, [](const Capture& capture) {
            return !capture.is_message() || capture.bytes.size() < kHeaderBytes + kWordBytes ||
                   capture.bytes.size() > kMessageBytesMax;
        });
        return captures;
    }();
    return kept;
}

// Checks everything that a receiver of the message might make of it. The body is copied into a
// block of its own, so that a sanitizer sees a read beyond its end.
std::string check(Capture::Direction direction, const Header& header, ByteView body) {
    const Bytes block(body.begin(), body.end());
    if (direction == Capture::Direction::kToServer)
        return std::string(check_request(header, block));
    for (const bool legacy : {false, true}) {
        for (const auto format : {ServersFormat::kAddresses, ServersFormat::kRoles}) {
            const std::string_view problem =
                check_response(header, block, {.servers = format, .legacy = legacy});
            if (!problem.empty()) return std::string(problem);
        }
    }
    return {};
}

Header header_of(const Bytes& message) {
    return Header::parse(std::span(message).first<kHeaderBytes>());
}

// Nothing is announced in a message that an earlier prefix could satisfy: without its last word a
// message decodes only where the protocol says that something may be missing.
TEST(Truncation, EveryPrefixFailsCleanly) {
    std::size_t prefixes = 0;
    for (const Capture& capture : messages()) {
        const Header header = header_of(capture.bytes);
        const ByteView body = ByteView(capture.bytes).subspan(kHeaderBytes);
        for (std::size_t size = 0; size < body.size(); ++size) {
            const std::string problem = check(capture.direction, header, body.first(size));
            ASSERT_EQ(problem, std::string_view())
                << capture.title() << ", first " << size << " bytes";
            ++prefixes;
        }
    }
    EXPECT_GT(prefixes, 100'000u);
}

TEST(Truncation, ABatchOfRowsWithoutItsEndIsAnError) {
    for (const Capture& capture : messages()) {
        const Header header = header_of(capture.bytes);
        const bool rows = capture.direction == Capture::Direction::kToClient &&
                          header.type == static_cast<std::uint8_t>(ResponseType::kRows);
        if (!rows) continue;
        const ByteView body = ByteView(capture.bytes).subspan(kHeaderBytes);
        for (std::size_t size = 0; size < body.size(); ++size) {
            Result<RowsReader> reader = RowsReader::open(body.first(size));
            std::vector<Value> row;
            bool ended = !reader.ok();
            while (!ended) {
                const auto step = reader->next(row);
                ended = !step.ok();
                ASSERT_TRUE(ended || *step == RowsReader::Step::kRow) << capture.title();
            }
        }
    }
}

TEST(Truncation, AMessageCutShortNeverComesOut) {
    for (const Capture& capture : messages()) {
        if (header_of(capture.bytes).body_bytes() != capture.bytes.size() - kHeaderBytes) continue;
        MessageReader reader(kBodyBytesMax);
        for (const std::uint8_t& byte : capture.bytes) {
            const auto early = reader.next();
            ASSERT_TRUE(early.ok() && !early->has_value()) << capture.title();
            reader.feed(ByteView(&byte, 1));
        }
        const auto whole = reader.next();
        ASSERT_TRUE(whole.ok() && whole->has_value()) << capture.title();
    }
}

// Flips bits, overwrites bytes and words with telling values, cuts, repeats and moves words.
void damage(Bytes& message, std::mt19937_64& random) {
    static constexpr std::uint64_t kTelling[] = {0,
                                                 1,
                                                 0xff,
                                                 ~0ull,
                                                 ~0ull - 6,
                                                 1ull << 63,
                                                 0x7fffffff,
                                                 0xffffffff,
                                                 kRowsDoneMarker,
                                                 kRowsPartMarker,
                                                 0x0b0a050403020107};
    const auto below = [&random](std::size_t bound) { return random() % bound; };
    for (std::size_t strokes = 1 + below(4); strokes > 0; --strokes) {
        const std::size_t at = below(message.size());
        const std::size_t word = at / kWordBytes * kWordBytes;
        const bool whole_word = word + kWordBytes <= message.size();
        switch (below(6)) {
            case 0:
                message[at] = static_cast<std::uint8_t>(message[at] ^ (1u << below(8)));
                break;
            case 1:
                message[at] = static_cast<std::uint8_t>(random());
                break;
            case 2:
                if (whole_word) store_little(&message[word], kTelling[below(std::size(kTelling))]);
                break;
            case 3:
                message.resize(std::max<std::size_t>(at, kHeaderBytes + 1));
                break;
            case 4:
                message.insert(message.begin() + static_cast<std::ptrdiff_t>(word), kWordBytes,
                               static_cast<std::uint8_t>(random()));
                break;
            default:
                message[at] = static_cast<std::uint8_t>(random() % 16);
                break;
        }
    }
}

std::vector<std::uint64_t> seeds() {
    if (const char* chosen = std::getenv("QUORLITE_SEED"))
        return {std::strtoull(chosen, nullptr, 10)};
    std::vector<std::uint64_t> all(kSeeds);
    for (std::uint64_t i = 0; i < kSeeds; ++i) all[i] = i;
    return all;
}

std::string rerun(const char* test, std::uint64_t seed) {
    return "QUORLITE_SEED=" + std::to_string(seed) + " wire_random_test --gtest_filter=" + test;
}

TEST(Damage, DamagedMessagesKeepTheProperties) {
    for (const std::uint64_t seed : seeds()) {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 100; ++i) {
            const Capture& capture = messages()[random() % messages().size()];
            Bytes message = capture.bytes;
            damage(message, random);
            // Sometimes as a message of the other direction, whose types and layouts differ.
            const auto direction =
                random() % 8 == 0 ? Capture::Direction::kToClient : capture.direction;
            const Header header = header_of(message);
            const ByteView body = ByteView(message).subspan(kHeaderBytes);
            const std::string problem = check(direction, header, body);
            ASSERT_EQ(problem, std::string_view())
                << rerun("Damage.DamagedMessagesKeepTheProperties", seed);
        }
    }
}

TEST(Damage, DamagedTuplesKeepTheProperties) {
    for (const std::uint64_t seed : seeds()) {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 100; ++i) {
            const Value pool[] = {std::int64_t{-1},
                                  0.5,
                                  std::string_view("some text"),
                                  ByteView(as_bytes("blob")),
                                  Null(),
                                  Iso8601{"2024"},
                                  Boolean{1}};
            std::vector<Value> values;
            for (std::size_t k = random() % 20; k > 0; --k) {
                values.push_back(pool[random() % std::size(pool)]);
            }
            const auto schema = static_cast<std::uint8_t>(random() % 2);
            Bytes tuple;
            Parameters(values).encode(schema, tuple);
            if (random() % 4 != 0) damage(tuple, random);
            const std::string_view problem = check_parameters(tuple, schema);
            ASSERT_EQ(problem, std::string_view())
                << rerun("Damage.DamagedTuplesKeepTheProperties", seed);
        }
    }
}

TEST(Damage, DamagedStreamsAreCutLikeAStraightforwardLoopDoes) {
    for (const std::uint64_t seed : seeds()) {
        std::mt19937_64 random(seed);
        Bytes stream;
        for (int i = 0; i < 40; ++i) {
            const Bytes& message = messages()[random() % messages().size()].bytes;
            stream.insert(stream.end(), message.begin(), message.end());
        }
        if (random() % 2 == 0) damage(stream, random);
        const std::string_view problem = check_stream(stream, seed);
        ASSERT_EQ(problem, std::string_view())
            << rerun("Damage.DamagedStreamsAreCutLikeAStraightforwardLoopDoes", seed);
    }
}

TEST(Damage, DumpsReadAlikeWholeAndInPieces) {
    for (const std::uint64_t seed : seeds()) {
        std::mt19937_64 random(seed);
        const std::string name(random() % 40, 'n');
        const std::size_t size = random() % 20 * kWordBytes;
        const Bytes content(size, static_cast<std::uint8_t>(random()));
        Bytes message;
        encode(FilesResponse{{{name, content}, {"", {}}, {"b-wal", content}}}, message);
        Bytes body(message.begin() + kHeaderBytes, message.end());
        if (random() % 2 == 0) damage(body, random);
        for (const std::size_t piece : {1u, 3u, 8u, 64u, 4096u}) {
            const std::string_view problem = check_files(body, piece);
            ASSERT_EQ(problem, std::string_view())
                << rerun("Damage.DumpsReadAlikeWholeAndInPieces", seed);
        }
    }
}

}  // namespace
}  // namespace quorlite::wire
