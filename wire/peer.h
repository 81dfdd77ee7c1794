// Peer framing: how one node's frames reach another.
//
// A connection carries frames one way, from the node that opened it. It begins with a magic word,
// which no client sends, so that one listening port serves clients and peers; the first frame is
// the Hello, which says who speaks; all others are opaque here. spec/peer-protocol.md has the
// layout.
//
//   encode(hello)          magic word and Hello: the opening bytes
//   frame_header(payload)  what goes before a payload
//   FrameReader            bytes as they arrive -> payloads
//   decode_hello(payload)  the first payload
//
// A payload lies at an address divisible by 8, as Cap'n Proto wants it. The reader grows its buffer
// only as bytes really arrive, whatever a header announces, and shrinks again after a large frame.
// A frame's length is under no checksum, but the message in it begins by saying how long it is: the
// two must agree as soon as both are there, or one flipped bit would make a reader wait for bytes
// that nobody sends. No input can make it read or write outside its buffer. There is no I/O here,
// and there are no exceptions.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "wire/base/bytes.h"
#include "wire/base/ids.h"
#include "wire/base/result.h"

namespace quorlite::wire {

// "quorlite" in ASCII, read as a little-endian word.
inline constexpr std::uint64_t kPeerMagic = 0x6574696c726f7571;

// What this build understands. Frames are sent in the highest version that both ends do.
inline constexpr std::uint16_t kPeerVersionMin = 1;
inline constexpr std::uint16_t kPeerVersionMax = 1;

inline constexpr std::size_t kPeerWordBytes = 8;
inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::size_t kHelloBytesMax = 1024;
inline constexpr std::size_t kPeerAddressBytesMax = 512;

struct Hello {
    std::uint16_t version = kPeerVersionMax;      // of the frames that follow
    std::uint16_t version_min = kPeerVersionMin;  // what the sender understands
    std::uint16_t version_max = kPeerVersionMax;
    std::uint8_t channel = 0;
    NodeId id;            // of the sender
    std::string address;  // where the sender is reached
    // Version 0.1 says nothing of these.
    ClusterId cluster;              // which the sender belongs to; zero: it does not know yet
    std::uint64_t incarnation = 0;  // drawn by each process of a node at its start; 0: not said
    friend bool operator==(const Hello&, const Hello&) = default;
};

// The bytes that open a connection, appended to `out`.
// Precondition: the address is at most kPeerAddressBytesMax long.
void encode(const Hello& hello, Bytes& out);

// An error says why the connection must be closed: malformed, id 0, or a version unknown to this
// build.
Result<Hello> decode_hello(ByteView payload);

// What goes before a payload, and how many zero bytes go after it.
// Precondition: the payload is shorter than 4 GiB.
std::array<std::uint8_t, kFrameHeaderBytes> frame_header(ByteView payload);
constexpr std::size_t frame_padding(std::size_t payload_bytes) {
    return (kPeerWordBytes - payload_bytes % kPeerWordBytes) % kPeerWordBytes;
}

// Whether the first bytes of a payload, as many as there are, can begin a Cap'n Proto message that
// takes all of `payload_bytes`.
bool may_begin_message(ByteView beginning, std::size_t payload_bytes);

// Cuts the bytes after the magic word into payloads.
//
// After an error the stream is lost: every later call returns it too.
class FrameReader {
public:
    // A frame whose payload is longer than `payload_bytes_max` is an error.
    explicit FrameReader(std::size_t payload_bytes_max) : payload_bytes_max_(payload_bytes_max) {}

    // Room for bytes from a socket; commit() says how many of them were filled, from the front. The
    // room is valid until any other call. It is empty only if the system has no memory.
    std::span<std::uint8_t> prepare();
    void commit(std::size_t count);
    // False: there is no memory for them.
    bool feed(ByteView bytes);

    // The next payload; nothing until all of it is there. It is valid until the following call of
    // next(), prepare() or feed().
    Result<std::optional<ByteView>> next();

    // From the next frame on a payload is a Cap'n Proto message, of at most so many bytes.
    void expect_messages(std::size_t payload_bytes_max);
    // Gives memory back that a large frame took. No payload is valid afterwards.
    void rest();

    std::size_t buffer_bytes() const { return capacity_; }
    // Of what was fed, what no payload has been made of yet.
    std::size_t unread_bytes() const { return end_ - begin_; }

private:
    struct Free {
        void operator()(std::uint8_t* memory) const { std::free(memory); }
    };

    bool reserve(std::size_t capacity);
    Error broken(const char* what);

    std::size_t payload_bytes_max_;
    bool messages_ = false;
    // Not a vector: what is reserved and not yet filled costs no memory, and growing copies nothing
    // where the system can move pages.
    std::unique_ptr<std::uint8_t[], Free> buffer_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;  // [begin_, end_) is unread; a multiple of 8
    std::size_t end_ = 0;
    std::optional<Error> broken_;
};

}  // namespace quorlite::wire
