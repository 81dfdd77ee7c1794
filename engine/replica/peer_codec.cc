#include "engine/replica/peer_codec.h"

#include <kj/string.h>

// Cap'n Proto 0.9 leaves these out in C++20, counting on rewritten operators; Clang, which follows
// P2468, does not rewrite here. Its own headers need them.
namespace kj {
inline bool operator==(const char* a, const StringPtr& b) {
    return b == StringPtr(a);
}
inline bool operator!=(const char* a, const StringPtr& b) {
    return !(b == StringPtr(a));
}
}  // namespace kj

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <peer.capnp.h>

#include <algorithm>
#include <initializer_list>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/database/database.h"

namespace quorlite::replica {
namespace {

constexpr std::uint16_t kVersion = 1;
constexpr std::uint64_t kPromiseMaxUs = 3'600'000'000;  // no election timeout is as long

template <class... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};

capnp::Data::Reader blob(ByteView bytes) {
    return kj::arrayPtr(bytes.data(), bytes.size());
}

SharedBytes shared(capnp::Data::Reader reader) {
    return std::make_shared<const Bytes>(reader.begin(), reader.end());
}

void write(schema::LogHash::Builder to, const raft::LogHash& from) {
    to.setOrigin(from.origin.value());
    to.setIndex(from.index.value());
    to.setValue(from.value);
}

raft::LogHash read(schema::LogHash::Reader from) {
    return {Index(from.getOrigin()), Index(from.getIndex()), from.getValue()};
}

void write(schema::AppendRequest::Builder to, const raft::AppendRequest& from) {
    to.setTerm(from.term.value());
    to.setPreviousIndex(from.previous_index.value());
    to.setPreviousTerm(from.previous_term.value());
    to.setCommit(from.commit.value());
    to.setRound(from.round);
    auto entries = to.initEntries(static_cast<unsigned>(from.entries.size()));
    for (unsigned i = 0; i < entries.size(); ++i) {
        const raft::Entry& entry = from.entries[i];
        entries[i].setTerm(entry.term.value());
        entries[i].setKind(static_cast<std::uint8_t>(entry.kind));
        entries[i].setPayload(blob(*entry.payload));
    }
    to.setLastIndex(from.last_index.value());
    to.setToVoter(from.to_voter);
    to.setTrusted(from.trusted);
    to.setAgreed(from.agreed.value());
    if (from.hash) write(to.initHash(), *from.hash);
    if (from.receipts.empty()) return;
    auto receipts = to.initReceipts(static_cast<unsigned>(from.receipts.size()));
    for (unsigned i = 0; i < receipts.size(); ++i) {
        receipts[i].setVoter(from.receipts[i].voter.value());
        receipts[i].setIndex(from.receipts[i].upto.index.value());
        receipts[i].setTerm(from.receipts[i].upto.term.value());
    }
}

std::uint64_t microseconds(Duration duration) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

Duration promise_of(std::uint64_t microseconds) {
    return std::chrono::microseconds(std::min<std::uint64_t>(microseconds, kPromiseMaxUs));
}

void write(schema::Message::Builder to, const raft::Message& message) {
    std::visit(
        Overloaded{
            [&](const raft::VoteRequest& from) {
                auto out = to.initVoteRequest();
                out.setTerm(from.term.value());
                out.setLastIndex(from.last_index.value());
                out.setLastTerm(from.last_term.value());
                out.setPreVote(from.pre_vote);
                out.setTransfer(from.transfer);
            },
            [&](const raft::VoteReply& from) {
                auto out = to.initVoteReply();
                out.setTerm(from.term.value());
                out.setPreVote(from.pre_vote);
                out.setGranted(from.granted);
                if (!from.log_end) return;
                out.setLastIndex(from.log_end->index.value());
                out.setLastTerm(from.log_end->term.value());
            },
            [&](const raft::AppendRequest& from) { write(to.initAppendRequest(), from); },
            [&](const raft::AppendReply& from) {
                auto out = to.initAppendReply();
                out.setTerm(from.term.value());
                out.setRound(from.round);
                out.setSuccess(from.success);
                out.setMatch(from.match.value());
                out.setApplied(from.applied.value());
                out.setPromise(microseconds(from.promise));
                out.setFull(from.full);
                out.setForgot(from.forgot);
                out.setAgrees(from.agrees.value());
            },
            [&](const raft::SnapshotRequest& from) {
                auto out = to.initSnapshotRequest();
                out.setTerm(from.term.value());
                out.setRound(from.round);
                out.setIndex(from.point.index.value());
                out.setIndexTerm(from.point.term.value());
                out.setConfiguration(blob(raft::encode(from.point.configuration)));
                out.setManifest(blob(*from.manifest));
                out.setLastIndex(from.last_index.value());
                out.setToVoter(from.to_voter);
                if (from.point.hash) write(out.initHash(), *from.point.hash);
            },
            [&](const raft::SnapshotReply& from) {
                auto out = to.initSnapshotReply();
                out.setTerm(from.term.value());
                out.setRound(from.round);
                out.setIndex(from.index.value());
                out.setInstalled(from.installed);
                out.setPromise(microseconds(from.promise));
                out.setForgot(from.forgot);
            },
            [&](const raft::TimeoutNow& from) { to.initTimeoutNow().setTerm(from.term.value()); },
        },
        message);
}

// No index is beyond what any log reaches, so that raft may reckon with them.
bool in_bounds(std::initializer_list<std::uint64_t> indices) {
    return std::ranges::all_of(indices, [](std::uint64_t each) { return each <= raft::kIndexMax; });
}

bool is_possible(const raft::LogHash& hash) {
    return hash.origin <= hash.index && in_bounds({hash.index.value()});
}

// Entries come with their terms; an unknown kind or a term that goes back is refused here, so that
// raft sees only well-formed logs.
std::optional<raft::AppendRequest> read(schema::AppendRequest::Reader from) {
    raft::AppendRequest to{.term = Term(from.getTerm()),
                           .previous_index = Index(from.getPreviousIndex()),
                           .previous_term = Term(from.getPreviousTerm()),
                           .commit = Index(from.getCommit()),
                           .round = from.getRound(),
                           .entries = {},
                           .last_index = Index(from.getLastIndex()),
                           .trusted = from.getTrusted(),
                           .to_voter = from.getToVoter()};
    if (!in_bounds(
            {from.getPreviousIndex(), from.getCommit(), from.getLastIndex(), from.getAgreed()}))
        return {};
    to.agreed = Index(from.getAgreed());
    if (from.hasHash()) to.hash = read(from.getHash());
    if (to.hash && !is_possible(*to.hash)) return {};
    auto receipts = from.getReceipts();
    if (receipts.size() > limits::kServersMax) return {};
    for (auto receipt : receipts) {
        if (!in_bounds({receipt.getIndex()})) return {};
        to.receipts.push_back(
            {NodeId(receipt.getVoter()), {Term(receipt.getTerm()), Index(receipt.getIndex())}});
    }
    auto entries = from.getEntries();
    to.entries.reserve(entries.size());
    Term term = to.previous_term;
    for (auto entry : entries) {
        const auto kind = entry.getKind();
        if (kind < 1 || kind > 3 || Term(entry.getTerm()) < term) return {};
        const auto payload = entry.getPayload();  // once: each time counts as its bytes traversed
        if (payload.size() > limits::kLogEntryBytesMax) return {};
        term = Term(entry.getTerm());
        to.entries.push_back({.term = term,
                              .index = to.previous_index.plus(to.entries.size() + 1),
                              .kind = static_cast<raft::EntryKind>(kind),
                              .payload = shared(payload)});
    }
    if (term > to.term) return {};
    return to;
}

std::optional<raft::SnapshotRequest> read(schema::SnapshotRequest::Reader from) {
    const auto bytes = from.getConfiguration();
    auto configuration = raft::decode_configuration({bytes.begin(), bytes.size()});
    if (!configuration || configuration->voter_count() == 0) return {};
    if (!in_bounds({from.getIndex(), from.getLastIndex()})) return {};
    std::optional<raft::LogHash> hash;
    if (from.hasHash()) hash = read(from.getHash());
    if (hash && (!is_possible(*hash) || hash->index != Index(from.getIndex()))) return {};
    return raft::SnapshotRequest{.term = Term(from.getTerm()),
                                 .point = {.index = Index(from.getIndex()),
                                           .term = Term(from.getIndexTerm()),
                                           .configuration = std::move(*configuration),
                                           .hash = hash},
                                 .round = from.getRound(),
                                 .manifest = shared(from.getManifest()),
                                 .last_index = Index(from.getLastIndex()),
                                 .to_voter = from.getToVoter()};
}

raft::Message read(schema::VoteRequest::Reader from) {
    return raft::VoteRequest{.term = Term(from.getTerm()),
                             .last_index = Index(from.getLastIndex()),
                             .last_term = Term(from.getLastTerm()),
                             .pre_vote = from.getPreVote(),
                             .transfer = from.getTransfer()};
}

raft::Message read(schema::VoteReply::Reader from) {
    raft::VoteReply reply{
        .term = Term(from.getTerm()), .pre_vote = from.getPreVote(), .granted = from.getGranted()};
    if (from.getLastIndex() <= raft::kIndexMax) {
        reply.log_end = {Term(from.getLastTerm()), Index(from.getLastIndex())};
    }
    return reply;
}

raft::Message read(schema::SnapshotReply::Reader from) {
    return raft::SnapshotReply{.term = Term(from.getTerm()),
                               .round = from.getRound(),
                               .index = Index(from.getIndex()),
                               .installed = from.getInstalled(),
                               .promise = promise_of(from.getPromise()),
                               .forgot = from.getForgot()};
}

raft::Message read(schema::AppendReply::Reader from) {
    return raft::AppendReply{.term = Term(from.getTerm()),
                             .round = from.getRound(),
                             .success = from.getSuccess(),
                             .match = Index(from.getMatch()),
                             .applied = Index(from.getApplied()),
                             .promise = promise_of(from.getPromise()),
                             .full = from.getFull(),
                             .forgot = from.getForgot(),
                             .agrees = Index(from.getAgrees())};
}

using Body = decltype(PeerMessage::body);

std::optional<Body> read_chunk(schema::Message::Reader from) {
    if (from.isChunkRequest()) {
        auto in = from.getChunkRequest();
        return ChunkRequest{Index(in.getIndex()), in.getFile(), in.getOffset(), in.getLength()};
    }
    auto in = from.getChunk();
    const auto bytes = in.getData();
    return Chunk{Index(in.getIndex()), in.getFile(), in.getOffset(),
                 Bytes(bytes.begin(), bytes.end()), Index(in.getConsistentFrom())};
}

std::optional<Body> read_page(schema::Message::Reader from) {
    if (from.isPageRequest()) {
        auto in = from.getPageRequest();
        return PageRequest{in.getDatabase().cStr(), in.getPage()};
    }
    auto in = from.getPageReply();
    const auto bytes = in.getData();
    if (bytes.size() != 0 && bytes.size() != database::kPageSize) return {};
    return PageReply{in.getDatabase().cStr(), in.getPage(), Index(in.getAsOf()),
                     Bytes(bytes.begin(), bytes.end())};
}

std::optional<raft::Message> read_consensus(schema::Message::Reader from) {
    switch (from.which()) {
        case schema::Message::VOTE_REQUEST:
            return read(from.getVoteRequest());
        case schema::Message::VOTE_REPLY:
            return read(from.getVoteReply());
        case schema::Message::APPEND_REQUEST:
            return read(from.getAppendRequest());
        case schema::Message::APPEND_REPLY:
            return read(from.getAppendReply());
        case schema::Message::SNAPSHOT_REQUEST:
            return read(from.getSnapshotRequest());
        case schema::Message::SNAPSHOT_REPLY:
            return read(from.getSnapshotReply());
        case schema::Message::TIMEOUT_NOW:
            return raft::TimeoutNow{Term(from.getTimeoutNow().getTerm())};
        case schema::Message::CHUNK_REQUEST:
        case schema::Message::CHUNK:
        case schema::Message::PAGE_REQUEST:
        case schema::Message::PAGE_REPLY:
            break;
    }
    return {};  // perhaps from a newer node: a kind that this one does not know
}

std::optional<Body> read_body(schema::Message::Reader from) {
    if (from.isChunkRequest() || from.isChunk()) return read_chunk(from);
    if (from.isPageRequest() || from.isPageReply()) return read_page(from);
    auto message = read_consensus(from);
    if (!message) return {};
    return std::move(*message);
}

std::optional<PeerMessage> read_message(capnp::FlatArrayMessageReader& reader) {
    auto message = reader.getRoot<schema::Message>();
    auto body = read_body(message);
    if (!body || message.getFrom() == 0) return {};
    if (message.getFromAddress().size() > limits::kAddressBytesMax) return {};
    return PeerMessage{.cluster = {message.getClusterHigh(), message.getCluster()},
                       .from = NodeId(message.getFrom()),
                       .to = NodeId(message.getTo()),
                       .from_address = message.getFromAddress().cStr(),
                       .body = std::move(*body)};
}

}  // namespace

