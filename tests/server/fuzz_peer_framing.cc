// A seed for the sizes of the pieces, then a stream of frames; the stream is also taken for a
// Hello. No input may crash, read outside itself, or break a property. With an odd seed the
// checksums of the frames are made right first, so that more than one frame is looked at.
#include <cstdio>
#include <cstdlib>

#include "tests/server/peer_properties.h"
#include "wire/base/crc32c.h"

namespace {

using namespace quorlite;

void repair_checksums(Bytes& stream) {
    for (std::size_t at = 0; stream.size() - at >= wire::kFrameHeaderBytes;) {
        const std::size_t length = load_little<std::uint32_t>(stream.data() + at);
        const std::size_t body = at + wire::kFrameHeaderBytes;
        if (length > stream.size() - body) return;
        store_little(stream.data() + at + 4, crc32c(ByteView(stream).subspan(body, length)));
        at = body + (length + 7) / 8 * 8;
        if (at > stream.size()) return;
    }
}

void judge(std::string_view problem) {
    if (problem.empty()) return;
    std::fprintf(stderr, "%.*s\n", static_cast<int>(problem.size()), problem.data());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    Bytes stream(data + 1, data + size);
    if (data[0] % 2 == 1) repair_checksums(stream);
    for (const auto kind : {wire::FrameKind::kOpaque, wire::FrameKind::kMessage}) {
        judge(wire::check_frames(stream, kind, 4096, data[0]));
    }
    judge(wire::check_hello(stream));
    return 0;
}
