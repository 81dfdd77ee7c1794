# What nodes say to each other. Each Message travels in one frame (spec/peer-protocol.md), unpacked.
#
# Rules for changes: fields are only added; a node ignores what it does not know; `version` grows when an
# older node could misunderstand, and two adjacent versions must work together.
@0xd1b6c9f3a5e84720;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("quorlite::replica::schema");

struct Message {
  version @0 :UInt16;       # 1
  cluster @1 :UInt64;       # the low half of the cluster's id; both 0: the sender does not know it yet
  from @2 :UInt64;
  to @3 :UInt64;
  fromAddress @4 :Text;     # where to send answers

  union {
    voteRequest @5 :VoteRequest;
    voteReply @6 :VoteReply;
    appendRequest @7 :AppendRequest;
    appendReply @8 :AppendReply;
    snapshotRequest @9 :SnapshotRequest;
    snapshotReply @10 :SnapshotReply;
    timeoutNow @11 :TimeoutNow;
    chunkRequest @12 :ChunkRequest;   # bulk channel, receiver to sender
    chunk @13 :Chunk;                 # bulk channel, sender to receiver
    pageRequest @14 :PageRequest;     # bulk channel, to all other nodes
    pageReply @15 :PageReply;         # bulk channel
  }

  clusterHigh @16 :UInt64;  # 0 in clusters that version 0.1 founded
}

struct VoteRequest {
  term @0 :UInt64;
  lastIndex @1 :UInt64;
  lastTerm @2 :UInt64;
  preVote @3 :Bool;
  transfer @4 :Bool;
}

struct VoteReply {
  term @0 :UInt64;
  preVote @1 :Bool;
  granted @2 :Bool;
  lastIndex @3 :UInt64 = 0xffffffffffffffff;  # of the voter's log; the default: it does not say
  lastTerm @4 :UInt64;
}

struct Entry {               # its index is previousIndex + 1 + its position
  term @0 :UInt64;
  kind @1 :UInt8;
  payload @2 :Data;
}

struct AppendRequest {
  term @0 :UInt64;
  previousIndex @1 :UInt64;
  previousTerm @2 :UInt64;
  commit @3 :UInt64;
  round @4 :UInt64;
  entries @5 :List(Entry);
  lastIndex @6 :UInt64;        # of the leader's log; 0: it does not say
  receipts @7 :List(Receipt);  # with heartbeats
  toVoter @8 :Bool;            # the leader counts the receiver among the voters
  trusted @9 :Bool;            # what the receiver forgot can do no harm any more
  hash @10 :LogHash;           # of what is committed here; absent: the leader does not know it
  agreed @11 :UInt64;          # an index at which a majority was found to have the leader's hash
}

struct LogHash {             # of the entries after `origin` up to `index`; peer-protocol.md, section 4
  origin @0 :UInt64;
  index @1 :UInt64;
  value @2 :UInt64;
}

struct Receipt {             # a voter has acknowledged everything up to an index that is committed
  voter @0 :UInt64;
  index @1 :UInt64;
  term @2 :UInt64;           # of the entry there
}

struct AppendReply {
  term @0 :UInt64;
  round @1 :UInt64;
  success @2 :Bool;
  match @3 :UInt64;
  applied @4 :UInt64;
  promise @5 :UInt64;        # microseconds for which the sender votes for nobody else; 0: it does not say
  full @6 :Bool;             # its disk takes no more
  forgot @7 :Bool;           # its disk is not the one it had
  agrees @8 :UInt64;         # the last index at which its hash was the leader's, in this term; 0: none
}

struct SnapshotRequest {
  term @0 :UInt64;
  round @1 :UInt64;
  index @2 :UInt64;
  indexTerm @3 :UInt64;
  configuration @4 :Data;
  manifest @5 :Data;
  lastIndex @6 :UInt64;      # as in AppendRequest
  toVoter @7 :Bool;
  hash @8 :LogHash;          # as of the snapshot's index; may be absent
}

struct SnapshotReply {
  term @0 :UInt64;
  round @1 :UInt64;
  index @2 :UInt64;
  installed @3 :Bool;
  promise @4 :UInt64;        # as in AppendReply
  forgot @5 :Bool;
}

struct TimeoutNow {
  term @0 :UInt64;
}

struct ChunkRequest {
  index @0 :UInt64;          # of the snapshot
  file @1 :UInt32;
  offset @2 :UInt64;
  length @3 :UInt32;
}

struct Chunk {
  index @0 :UInt64;
  file @1 :UInt32;
  offset @2 :UInt64;
  data @3 :Data;             # empty: the sender no longer has this snapshot
  consistentFrom @4 :UInt64; # pages may be as of this index; 0 from nodes that do not say so
}

struct PageRequest {         # from a node whose disk has damaged this page
  database @0 :Text;
  page @1 :UInt32;           # from 1
}

struct PageReply {
  database @0 :Text;
  page @1 :UInt32;
  asOf @2 :UInt64;           # an index: the page holds every transaction up to here, and none after
  data @3 :Data;             # 4096 bytes, or empty: the sender cannot help
}
