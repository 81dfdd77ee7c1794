// Frames that no honest node would send, to nodes in every role.
#pragma once

#include "wire/base/bytes.h"

namespace quorlite::test {

// Two nodes and a client, driven by the bytes: time passes, the client writes, nodes are cut off,
// start again and lead in turn; and frames arrive, of every kind, as members and strangers would
// send them: made up around what the node believes, or real ones again, late and changed. No node
// ends, each starts again on its disk, and what one knows to be committed it never takes back.
void survive_forged_frames(ByteView moves);

}  // namespace quorlite::test
