// A seed for the sizes of the pieces, then a stream of messages.
#include "tests/wire/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace quorlite;
    const ByteView input(data, size);
    if (size < 1) return 0;
    return judge(wire::check_stream(input.subspan(1), data[0]));
}