Bytes encode(const PeerMessage& message) {
    capnp::MallocMessageBuilder builder;
    auto root = builder.initRoot<schema::Message>();
    root.setVersion(kVersion);
    root.setCluster(message.cluster.low);
    root.setClusterHigh(message.cluster.high);
    root.setFrom(message.from.value());
    root.setTo(message.to.value());
    root.setFromAddress(message.from_address.c_str());
    std::visit(Overloaded{
                   [&](const raft::Message& body) { write(root, body); },
                   [&](const ChunkRequest& body) {
                       auto out = root.initChunkRequest();
                       out.setIndex(body.snapshot.value());
                       out.setFile(body.file);
                       out.setOffset(body.offset);
                       out.setLength(body.length);
                   },
                   [&](const Chunk& body) {
                       auto out = root.initChunk();
                       out.setIndex(body.snapshot.value());
                       out.setFile(body.file);
                       out.setOffset(body.offset);
                       out.setData(blob(body.data));
                       out.setConsistentFrom(body.consistent_from.value());
                   },
                   [&](const PageRequest& body) {
                       auto out = root.initPageRequest();
                       out.setDatabase(body.database.c_str());
                       out.setPage(body.page);
                   },
                   [&](const PageReply& body) {
                       auto out = root.initPageReply();
                       out.setDatabase(body.database.c_str());
                       out.setPage(body.page);
                       out.setAsOf(body.as_of.value());
                       out.setData(blob(body.data));
                   },
               },
               message.body);
    Bytes frame(capnp::computeSerializedSizeInWords(builder) * sizeof(capnp::word));
    kj::ArrayOutputStream stream(kj::arrayPtr(frame.data(), frame.size()));
    capnp::writeMessage(stream, builder);
    return frame;
}

std::optional<PeerMessage> decode_peer_message(ByteView frame) {
    if (frame.size() % sizeof(capnp::word) != 0) return {};
    auto words = kj::heapArray<capnp::word>(frame.size() / sizeof(capnp::word));
    std::copy(frame.begin(), frame.end(), words.asBytes().begin());
    capnp::ReaderOptions options;
    // Each byte may be visited once, and a little more for the pointers to empty objects.
    options.traversalLimitInWords = words.size() + 1024;
    std::optional<PeerMessage> message;
    // Cap'n Proto reports malformed input by exceptions; they end here.
    auto failure = kj::runCatchingExceptions([&] {
        capnp::FlatArrayMessageReader reader(words.asPtr(), options);
        message = read_message(reader);
    });
    if (failure != nullptr) return {};
    return message;
}

}  // namespace quorlite::replica
