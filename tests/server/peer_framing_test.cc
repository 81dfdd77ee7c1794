#include <gtest/gtest.h>

#include <random>

#include "tests/server/peer_properties.h"
#include "wire/client.h"
#include "wire/peer.h"

namespace quorlite::wire {
namespace {

void append_frame(ByteView payload, Bytes& out) {
    ByteWriter stream(out);
    stream.bytes(frame_header(payload));
    stream.bytes(payload);
    stream.zeros(frame_padding(payload.size()));
}

Bytes random_bytes(std::mt19937_64& random, std::size_t size) {
    Bytes bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

// Of segments with so many words each.
Bytes message(const std::vector<std::uint32_t>& segments) {
    Bytes bytes;
    ByteWriter out(bytes);
    out.u32(static_cast<std::uint32_t>(segments.size() - 1));
    std::size_t words = 0;
    for (const std::uint32_t segment : segments) {
        out.u32(segment);
        words += segment;
    }
    out.zeros(frame_padding(bytes.size()));
    bytes.resize(bytes.size() + 8 * words, 0x5a);
    return bytes;
}

Hello example() {
    Hello hello;
    hello.channel = 1;
    hello.id = NodeId(7);
    hello.address = "node-7.example:9001";
    hello.cluster = {.high = 0x0102030405060708, .low = 9};
    hello.incarnation = 0x1112131415161718;
    return hello;
}

TEST(PeerFraming, NoClientBeginsWithTheMagicWord) {
    EXPECT_NE(kPeerMagic, kProtocolVersion);
    EXPECT_NE(kPeerMagic, kLegacyProtocolVersion);
    Bytes opening;
    encode(example(), opening);
    EXPECT_EQ(as_text(ByteView(opening).first(8)), "quorlite");
    EXPECT_EQ(opening.size() % kPeerWordBytes, 0u);
}

TEST(PeerFraming, AHelloIsReadAsItWasWritten) {
    Bytes opening;
    encode(example(), opening);
    FrameReader reader(kHelloBytesMax);
    reader.feed(ByteView(opening).subspan(8));
    const auto frame = reader.next();
    ASSERT_TRUE(frame.ok() && frame->has_value());
    const auto hello = decode_hello(**frame);
    ASSERT_TRUE(hello.ok());
    EXPECT_EQ(*hello, example());
}

TEST(PeerFraming, AHelloThatIsNotAcceptableSaysWhy) {
    Bytes opening;
    Hello hello = example();
    hello.version = kPeerVersionMax + 1;
    encode(hello, opening);
    const ByteView payload = ByteView(opening).subspan(16);
    EXPECT_FALSE(decode_hello(payload).ok());
    EXPECT_FALSE(decode_hello(payload.first(17)).ok());
    opening.clear();
    hello = example();
    hello.id = NodeId();
    encode(hello, opening);
    EXPECT_FALSE(decode_hello(ByteView(opening).subspan(16)).ok());
}

// Version 0.1 ends its Hello behind the address.
TEST(PeerFraming, AHelloNeedNotSayOfWhichClusterItIs) {
    Bytes opening;
    encode(example(), opening);
    const std::size_t address_end = 18 + example().address.size();
    const ByteView payload = ByteView(opening).subspan(16);
    Hello expected = example();
    expected.cluster = {};
    expected.incarnation = 0;
    for (const std::size_t more : {0u, 8u, 23u}) {
        const auto hello = decode_hello(payload.first(address_end + more));
        ASSERT_TRUE(hello.ok());
        EXPECT_EQ(*hello, expected);
    }
    const std::uint8_t* const field = payload.data() + address_end;
    EXPECT_EQ(load_little<std::uint64_t>(field), 0x0102030405060708u);
    EXPECT_EQ(load_little<std::uint64_t>(field + 8), 9u);
    EXPECT_EQ(load_little<std::uint64_t>(field + 16), 0x1112131415161718u);
}

TEST(PeerFraming, WhatALaterVersionAddsIsIgnored) {
    Bytes opening;
    encode(example(), opening);
    Bytes payload(opening.begin() + 16, opening.end());
    payload.insert(payload.end(), 40, 0xab);
    const auto hello = decode_hello(payload);
    ASSERT_TRUE(hello.ok());
    EXPECT_EQ(*hello, example());
}

TEST(PeerFraming, AnAnnouncedLengthReservesNothing) {
    Bytes stream;
    ByteWriter(stream).u32(100u << 20);
    ByteWriter(stream).u32(0);
    FrameReader reader(160u << 20);
    reader.feed(stream);
    const auto frame = reader.next();
    ASSERT_TRUE(frame.ok());
    EXPECT_FALSE(frame->has_value());
    EXPECT_LT(reader.buffer_bytes(), 1u << 20);
}

TEST(PeerFraming, ALargeFrameDoesNotKeepItsMemory) {
    Bytes stream;
    append_frame(Bytes(8u << 20, 3), stream);
    for (const bool fed_again : {false, true}) {
        FrameReader reader(160u << 20);
        reader.feed(stream);
        EXPECT_EQ(reader.unread_bytes(), stream.size());
        ASSERT_TRUE(reader.next()->has_value());
        EXPECT_EQ(reader.unread_bytes(), 0u);
        EXPECT_GT(reader.buffer_bytes(), 8u << 20);
        if (fed_again) reader.feed(Bytes(1, 0));
        if (!fed_again) reader.rest();
        EXPECT_LT(reader.buffer_bytes(), 1u << 20);
    }
}

TEST(PeerFraming, AnyStreamInAnyPieces) {
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        std::mt19937_64 random(seed);
        Bytes stream;
        for (std::uint64_t count = random() % 12; count > 0; --count) {
            append_frame(random_bytes(random, random() % (random() % 8 ? 64 : 9000)), stream);
        }
        switch (random() % 4) {
            case 0:  // a flipped bit somewhere
                if (!stream.empty()) stream[random() % stream.size()] ^= 0x10;
                break;
            case 1:  // an end in the middle
                stream.resize(stream.size() - std::min<std::size_t>(stream.size(), random() % 99));
                break;
            default:
                break;
        }
        const auto kind = random() % 2 ? FrameKind::kMessage : FrameKind::kOpaque;
        ASSERT_EQ(check_frames(stream, kind, random() % 3 ? 16384 : 200, seed), "")
            << "seed " << seed;
    }
}

TEST(PeerFraming, AMessageSaysItselfHowLongItIs) {
    for (const auto& segments : {std::vector<std::uint32_t>{0}, {5}, {3, 0, 9}, {1, 2, 3, 4}}) {
        const Bytes whole = message(segments);
        for (std::size_t there = 0; there <= whole.size(); ++there) {
            EXPECT_TRUE(may_begin_message(ByteView(whole).first(there), whole.size())) << there;
        }
        const std::size_t table = 4 + 4 * segments.size();
        for (int bit = 0; bit < 32; ++bit) {
            const std::size_t flipped = whole.size() ^ (std::size_t{1} << bit);
            const std::size_t there = std::min({table, flipped, whole.size()});
            EXPECT_FALSE(may_begin_message(ByteView(whole).first(there), flipped)) << bit;
        }
    }
    EXPECT_TRUE(may_begin_message(message(std::vector<std::uint32_t>(512, 1)), 4104 + 2048));
    EXPECT_FALSE(may_begin_message(message(std::vector<std::uint32_t>(513, 1)), 4104 + 2056));
    EXPECT_FALSE(may_begin_message({}, 0));
}

// The frame behind the flipped one is what the reader would take for the rest of it.
TEST(PeerFraming, AFlippedBitInALengthIsSeenAtOnce) {
    Bytes sound;
    append_frame(message({7}), sound);
    for (int bit = 0; bit < 32; ++bit) {
        Bytes stream = sound;
        stream[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::uint8_t>(1 << bit % 8);
        FrameReader reader(64);
        reader.expect_messages(160u << 20);
        ASSERT_TRUE(reader.feed(stream));
        EXPECT_FALSE(reader.next().ok()) << bit;
    }
    FrameReader reader(64);
    reader.expect_messages(160u << 20);
    ASSERT_TRUE(reader.feed(sound));
    EXPECT_TRUE(reader.next()->has_value());
}

TEST(PeerFraming, AnyMessagesInAnyPieces) {
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        std::mt19937_64 random(seed);
        Bytes stream;
        for (std::uint64_t count = random() % 8; count > 0; --count) {
            std::vector<std::uint32_t> segments(1 + random() % 5);
            for (auto& words : segments) words = static_cast<std::uint32_t>(random() % 40);
            append_frame(message(segments), stream);
        }
        if (random() % 2 && !stream.empty()) stream[random() % stream.size()] ^= 0x10;
        ASSERT_EQ(check_frames(stream, FrameKind::kMessage, 16384, seed), "") << "seed " << seed;
    }
}

TEST(PeerFraming, AnyHello) {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        std::mt19937_64 random(seed);
        Bytes opening;
        encode(example(), opening);
        Bytes payload(opening.begin() + 16, opening.end());
        payload[random() % payload.size()] = static_cast<std::uint8_t>(random());
        payload.resize(random() % (payload.size() + 1));
        ASSERT_EQ(check_hello(payload), "") << "seed " << seed;
    }
}

}  // namespace
}  // namespace quorlite::wire
