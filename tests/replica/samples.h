// A message of each kind that nodes send to each other, with each field set in one of them.
#pragma once

#include <vector>

#include "engine/replica/peer_codec.h"

namespace quorlite::replica {

std::vector<PeerMessage> samples();
raft::SnapshotPoint sample_point();

}  // namespace quorlite::replica
