// What nodes say to each other, as bytes: raft's messages, the chunks of snapshots and single
// pages, in Cap'n Proto (schema: spec/peer.capnp).
//
// decode() takes anything: what does not decode, or could make this node work without bound, is
// refused.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "engine/raft/types.h"

namespace quorlite::replica {

struct ChunkRequest {
    Index snapshot;
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
};

struct Chunk {
    Index snapshot;
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    Bytes data;             // empty: the sender no longer has this snapshot
    Index consistent_from;  // pages may be as of this index, but not newer
};

struct PageRequest {
    std::string database;
    std::uint32_t page = 0;  // from 1
};

struct PageReply {
    std::string database;
    std::uint32_t page = 0;
    Index as_of;
    Bytes data;  // a page, or empty: the sender cannot help
};

struct PeerMessage {
    ClusterId cluster = {};  // none: not known to the sender yet
    NodeId from;
    NodeId to;
    std::string from_address;
    std::variant<raft::Message, ChunkRequest, Chunk, PageRequest, PageReply> body;
};

Bytes encode(const PeerMessage& message);
std::optional<PeerMessage> decode_peer_message(ByteView frame);

}  // namespace quorlite::replica
