// A seed for the sizes of the pieces, then a stream of frames; the stream is also taken for a
// Hello. No input may crash, read outside itself, or break a property.
#include <cstdio>
#include <cstdlib>

#include "tests/server/peer_properties.h"

namespace {

void judge(std::string_view problem) {
    if (problem.empty()) return;
    std::fprintf(stderr, "%.*s\n", static_cast<int>(problem.size()), problem.data());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace quorlite;
    if (size < 1) return 0;
    const ByteView stream = ByteView(data, size).subspan(1);
    judge(wire::check_frames(stream, 4096, data[0]));
    judge(wire::check_hello(stream));
    return 0;
}
