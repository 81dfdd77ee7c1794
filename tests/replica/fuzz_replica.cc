// Peers' frames with state: what members and strangers may send to nodes in every role.
#include "tests/replica/forged_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    quorlite::test::survive_forged_frames({data, size});
    return 0;
}
