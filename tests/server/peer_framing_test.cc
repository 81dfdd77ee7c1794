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
    for (const std::size_t more : {0, 8, 23}) {
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
    FrameReader reader(160u << 20);
    reader.feed(stream);
    ASSERT_TRUE(reader.next()->has_value());
    EXPECT_GT(reader.buffer_bytes(), 8u << 20);
    reader.feed(Bytes(1, 0));
    EXPECT_LT(reader.buffer_bytes(), 1u << 20);
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
        ASSERT_EQ(check_frames(stream, random() % 3 ? 16384 : 200, seed), "") << "seed " << seed;
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
