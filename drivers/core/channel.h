// Channel: one byte stream to one node. Requests become bytes, bytes become messages.
//
// Knows how much of what was asked the transport has taken: a request of which even one byte is
// left cannot have been executed, and that decides whether it may be tried again after a loss.
#pragma once

#include <cstdint>
#include <string>

#include "wire/client.h"

namespace quorlite::core {

// Numbers the channels of one connection; no number comes twice.
using ChannelId = std::uint32_t;

class Channel {
public:
    explicit Channel(std::string address);

    const std::string& address() const { return address_; }

    // The node sends NULL as NULL, whatever the column was declared as. dqlite, and Quorlite 0.1 as
    // far as a client can tell, send an empty time.
    bool tells_null = false;

    // Appends a request; what is returned tells sent() which. Fails if it is too long.
    Result<std::uint64_t> append(const wire::Request& request);
    bool sent(std::uint64_t mark) const { return sent_ >= mark; }

    ByteView output() const { return ByteView(out_).subspan(taken_); }
    void consumed(std::size_t bytes);

    wire::MessageReader& input() { return in_; }

private:
    std::string address_;
    Bytes out_;
    std::size_t taken_ = 0;    // of out_
    std::uint64_t asked_ = 0;  // bytes ever appended
    std::uint64_t sent_ = 0;   // bytes ever taken by the transport
    wire::MessageReader in_;
};

}  // namespace quorlite::core
