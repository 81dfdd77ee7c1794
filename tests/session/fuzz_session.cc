#include "tests/session/moves.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    quorlite::test::run_moves({data, size});
    return 0;
}
