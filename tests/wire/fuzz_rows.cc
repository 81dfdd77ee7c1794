// The body of a ROWS message.
#include "tests/wire/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace quorlite;
    const ByteView input(data, size);
    return judge(wire::check_rows(input));
}
